/** Which run and which carrier a sample message (306, 307) is of, read without touching the samples. */
import { emptyField, LENGTH_DELIMITED, nextField } from "./wire-fields.ts"

/** The head of a message of samples. */
export interface RunHeader {
  readonly runId: string
  /** Number of the chunk in its run, from 0, for each carrier. */
  readonly chunk: number
  /** Entity path of the carrier; empty where the device sent none. */
  readonly path: string
}

const RUN = 1
const ENTITY = 2

/** The head of the payload of a 306 or 307; undefined where it is none. */
export function peekRunData(payload: Uint8Array): RunHeader | undefined {
  let runId = ""
  let chunk = 0
  let path = ""
  const field = emptyField()
  const inner = emptyField()
  for (let at = 0; ; at = field.end) {
    const more = nextField(payload, at, field)
    if (more === undefined) return undefined
    if (!more) return { runId, chunk, path }
    if ((field.number !== RUN && field.number !== ENTITY) || field.wireType !== LENGTH_DELIMITED) continue
    const message = payload.subarray(field.value, field.end)
    for (let from = 0; ; from = inner.end) {
      const another = nextField(message, from, inner)
      if (another === undefined) return undefined
      if (!another) break
      if (inner.number === 1 && inner.wireType === LENGTH_DELIMITED) {
        const text = latin1OrUtf8(message, inner.value, inner.end)
        if (field.number === RUN) runId = text
        else path = text
      } else if (field.number === RUN && inner.number === 2 && inner.wireType === 0) {
        chunk = uint32(message, inner.value)
      }
    }
  }
}

/** Ids and paths are ASCII, which a loop reads faster than a TextDecoder does; anything else is read as UTF-8. */
function latin1OrUtf8(bytes: Uint8Array, from: number, to: number): string {
  let text = ""
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!
    if (byte > 0x7f) return new TextDecoder().decode(bytes.subarray(from, to))
    text += String.fromCharCode(byte)
  }
  return text
}

function uint32(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++]!
    if (shift < 32) value |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return value >>> 0
}
