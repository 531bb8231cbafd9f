/**
 * Tagged datagrams that wait for a connection: a board streams at its own pace, whatever the network's. What fits is
 * kept for when the network catches up; beyond that the oldest go, counted. SCP does not wait behind them.
 */
import type { Drops } from "../observe/observer.ts"
import type { Clock } from "./clock.ts"

/** How much may wait, and how long. */
export interface TaggedQueueLimits {
  readonly datagrams: number
  readonly bytes: number
  readonly ageMs: number
}

/** 8 MiB: six seconds of 5,000 datagrams of 256 bytes a second, headers included. */
export const TAGGED_QUEUE: TaggedQueueLimits = { datagrams: 65_536, bytes: 8 << 20, ageMs: 10_000 }

interface Waiting<Item> {
  readonly frame: Item
  readonly since: number
}

/** A bounded first-in first-out queue of frames, or of anything else that has a length in bytes. */
export class TaggedQueue<Item extends { readonly length: number } = Uint8Array> {
  #waiting: Waiting<Item>[] = []
  #head = 0
  #bytes = 0

  constructor(
    private readonly limits: TaggedQueueLimits,
    private readonly clock: Clock,
    private readonly drops: Drops,
    /** For the counters: to whom it cannot go. */
    private readonly where: string,
  ) {}

  get length(): number {
    return this.#waiting.length - this.#head
  }

  /** Bytes waiting. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds a frame; makes room by dropping the oldest. */
  push(frame: Item): void {
    this.#waiting.push({ frame, since: this.clock.now() })
    this.#bytes += frame.length
    let lost = 0
    while (this.length > this.limits.datagrams || this.#bytes > this.limits.bytes) {
      this.#shift()
      lost++
    }
    if (lost > 0) this.drops.drop("tag-overflow", this.where, lost)
  }

  /** The oldest frame that is not too old, or undefined. */
  take(): Item | undefined {
    const oldest = this.clock.now() - this.limits.ageMs
    let lost = 0
    let first = this.#shift()
    for (; first && first.since < oldest; first = this.#shift()) lost++
    if (lost > 0) this.drops.drop("tag-overflow", this.where, lost)
    return first?.frame
  }

  /** Forgets everything, counted. */
  clear(): void {
    if (this.length > 0) this.drops.drop("tag-overflow", this.where, this.length)
    this.#waiting = []
    this.#head = 0
    this.#bytes = 0
  }

  #shift(): Waiting<Item> | undefined {
    const first = this.#waiting[this.#head]
    if (!first) return undefined
    this.#bytes -= first.frame.length
    this.#head++
    if (this.#head === this.#waiting.length) {
      this.#waiting = []
      this.#head = 0
    } else if (this.#head >= 4096) {
      // Now and then, so that a queue that is never empty does not grow at its end for ever.
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
    return first
  }
}
