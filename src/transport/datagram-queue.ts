/** Datagrams that cannot go just now: bounded in count, bytes and age, the oldest dropped first and counted. */
import type { DropReason } from "../observe/observer.ts"
import type { Clock } from "./clock.ts"

/** How much may wait, and how long. */
export interface QueueLimits {
  readonly datagrams: number
  readonly bytes: number
  readonly ageMs: number
}

/** A datagram that waits, and for whom. */
interface Waiting<For> {
  readonly datagram: Uint8Array
  readonly target: For
  readonly since: number
}

/** A first-in first-out queue. `drop` is told of each datagram that leaves it unsent. */
export class DatagramQueue<For> {
  #waiting: Waiting<For>[] = []
  #bytes = 0

  constructor(
    private readonly limits: QueueLimits,
    private readonly clock: Clock,
    private readonly drop: (reason: DropReason, target: For) => void,
  ) {}

  get length(): number {
    return this.#waiting.length
  }

  /** Adds a datagram; makes room by dropping the oldest. */
  push(datagram: Uint8Array, target: For): void {
    this.expire()
    this.#waiting.push({ datagram, target, since: this.clock.now() })
    this.#bytes += datagram.length
    while (this.#waiting.length > this.limits.datagrams || this.#bytes > this.limits.bytes)
      this.#dropOldest("queue-full")
  }

  /** Sends from the oldest on until `send` says false; that datagram stays. */
  flush(send: (datagram: Uint8Array, target: For) => boolean): void {
    this.expire()
    for (let first = this.#waiting[0]; first && send(first.datagram, first.target); first = this.#waiting[0]) {
      this.#shift()
    }
  }

  /** Drops what is too old. */
  expire(): void {
    const oldest = this.clock.now() - this.limits.ageMs
    while (this.#waiting[0] && this.#waiting[0].since < oldest) this.#dropOldest("queue-old")
  }

  /** Drops everything, or everything that is for `target`. */
  clear(reason: DropReason, target?: For): void {
    const all = this.#waiting
    this.#waiting = target === undefined ? [] : all.filter((waiting) => waiting.target !== target)
    this.#bytes = this.#waiting.reduce((sum, { datagram }) => sum + datagram.length, 0)
    for (const waiting of all) if (target === undefined || waiting.target === target) this.drop(reason, waiting.target)
  }

  #shift(): Waiting<For> | undefined {
    const first = this.#waiting.shift()
    this.#bytes -= first?.datagram.length ?? 0
    return first
  }

  #dropOldest(reason: DropReason): void {
    const first = this.#shift()
    if (first) this.drop(reason, first.target)
  }
}
