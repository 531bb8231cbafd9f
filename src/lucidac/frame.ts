/** Messages on a TCP stream: an unsigned LEB128 varint with the length, then so many bytes of one `Envelope`. */

/** Longest envelope that devices and pybrid take over TCP; a longer announced length ends the connection. */
export const MAX_FRAME_BODY = 262_084
/** A protobuf varint has at most ten bytes. */
const MAX_VARINT = 10
/** First buffer for a body that comes in pieces; it doubles as the body comes, so that announcing costs nothing. */
const FIRST_BUFFER = 4096
const NO_BYTES = new Uint8Array(0)

/** Why a stream cannot be read further. */
export type FrameError =
  | { readonly code: "frame-too-long"; readonly length: number; readonly limit: number }
  | { readonly code: "bad-length" }

/** The frame that carries `body`. Throws RangeError above 262,084 bytes. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  if (body.length > MAX_FRAME_BODY) {
    throw new RangeError(tooLong(body.length))
  }
  const header = varintLength(body.length)
  const frame = new Uint8Array(header + body.length)
  writeVarint(frame, 0, body.length)
  frame.set(body, header)
  return frame
}

/** The words for a message that no frame holds. */
export function tooLong(bytes: number): string {
  const [length, limit] = [bytes, MAX_FRAME_BODY].map((number) => number.toLocaleString("en-US"))
  return `a message of ${length} bytes does not fit into a frame: expected at most ${limit}`
}

/** Bytes of the varint of a number below 2^32. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++
  return length
}

/** Writes a number below 2^32 as a varint; returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value >>> 0
  for (; rest > 0x7f; rest >>>= 7) target[offset++] = (rest & 0x7f) | 0x80
  target[offset++] = rest
  return offset
}

/**
 * Reads frames from a stream cut anywhere. It holds at most one unfinished frame of the limit, whose length was checked
 * before anything was kept of it.
 */
export class FrameDecoder {
  readonly #limit: number
  #length = 0
  #headerBytes = 0
  /** The length is known and the body is being gathered. */
  #inBody = false
  #body: Uint8Array = new Uint8Array(0)
  #filled = 0
  #error: FrameError | undefined
  /** What `emit` stopped before in the last `push`, a view of its chunk: the next `push` is to begin with it. */
  rest: Uint8Array = NO_BYTES

  constructor(limit = MAX_FRAME_BODY) {
    this.#limit = limit
  }

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#headerBytes + this.#filled
  }

  /**
   * Calls `emit` with each complete envelope; it may be a view of `chunk`, so whoever keeps it for long copies it. After
   * an error every call returns that error. `emit` may return false to stop: the rest of `chunk` is then in `rest`.
   */
  push(chunk: Uint8Array, emit: (body: Uint8Array) => unknown): FrameError | undefined {
    if (this.#error) return this.#error
    this.rest = NO_BYTES
    let at = 0
    while (at < chunk.length) {
      if (!this.#inBody) {
        const error = this.#header(chunk[at++]!)
        if (error) {
          this.#error = error
          return error
        }
        if (!this.#inBody || this.#length > 0) continue
      }
      const wanted = this.#length - this.#filled
      const end = Math.min(chunk.length, at + wanted)
      const piece = chunk.subarray(at, end)
      at = end
      if (piece.length < wanted) {
        this.#keep(piece)
        return undefined
      }
      let body = piece
      if (this.#filled > 0) {
        this.#keep(piece)
        body = this.#body.subarray(0, this.#filled)
      }
      this.#reset()
      if (emit(body) === false) {
        this.rest = chunk.subarray(at)
        return undefined
      }
    }
    return undefined
  }

  /** Takes one byte of the length. */
  #header(byte: number): FrameError | undefined {
    // Multiplied, as shifts end at 32 bits; above 2^53 the value is wrong but too long all the same.
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#headerBytes)
    this.#headerBytes++
    if (this.#length > this.#limit) return { code: "frame-too-long", length: this.#length, limit: this.#limit }
    if (byte & 0x80) return this.#headerBytes === MAX_VARINT ? { code: "bad-length" } : undefined
    this.#inBody = true
    return undefined
  }

  #keep(piece: Uint8Array): void {
    const needed = this.#filled + piece.length
    if (needed > this.#body.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(FIRST_BUFFER, 2 * needed)))
      grown.set(this.#body.subarray(0, this.#filled))
      this.#body = grown
    }
    this.#body.set(piece, this.#filled)
    this.#filled = needed
  }

  #reset(): void {
    this.#length = 0
    this.#headerBytes = 0
    this.#inBody = false
    this.#body = new Uint8Array(0)
    this.#filled = 0
  }
}
