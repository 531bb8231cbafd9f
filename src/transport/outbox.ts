/**
 * What stands between datagrams and a TCP socket that takes only as many bytes as it likes: a queue bounded in
 * frames, bytes and age. The oldest frames go first, counted; a frame that is partly written is always finished.
 */
import type { DropReason, Drops } from "../observe/observer.ts"
import { BurstPace } from "./burst-pace.ts"
import type { Clock } from "./clock.ts"

/** How much may wait. */
export interface OutboxLimits {
  readonly frames: number
  readonly bytes: number
}

/** Four of Bun's largest datagrams' worth of frames; enough for 200 applications at window 8 and a boot. */
export const OUTBOX_LIMITS: OutboxLimits = { frames: 4096, bytes: 1 << 20 }
/** Bytes gathered into one write. */
const GATHER_BYTES = 64 << 10

interface Entry {
  readonly frame: Uint8Array
  /** Clock time after which nobody waits for it; Infinity for frames that never go stale. */
  readonly staleAt: number
  /** Frames of the protocol itself (open, close, ping) are never dropped. */
  readonly control: boolean
  /** It was put before others; the next such goes behind it. */
  readonly first?: boolean
}

/** What an outbox needs from its owner. */
export interface OutboxOptions {
  /** Returns the bytes taken, 0 or less when none; never throws. */
  write: (bytes: Uint8Array) => number
  /** Control frames alone are over the limit: the peer has stopped reading for good. */
  onOverflow: () => void
  /** Everything has been written: whoever holds frames back may hand over more. */
  onRoom?: () => void
  clock: Clock
  drops: Drops
  /** The peer, for the counters. */
  where: string
  limits?: OutboxLimits
  /** Runs a function at the end of this turn of the event loop; setImmediate unless told. */
  endOfTurn?: (run: () => void) => void
}

/** The first frame of a turn is written at once, for latency; the rest of the turn's in one write, for throughput. */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #limits: OutboxLimits
  readonly #endOfTurn: (run: () => void) => void
  #entries: Entry[] = []
  #head = 0
  #bytes = 0
  /** Bytes of the first entry that are already written. */
  #written = 0
  /** No frame that waits goes stale before this; it may be too early, never too late. */
  #nextStaleAt = Number.POSITIVE_INFINITY
  #blocked = false
  #corked = false
  readonly #pace = new BurstPace()
  #closed = false
  #gathered: Uint8Array | undefined

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#limits = options.limits ?? OUTBOX_LIMITS
    this.#endOfTurn = options.endOfTurn ?? setImmediate
  }

  /** Bytes waiting. */
  get bytes(): number {
    return this.#bytes - this.#written
  }

  /** Frames waiting. */
  get frames(): number {
    return this.#entries.length - this.#head
  }

  /** Queues a frame and writes what can be written. `maxAgeMs` is how long it is worth sending; `now` the clock's time. */
  push(
    frame: Uint8Array,
    maxAgeMs = Number.POSITIVE_INFINITY,
    control = false,
    now: number = this.#options.clock.now(),
  ): void {
    if (this.#closed) return
    // Else nothing waits: what the socket had not taken would have blocked it.
    const held = this.#blocked || this.#corked
    if (held || !this.#pace.isLone(now)) {
      this.#queue(frame, now + maxAgeMs, control)
      if (!held) this.#cork()
      return
    }
    const taken = Math.max(0, this.#options.write(frame))
    this.#pace.sent(1, this.#options.clock.now())
    if (this.#closed) return
    if (taken >= frame.length) {
      this.#options.onRoom?.()
      return
    }
    this.#blocked = true
    this.#written = taken
    this.#queue(frame, now + maxAgeMs, control)
  }

  /** Queues a control frame that may pass data: while the socket takes nothing it is put before all that waits. */
  pushFirst(frame: Uint8Array): void {
    if (this.#closed) return
    if (!this.#blocked) {
      this.push(frame, Number.POSITIVE_INFINITY, true)
      return
    }
    let at = this.#head + (this.#written > 0 ? 1 : 0)
    while (this.#entries[at]?.first) at++
    this.#entries.splice(at, 0, { frame, staleAt: Number.POSITIVE_INFINITY, control: true, first: true })
    this.#bytes += frame.length
    if (this.frames > this.#limits.frames || this.#bytes > this.#limits.bytes) this.#shed()
  }

  /** Writes what can be written without waiting for the end of the turn. */
  flush(): void {
    if (!this.#blocked) this.#flush()
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#blocked = false
    this.#flush()
  }

  /** The socket is gone and another may come: control frames are forgotten, the frame that was begun is whole again. */
  suspend(): void {
    this.#blocked = true
    this.#written = 0
    this.#entries = this.#entries.slice(this.#head).filter((entry) => !entry.control)
    this.#head = 0
    this.#bytes = this.#entries.reduce((sum, entry) => sum + entry.frame.length, 0)
  }

  /** There is another socket: `first` goes before all that waits. */
  resume(first: readonly Uint8Array[]): void {
    const control = first.map((frame) => ({ frame, staleAt: Number.POSITIVE_INFINITY, control: true }))
    this.suspend()
    this.#entries = [...control, ...this.#entries]
    this.#bytes += first.reduce((sum, frame) => sum + frame.length, 0)
    this.drained()
  }

  /** Forgets everything; what was waiting is counted as dropped. */
  close(reason: DropReason = "closed"): void {
    if (this.#closed) return
    this.#closed = true
    const lost = this.#entries.slice(this.#head).filter((entry) => !entry.control).length
    if (lost > 0) this.#options.drops.drop(reason, this.#options.where, lost)
    this.#entries = []
    this.#head = 0
    this.#bytes = 0
    this.#written = 0
  }

  #queue(frame: Uint8Array, staleAt: number, control: boolean): void {
    this.#entries.push({ frame, staleAt, control })
    this.#nextStaleAt = Math.min(this.#nextStaleAt, staleAt)
    this.#bytes += frame.length
    if (this.frames > this.#limits.frames || this.#bytes > this.#limits.bytes) this.#shed()
  }

  /** Writes what gathers in this turn at its end. */
  #cork(): void {
    this.#corked = true
    this.#endOfTurn(() => {
      this.#corked = false
      const { frames } = this
      if (!this.#blocked) this.#flush()
      this.#pace.sent(frames, this.#options.clock.now())
    })
  }

  #flush(): void {
    while (!this.#blocked && !this.#closed) {
      this.#dropStale()
      const batch = this.#gather()
      if (!batch) {
        this.#options.onRoom?.()
        return
      }
      const taken = Math.max(0, this.#options.write(batch))
      this.#consume(taken)
      if (taken < batch.length) this.#blocked = true
    }
  }

  /** The next bytes to write: one frame as it is, or several copied together. */
  #gather(): Uint8Array | undefined {
    const first = this.#entries[this.#head]
    if (!first) return undefined
    const start = first.frame.subarray(this.#written)
    const second = this.#entries[this.#head + 1]
    if (!second || start.length + second.frame.length > GATHER_BYTES) return start
    this.#gathered ??= new Uint8Array(GATHER_BYTES)
    this.#gathered.set(start)
    let length = start.length
    for (let i = this.#head + 1; i < this.#entries.length; i++) {
      const { frame } = this.#entries[i]!
      if (length + frame.length > GATHER_BYTES) break
      this.#gathered.set(frame, length)
      length += frame.length
    }
    return this.#gathered.subarray(0, length)
  }

  #consume(taken: number): void {
    this.#written += taken
    for (let first = this.#entries[this.#head]; first && this.#written >= first.frame.length; ) {
      this.#written -= first.frame.length
      this.#bytes -= first.frame.length
      this.#head++
      first = this.#entries[this.#head]
    }
    this.#compact()
  }

  #compact(): void {
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** Drops what is too old wherever it waits: behind a frame that is partly written, or that never goes stale, too. */
  #dropStale(): void {
    const now = this.#options.clock.now()
    if (now < this.#nextStaleAt) return
    const entries = this.#entries
    let kept = this.#head + (this.#written > 0 ? 1 : 0)
    this.#nextStaleAt = Number.POSITIVE_INFINITY
    for (let i = kept; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.staleAt <= now) {
        this.#bytes -= entry.frame.length
        continue
      }
      this.#nextStaleAt = Math.min(this.#nextStaleAt, entry.staleAt)
      entries[kept++] = entry
    }
    const dropped = entries.length - kept
    entries.length = kept
    if (dropped > 0) this.#options.drops.drop("queue-old", this.#options.where, dropped)
    this.#compact()
  }

  /** Over the limit: the oldest frames that may go do so; the one being written stays. */
  #shed(): void {
    this.#dropStale()
    const keepFrames = this.#limits.frames
    const keepBytes = this.#limits.bytes
    let index = this.#head + (this.#written > 0 ? 1 : 0)
    let dropped = 0
    let frames = this.frames
    const kept: Entry[] = this.#entries.slice(this.#head, index)
    for (; index < this.#entries.length && (frames > keepFrames || this.#bytes > keepBytes); index++) {
      const entry = this.#entries[index]!
      if (entry.control) {
        kept.push(entry)
        continue
      }
      this.#bytes -= entry.frame.length
      frames--
      dropped++
    }
    this.#entries = kept.concat(this.#entries.slice(index))
    this.#head = 0
    if (dropped > 0) this.#options.drops.drop("queue-full", this.#options.where, dropped)
    if (this.frames > keepFrames || this.#bytes > keepBytes) this.#options.onOverflow()
  }
}
