/**
 * Tells clients, whose sequence numbers move with every request, from hand-made scripts, whose do not. To a client's
 * number belongs one request; a script's says nothing, so its repeats cannot be told from new requests and are not
 * answered from memory. Pure.
 */
import { sameRequest } from "./scp-classify.ts"

/** SpiNNMan and Java send one request up to 11 times, others less: the twelfth time the same bytes are no repeat. */
export const MOST_SENDS = 11

/** Programs count their requests from here: rig, SpiNNMan and Java from 0, Perl from 1. */
const FIRST_SEQUENCES = 1
/** The network's own duplicates come sooner than this, another program's first request hardly. */
const DUPLICATE_MS = 1_000

/** Watches one flow. */
export class SequenceWatch {
  #last: number | undefined
  #lastRequest: Uint8Array | undefined
  #sends = 0
  #moved = false
  #still = false
  #firstAt = Number.NEGATIVE_INFINITY

  /** True while the flow's numbers stand still. */
  get still(): boolean {
    return this.#still
  }

  /** True once the flow has used a second number, and as long as they move. */
  get moving(): boolean {
    return this.#moved && !this.#still
  }

  /** A request, new or repeated, has come from the application. */
  note(sequence: number, request: Uint8Array): void {
    this.#sends++
    if (sequence !== this.#last) {
      this.#moved = this.#last !== undefined
      this.#still = false
      this.#sends = 1
      this.#last = sequence
      this.#lastRequest = undefined
    } else if (this.#lastRequest && !sameRequest(this.#lastRequest, request)) {
      this.#still = true
    } else if (!this.#moved && this.#sends > MOST_SENDS) {
      this.#still = true
    }
  }

  /**
   * A harmless request has come. True if another program begins with it: behind a Python client all programs share one
   * flow, and the second run of a script sends what the first did, numbers and all.
   */
  beginsAnew(sequence: number, now: number): boolean {
    if (sequence > FIRST_SEQUENCES) return false
    const anew = now - this.#firstAt > DUPLICATE_MS
    this.#firstAt = now
    return anew
  }

  /** Keeps what was noted last for comparison, as bytes that will not change. */
  keep(request: Uint8Array): void {
    this.#lastRequest = request
  }
}
