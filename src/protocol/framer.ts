/** Cuts a byte stream into length-prefixed frames: what the plain framing and the mux codec have in common. */

/** How long a frame is, told from its header. */
export interface FrameShape {
  /** Bytes of header before the payload. */
  readonly headerBytes: number
  /** Payload length from the header at `offset`; may be any u32, the framer checks it. */
  payloadLength(bytes: Uint8Array, offset: number): number
  /** Longest payload allowed. */
  readonly maxPayload: number
}

/** A frame that announces more than the limit: the stream cannot be read further. */
export interface FramingError {
  readonly code: "frame-too-long"
  readonly length: number
  readonly limit: number
}

const NOTHING = new Uint8Array(0)

/**
 * Holds only the bytes of an unfinished frame, at most one header and one payload of the limit: a length is checked
 * before anything is kept for it.
 */
export class Framer {
  #rest: Uint8Array = NOTHING
  #error: FramingError | undefined

  constructor(private readonly shape: FrameShape) {}

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#rest.length
  }

  /**
   * Takes the next bytes and calls `emit` with each complete frame, header included: the bytes from `start` to `end`,
   * which the caller may keep views of. After an error every call returns that error.
   */
  push(chunk: Uint8Array, emit: (bytes: Uint8Array, start: number, end: number) => void): FramingError | undefined {
    if (this.#error) return this.#error
    const bytes = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk)
    this.#rest = NOTHING
    const { headerBytes, maxPayload } = this.shape
    let offset = 0
    while (bytes.length - offset >= headerBytes) {
      const length = this.shape.payloadLength(bytes, offset)
      if (length > maxPayload) {
        this.#error = { code: "frame-too-long", length, limit: maxPayload }
        return this.#error
      }
      const end = offset + headerBytes + length
      if (end > bytes.length) break
      emit(bytes, offset, end)
      offset = end
    }
    if (offset < bytes.length) this.#rest = offset === 0 ? bytes : bytes.subarray(offset)
    return undefined
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}
