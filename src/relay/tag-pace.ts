/**
 * What comes by IP tag after a stall of the network comes all at once, and a program's socket holds a few hundred
 * datagrams: so it is handed over no faster than programs read.
 */
import type { Drops } from "../observe/observer.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import { TaggedQueue, type TaggedQueueLimits } from "../transport/tagged-queue.ts"

/** Datagrams handed over at once: Linux gives a socket room for 166 of 280 bytes (measured). */
export const PACE_BURST = 128
/** Datagrams a millisecond after that: six times the streams that are promised, and a third of what a socket holds. */
export const PACE_PER_MS = 32

/** What may wait for one program: all that a server keeps by default and the connection holds besides, and as much again. */
export const PACE_QUEUE: TaggedQueueLimits = { datagrams: 131_072, bytes: 32 << 20, ageMs: 10_000 }

interface Held {
  readonly length: number
  readonly deliver: () => void
}

/** Paces one program's datagrams. Order is kept. */
export class TagPace {
  readonly #queue: TaggedQueue<Held>
  readonly #clock: Clock
  #credit = PACE_BURST
  #creditAt: number
  #timer: Timer | undefined

  constructor(clock: Clock, drops: Drops, where: string) {
    this.#clock = clock
    this.#queue = new TaggedQueue<Held>(PACE_QUEUE, clock, drops, where)
    this.#creditAt = clock.now()
  }

  /** Runs `deliver` for a datagram of `length` bytes, now or in its turn. */
  push(length: number, deliver: () => void): void {
    if (this.#queue.length === 0 && this.#allowed()) {
      deliver()
      return
    }
    this.#queue.push({ length, deliver })
    this.#timer ??= this.#clock.after(1, () => this.#turn())
  }

  /** Forgets what waits, counted. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#queue.clear()
  }

  #turn(): void {
    this.#timer = undefined
    while (this.#queue.length > 0 && this.#allowed()) this.#queue.take()?.deliver()
    if (this.#queue.length > 0) this.#timer = this.#clock.after(1, () => this.#turn())
  }

  #allowed(): boolean {
    const now = this.#clock.now()
    this.#credit = Math.min(PACE_BURST, this.#credit + (now - this.#creditAt) * PACE_PER_MS)
    this.#creditAt = now
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }
}
