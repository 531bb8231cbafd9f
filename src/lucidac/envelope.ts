/**
 * The outside of every message: who asks, what kind it is, and where its payload lies, found without decoding the
 * payload; and the way back. What a relay does not look into goes through it byte for byte.
 */
import { ARM, FIRST_ARM } from "./arm.ts"
import { varintLength, writeVarint } from "./frame.ts"
import { emptyField, LENGTH_DELIMITED, nextField, type WireField } from "./wire-fields.ts"

/** A message of protocol version 1. */
export interface V1Message {
  readonly kind: "v1"
  /** The requester's mark, which its answer bears again; absent where nobody asked. */
  readonly id: string | undefined
  /** Field number of what it is, one of `ARM` or a number that came later; 0 for none. */
  readonly arm: number
  /** The bytes of that field, a view of `body`. */
  readonly payload: Uint8Array
  /** The whole envelope. */
  readonly body: Uint8Array
}

/** What an envelope is. Generic messages have no id. */
export type Peeked =
  | V1Message
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  /** Well-formed, but of a generation that this program does not know. */
  | { readonly kind: "unknown" }

const ENVELOPE_GENERIC = 100
const ENVELOPE_V1 = 101
const GENERIC_PING = 100
const GENERIC_PONG = 101
const ID_FIELD = 1
const NO_BYTES = new Uint8Array(0)
const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * What `body` is, or undefined where it is no envelope. Whoever sends two kinds in one message is not understood: which
 * one a device would obey is its parser's affair, and a relay must not check one and pass on the other.
 */
export function peekEnvelope(body: Uint8Array): Peeked | undefined {
  const field = emptyField()
  let found = 0
  let value: Uint8Array = NO_BYTES
  for (let at = 0; ; at = field.end) {
    const more = nextField(body, at, field)
    if (more === undefined) return undefined
    if (!more) break
    if (field.number < FIRST_ARM) continue
    if (found !== 0 || field.wireType !== LENGTH_DELIMITED) return undefined
    found = field.number
    value = body.subarray(field.value, field.end)
  }
  if (found === ENVELOPE_V1) return peekV1(value, body, field)
  if (found === ENVELOPE_GENERIC) return peekGeneric(value, field)
  return { kind: "unknown" }
}

/**
 * The same for a datagram, in which a device may also send a bare `MessageV1`; that comes back wrapped as it would be
 * in a frame.
 */
export function peekDatagram(datagram: Uint8Array): Peeked | undefined {
  const peeked = peekEnvelope(datagram)
  if (peeked && peeked.kind !== "unknown") return peeked
  const bare = peekV1(datagram, datagram, emptyField())
  if (!bare || bare.arm === 0) return peeked
  return { ...bare, body: wrap(datagram) }
}

function peekV1(message: Uint8Array, body: Uint8Array, field: WireField): V1Message | undefined {
  let id: string | undefined
  let arm = 0
  let payload: Uint8Array = NO_BYTES
  for (let at = 0; ; at = field.end) {
    const more = nextField(message, at, field)
    if (more === undefined) return undefined
    if (!more) break
    if (field.number === ID_FIELD) {
      if (field.wireType !== LENGTH_DELIMITED) return undefined
      try {
        id = utf8.decode(message.subarray(field.value, field.end))
      } catch {
        return undefined
      }
    } else if (field.number >= FIRST_ARM) {
      if (arm !== 0 || field.wireType !== LENGTH_DELIMITED) return undefined
      arm = field.number
      payload = message.subarray(field.value, field.end)
    }
  }
  return { kind: "v1", id, arm, payload, body }
}

function peekGeneric(message: Uint8Array, field: WireField): Peeked | undefined {
  let arm = 0
  for (let at = 0; ; at = field.end) {
    const more = nextField(message, at, field)
    if (more === undefined) return undefined
    if (!more) break
    if (field.number < FIRST_ARM) continue
    if (arm !== 0 || field.wireType !== LENGTH_DELIMITED) return undefined
    arm = field.number
  }
  if (arm === GENERIC_PING) return { kind: "ping" }
  return arm === GENERIC_PONG ? { kind: "pong" } : { kind: "unknown" }
}

/** The message's envelope with another id, or none, and nothing else changed: version and unknown fields stay. */
export function withId(message: V1Message, id: string | undefined): Uint8Array {
  return rewrite(message, id, undefined)
}

/** The message's envelope with another payload (and id), its version and unknown fields kept. */
export function withPayload(message: V1Message, payload: Uint8Array, id: string | undefined = message.id): Uint8Array {
  return rewrite(message, id, payload)
}

/** The envelope of a message that has just an id and a payload of kind `arm`. */
export function encodeV1(id: string | undefined, arm: number, payload: Uint8Array = NO_BYTES): Uint8Array {
  return wrap(join([...idPieces(id), ...fieldPieces(arm, payload)]))
}

/** A generic ping's envelope. */
export function encodePing(): Uint8Array {
  return Uint8Array.of(0xa2, 0x06, 0x03, 0xa2, 0x06, 0x00)
}

/** A generic ping's answer; `micros` is the answering device's clock, below 2^32. */
export function encodePong(micros = 0): Uint8Array {
  const response = micros > 0 ? varintField(1, micros) : NO_BYTES
  return join(fieldPieces(ENVELOPE_GENERIC, join(fieldPieces(GENERIC_PONG, response))))
}

/** "Done", to the request with this id. */
export function encodeSuccess(id: string | undefined): Uint8Array {
  return encodeV1(id, ARM.success)
}

/** What went wrong, to the request with this id, or to nobody's in particular. The text is cut to what devices' clients hold. */
export function encodeError(id: string | undefined, text: string): Uint8Array {
  return encodeV1(id, ARM.error, join(fieldPieces(2, utf8Bytes(cutUtf8(text, MAX_ERROR_TEXT)))))
}

/** "Somebody else has the device": the client comes again in 2 s. */
export function encodeBusy(id: string | undefined): Uint8Array {
  return encodeV1(id, ARM.busy)
}

/** "No samples by UDP here": the client goes on with TCP. */
export function encodeUdpRefused(id: string | undefined, reason: string): Uint8Array {
  return encodeV1(id, ARM.udpDataStreamingRefused, join(fieldPieces(1, utf8Bytes(reason))))
}

/** Bytes of an error's text, one less than the devices' own buffer. */
export const MAX_ERROR_TEXT = 1023

/** The longest beginning of `text` with at most `limit` bytes in UTF-8. */
export function cutUtf8(text: string, limit: number): string {
  const bytes = utf8Bytes(text)
  if (bytes.length <= limit) return text
  let end = limit
  // Not within a character: its second and further bytes begin with the bits 10.
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return new TextDecoder().decode(bytes.subarray(0, end))
}

function rewrite({ body }: V1Message, id: string | undefined, payload: Uint8Array | undefined): Uint8Array {
  const outer = emptyField()
  const pieces: Uint8Array[] = []
  for (let at = 0; nextField(body, at, outer); at = outer.end) {
    if (outer.number !== ENVELOPE_V1) {
      pieces.push(body.subarray(outer.start, outer.end))
      continue
    }
    const message = body.subarray(outer.value, outer.end)
    const inner = emptyField()
    const kept = idPieces(id)
    for (let from = 0; nextField(message, from, inner); from = inner.end) {
      if (inner.number === ID_FIELD) continue
      if (inner.number >= FIRST_ARM && payload) kept.push(...fieldPieces(inner.number, payload))
      else kept.push(message.subarray(inner.start, inner.end))
    }
    pieces.push(...fieldPieces(ENVELOPE_V1, join(kept)))
  }
  return join(pieces)
}

function wrap(message: Uint8Array): Uint8Array {
  return join(fieldPieces(ENVELOPE_V1, message))
}

function idPieces(id: string | undefined): Uint8Array[] {
  return id === undefined ? [] : fieldPieces(ID_FIELD, utf8Bytes(id))
}

/** Tag and length of a field, and its value. */
function fieldPieces(number: number, value: Uint8Array): Uint8Array[] {
  const tag = (number << 3) | LENGTH_DELIMITED
  const header = new Uint8Array(varintLength(tag) + varintLength(value.length))
  writeVarint(header, writeVarint(header, 0, tag), value.length)
  return [header, value]
}

function varintField(number: number, value: number): Uint8Array {
  const tag = number << 3
  const bytes = new Uint8Array(varintLength(tag) + varintLength(value))
  writeVarint(bytes, writeVarint(bytes, 0, tag), value)
  return bytes
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const piece of pieces) length += piece.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

function utf8Bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
