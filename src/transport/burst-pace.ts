/** Tells a lone datagram, which goes at once, from one of a burst, whose others are worth waiting for. */

/**
 * Datagrams within this time of the last are a burst, milliseconds: longer than it takes to come to the next datagram
 * in hand, shorter than any round trip. One that waits for the end of its turn for nothing loses 4 us: a twentieth of a
 * round trip through two relays on one machine, measured.
 */
export const BURST_GAP_MS = 0.02
/** After a burst of this many the next is awaited for longer: a window that is full comes round again and again. */
export const BUSY_BURST = 4
/** How much longer, milliseconds: as long as a loaded event loop's turn takes. */
export const BUSY_GAP_MS = 0.3

/** Watches one socket's sends. */
export class BurstPace {
  #lastAt = Number.NEGATIVE_INFINITY
  #lastSize = 1

  /** True if nothing has been sent for long enough that no other need be expected with this one. */
  isLone(now: number): boolean {
    return now - this.#lastAt >= (this.#lastSize >= BUSY_BURST ? BUSY_GAP_MS : BURST_GAP_MS)
  }

  /** `count` have just gone together; `now` is after the system call. */
  sent(count: number, now: number): void {
    this.#lastSize = count
    this.#lastAt = now
  }
}
