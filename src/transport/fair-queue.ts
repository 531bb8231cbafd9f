/**
 * Frames that wait for a connection, a queue for each channel: channels take turns by bytes (deficit round robin), so
 * that one which sends much never makes another wait. What is over a limit, or too old, goes oldest first, counted.
 */
import type { DropReason, Drops } from "../observe/observer.ts"
import type { Clock } from "./clock.ts"

/** How much may wait. */
export interface FairQueueLimits {
  /** Frames and bytes of one channel. */
  readonly frames: number
  readonly bytes: number
  /** Bytes of all channels together; over it the channel with the most gives way. */
  readonly totalBytes: number
}

/** What a queue needs from its owner. */
export interface FairQueueOptions {
  readonly limits: FairQueueLimits
  readonly clock: Clock
  readonly drops: Drops
  /** The peer, for the counters. */
  readonly where: string
  /** What frames that are over a limit, and frames that are too old, are counted as. */
  readonly reasons: { readonly full: DropReason; readonly old: DropReason }
}

/** A frame that has had its turn. */
export interface Waiting {
  readonly frame: Uint8Array
  /** Clock time at which it was queued, and after which nobody waits for it. */
  readonly since: number
  readonly staleAt: number
  /** Never dropped for its age or a limit: a channel's end, in its place behind what the channel sent. */
  readonly control: boolean
}

/** Bytes that a channel may send in its turn: a few datagrams, or one full one in some turns. */
const QUANTUM_BYTES = 4096
/** Frames taken off the front of an array before it is cut: cutting costs as much as what stays. */
const COMPACT_AT = 1024

class Channel {
  #entries: Waiting[] = []
  #head = 0
  bytes = 0
  credit = 0

  constructor(readonly id: number) {}

  get length(): number {
    return this.#entries.length - this.#head
  }

  get first(): Waiting | undefined {
    return this.#entries[this.#head]
  }

  push(entry: Waiting): void {
    this.#entries.push(entry)
    this.bytes += entry.frame.length
  }

  shift(): Waiting | undefined {
    const first = this.first
    if (!first) return undefined
    this.#head++
    this.bytes -= first.frame.length
    if (this.#head === this.#entries.length || this.#head >= COMPACT_AT) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
    return first
  }

  /** Drops the oldest frame that may go; undefined if none may. */
  dropOldest(): Waiting | undefined {
    if (!this.first?.control) return this.shift()
    const index = this.#entries.findIndex((entry, at) => at >= this.#head && !entry.control)
    if (index < 0) return undefined
    const [dropped] = this.#entries.splice(index, 1)
    this.bytes -= dropped!.frame.length
    return dropped
  }
}

/** Bounded queues that take turns. */
export class FairQueue {
  readonly #options: FairQueueOptions
  /** In the order of their turns; a channel leaves when it has nothing. */
  readonly #channels = new Map<number, Channel>()
  #turns: Channel[] = []
  #bytes = 0
  #length = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
  }

  /** Frames waiting. */
  get length(): number {
    return this.#length
  }

  /** Bytes waiting. */
  get bytes(): number {
    return this.#bytes
  }

  /** True if that channel has frames waiting. */
  has(channel: number): boolean {
    return (this.#channels.get(channel)?.length ?? 0) > 0
  }

  /** Queues a frame of `channel` that is worth sending for `maxAgeMs`. */
  push(channel: number, frame: Uint8Array, maxAgeMs: number, control = false): void {
    const now = this.#options.clock.now()
    const queue = this.#channel(channel)
    queue.push({ frame, since: now, staleAt: now + maxAgeMs, control })
    this.#bytes += frame.length
    this.#length++
    const { limits, drops, where, reasons } = this.#options
    let lost = 0
    while ((queue.length > limits.frames || queue.bytes > limits.bytes) && this.#drop(queue)) lost++
    while (this.#bytes > limits.totalBytes && this.#drop(this.#largest())) lost++
    if (lost > 0) drops.drop(reasons.full, where, lost)
  }

  /** The next frame that is not too old, or undefined. */
  take(): Waiting | undefined {
    const { clock, drops, where, reasons } = this.#options
    const now = clock.now()
    let lost = 0
    let taken: Waiting | undefined
    while (!taken && this.#turns.length > 0) {
      const channel = this.#turns[0]!
      const first = channel.first
      if (!first) {
        this.#leave(channel)
      } else if (!first.control && first.staleAt <= now) {
        this.#took(channel.shift()!)
        lost++
      } else if (channel.credit >= first.frame.length) {
        channel.credit -= first.frame.length
        taken = channel.shift()!
        this.#took(taken)
        if (channel.length === 0) this.#leave(channel)
      } else {
        channel.credit += QUANTUM_BYTES
        this.#turns.push(this.#turns.shift()!)
      }
    }
    if (lost > 0) drops.drop(reasons.old, where, lost)
    return taken
  }

  /** Forgets everything, counted. */
  clear(reason: DropReason = this.#options.reasons.full): void {
    let lost = 0
    for (const channel of this.#channels.values()) {
      for (let entry = channel.shift(); entry; entry = channel.shift()) if (!entry.control) lost++
    }
    if (lost > 0) this.#options.drops.drop(reason, this.#options.where, lost)
    this.#channels.clear()
    this.#turns = []
    this.#bytes = 0
    this.#length = 0
  }

  /** Forgets what waits for channels that `keeps` says no to, counted as "closed". */
  retain(keeps: (channel: number) => boolean): void {
    let lost = 0
    for (const channel of this.#turns.filter(({ id }) => !keeps(id))) {
      for (let entry = channel.shift(); entry; entry = channel.shift()) {
        this.#took(entry)
        if (!entry.control) lost++
      }
      this.#channels.delete(channel.id)
    }
    this.#turns = this.#turns.filter(({ id }) => this.#channels.has(id))
    if (lost > 0) this.#options.drops.drop("closed", this.#options.where, lost)
  }

  #channel(id: number): Channel {
    let channel = this.#channels.get(id)
    if (!channel) {
      channel = new Channel(id)
      this.#channels.set(id, channel)
      this.#turns.push(channel)
    }
    return channel
  }

  #leave(channel: Channel): void {
    this.#turns.shift()
    this.#channels.delete(channel.id)
  }

  #largest(): Channel {
    let largest = this.#turns[0]!
    for (const channel of this.#turns) if (channel.bytes > largest.bytes) largest = channel
    return largest
  }

  #drop(channel: Channel): boolean {
    const dropped = channel.dropOldest()
    if (dropped) this.#took(dropped)
    return dropped !== undefined
  }

  #took(entry: Waiting): void {
    this.#bytes -= entry.frame.length
    this.#length--
  }
}
