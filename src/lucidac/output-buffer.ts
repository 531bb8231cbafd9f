/**
 * Bytes on their way to a client, copied into slabs of a fixed size: what waits costs what it weighs, however big the
 * chunks were that it came in.
 */
import { varintLength, writeVarint } from "./frame.ts"

/** Bytes of a slab: as much as one write of a busy stream takes. */
export const SLAB_BYTES = 64 << 10
/** Slabs kept for the next burst while nothing waits. */
const SPARE_SLABS = 4

interface Slab {
  readonly bytes: Uint8Array
  start: number
  end: number
}

/** A queue of bytes. Its owner limits it: see `bytes`. */
export class OutputBuffer {
  #slabs: Slab[] = []
  #head = 0
  #bytes = 0
  /**
   * Emptied slabs. All are kept while something waits, for garbage is not collected as fast as a stream fills new ones:
   * a client that catches up would cost its buffer twice.
   */
  #spare: Uint8Array[] = []

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Slabs that it has, in use or not. */
  get slabs(): number {
    return this.#slabs.length - this.#head + this.#spare.length
  }

  /** Copies `body` behind the rest, with its length before it. */
  frame(body: Uint8Array): void {
    const header = new Uint8Array(varintLength(body.length))
    writeVarint(header, 0, body.length)
    this.append(header)
    this.append(body)
  }

  /** Copies `bytes` behind the rest. */
  append(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      let last = this.#slabs.at(-1)
      if (!last || this.#head >= this.#slabs.length || last.end === SLAB_BYTES) {
        last = { bytes: this.#spare.pop() ?? new Uint8Array(SLAB_BYTES), start: 0, end: 0 }
        this.#slabs.push(last)
      }
      const length = Math.min(bytes.length - at, SLAB_BYTES - last.end)
      last.bytes.set(at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length), last.end)
      last.end += length
      at += length
    }
    this.#bytes += bytes.length
  }

  /** Gives bytes to `write`, which says how many it took, until it takes no more; true once nothing is left. */
  drain(write: (bytes: Uint8Array) => number): boolean {
    while (this.#bytes > 0) {
      const slab = this.#slabs[this.#head]!
      const offered = slab.bytes.subarray(slab.start, slab.end)
      const taken = write(offered)
      slab.start += taken
      this.#bytes -= taken
      if (slab.start === slab.end) this.#retire(slab)
      if (taken < offered.length) return false
    }
    // One at a time, so that the collector keeps up.
    if (this.#spare.length > SPARE_SLABS) this.#spare.pop()
    return true
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#slabs = []
    this.#spare = []
    this.#head = 0
    this.#bytes = 0
  }

  #retire(slab: Slab): void {
    this.#head++
    this.#spare.push(slab.bytes)
    if (this.#head === this.#slabs.length || this.#head >= 64) {
      this.#slabs.splice(0, this.#head)
      this.#head = 0
    }
  }
}
