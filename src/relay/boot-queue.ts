/**
 * Boot datagrams on their way to the ROM, which copies each block in an interrupt and misses what comes too soon after:
 * they leave in order, each no sooner after the last than it asks. Pure; `now` comes with each call.
 */
import type { Event } from "../observe/events.ts"

/** A client's own pass and one repeat, twice over: more than a boot ever has under way. */
export const BOOT_QUEUE_LIMIT = 160

/** A datagram, the time before it, and what to tell when it has gone. */
export interface QueuedBoot {
  readonly datagram: Uint8Array
  readonly gapMs: number
  readonly event?: Event | undefined
}

/** The queue of one board. */
export class BootQueue {
  #items: QueuedBoot[] = []
  #lastAt = Number.NEGATIVE_INFINITY

  get size(): number {
    return this.#items.length
  }

  /** Appends; returns how many of the oldest had to go. */
  push(item: QueuedBoot): number {
    this.#items.push(item)
    const tooMany = this.#items.length - BOOT_QUEUE_LIMIT
    if (tooMany <= 0) return 0
    this.#items.splice(0, tooMany)
    return tooMany
  }

  /** When the next one may go; Infinity if there is none. */
  get dueAt(): number {
    const next = this.#items[0]
    return next ? this.#lastAt + next.gapMs : Number.POSITIVE_INFINITY
  }

  /** The next one, if its time has come. */
  take(now: number): QueuedBoot | undefined {
    if (now < this.dueAt) return undefined
    this.#lastAt = now
    return this.#items.shift()
  }

  clear(): void {
    this.#items = []
  }
}
