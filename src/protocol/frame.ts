/** The framing of Python's spinnaker_proxy over TCP: a u32 big-endian length, then the datagram. */
import { Framer, type FramingError } from "./framer.ts"

/** Bytes before each datagram. */
export const FRAME_HEADER = 4
/** Longest datagram in a frame: the most that UDP over IPv4 carries. */
export const MAX_DATAGRAM = 65507

const shape = {
  headerBytes: FRAME_HEADER,
  payloadLength: (bytes: Uint8Array, offset: number) =>
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0,
  maxPayload: MAX_DATAGRAM,
}

/** The frame that carries `datagram`. Throws RangeError above 65,507 bytes. */
export function encodeFrame(datagram: Uint8Array): Uint8Array {
  if (datagram.length > MAX_DATAGRAM) {
    throw new RangeError(`Cannot frame a datagram of ${datagram.length} bytes: expected at most ${MAX_DATAGRAM}`)
  }
  const frame = new Uint8Array(FRAME_HEADER + datagram.length)
  new DataView(frame.buffer).setUint32(0, datagram.length)
  frame.set(datagram, FRAME_HEADER)
  return frame
}

/** Reads frames from a stream cut anywhere. */
export class FrameDecoder {
  readonly #framer = new Framer(shape)

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#framer.pendingBytes
  }

  /** Calls `emit` with each complete datagram; returns an error once a frame announces more than the limit. */
  push(chunk: Uint8Array, emit: (datagram: Uint8Array) => void): FramingError | undefined {
    return this.#framer.push(chunk, (bytes, start, end) => emit(bytes.subarray(start + FRAME_HEADER, end)))
  }
}
