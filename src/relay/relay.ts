/**
 * The engine, the only one: for every link that arrives, dial one onward and pass datagrams both ways, until either
 * end closes, nothing has passed for the idle time, or a newer flow needs the room.
 */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { peerHost } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import type { CloseReason, Dial, Link } from "../transport/link.ts"
import { type Flow, type Stage, throughStages } from "./flow.ts"

/** Bounds of a relay. */
export interface RelayLimits {
  /** Flows at once. */
  readonly maxFlows: number
  /** A flow without traffic in either direction ends after this, milliseconds; 0 = never. */
  readonly idleTimeoutMs: number
}

/** 256 flows; five minutes: above the two that NATs owe UDP, and SCP tools are silent for minutes. */
export const RELAY_LIMITS: RelayLimits = { maxFlows: 256, idleTimeoutMs: 300_000 }

/** What a relay needs. */
export interface RelayOptions {
  channel: Channel
  dial: Dial
  /** Wrapped around every dialled link, the first nearest to the application. */
  stages: readonly Stage[]
  clock: Clock
  observer: Observer
  limits: RelayLimits
  /** Asked about a flow that has been quiet for the idle time: true if it is to stay all the same. */
  keeps?: (flow: Flow, idleTimeoutMs: number) => boolean | Promise<boolean>
}

interface Entry {
  readonly flow: Flow
  readonly near: Link
  readonly far: Link
  lastTraffic: number
  /** The board (or what stands for it) has said something. */
  answered: boolean
}

/** One "flow limit" event in this time. */
const LIMIT_WARNING_MS = 60_000

/** Joins links to dialled links; hand it arrivals through `accept`. */
export class Relay {
  readonly #options: RelayOptions
  readonly #flows = new Map<number, Entry>()
  readonly #sweeper: Timer | undefined
  #nextId = 1
  #warnedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: RelayOptions) {
    this.#options = options
    const { idleTimeoutMs } = options.limits
    if (idleTimeoutMs > 0) {
      const periodMs = Math.min(5_000, Math.max(50, idleTimeoutMs / 10))
      this.#sweeper = every(options.clock, periodMs, () => this.#sweep(idleTimeoutMs))
    }
  }

  /** Flows now. */
  get flowCount(): number {
    return this.#flows.size
  }

  /** Takes a link that has arrived and dials onward for it. */
  readonly accept = (near: Link): void => {
    if (this.#closed) {
      near.close({ code: "shutdown" })
      return
    }
    if (this.#flows.size >= this.#options.limits.maxFlows) this.#evict()
    const { clock, observer, channel } = this.#options
    const owner = near.owner ?? peerHost(near.peer)
    const flow: Flow = { id: this.#nextId++, owner, application: near.peer, near }
    const far = throughStages(this.#options.stages, this.#options.dial(near.peer), flow)
    const entry: Entry = { flow, near, far, lastTraffic: clock.now(), answered: false }
    this.#flows.set(flow.id, entry)
    observer.event({ type: "flow-opened", channel, application: near.peer, flows: this.#flows.size })
    far.onDatagram = (datagram) => {
      entry.lastTraffic = clock.now()
      entry.answered = true
      near.send(datagram)
    }
    far.onClose = (reason) => this.#end(entry, reason)
    near.onClose = (reason) => this.#end(entry, reason)
    // Last: a link that has already been told its first datagram delivers it here and now.
    near.onDatagram = (datagram) => {
      entry.lastTraffic = clock.now()
      far.send(datagram)
    }
  }

  /** Ends every flow. */
  close(): void {
    this.#closed = true
    this.#sweeper?.cancel()
    for (const entry of [...this.#flows.values()]) this.#end(entry, { code: "shutdown" })
  }

  #end(entry: Entry, reason: CloseReason): void {
    const { flow, near, far } = entry
    if (!this.#flows.delete(flow.id)) return
    near.close(reason)
    far.close(reason)
    const { observer, channel } = this.#options
    observer.event({
      type: "flow-closed",
      channel,
      application: flow.application,
      code: reason.code,
      flows: this.#flows.size,
    })
  }

  #sweep(idleTimeoutMs: number): void {
    const now = this.#options.clock.now()
    for (const entry of [...this.#flows.values()]) {
      if (now - entry.lastTraffic >= idleTimeoutMs) void this.#endUnlessKept(entry, idleTimeoutMs)
    }
  }

  async #endUnlessKept(entry: Entry, idleTimeoutMs: number): Promise<void> {
    const { keeps, clock } = this.#options
    const kept = keeps?.(entry.flow, idleTimeoutMs) ?? false
    // Without a promise at once: a flow that nobody keeps is over when the sweep is.
    if (kept instanceof Promise) {
      // Not asked again while the answer is awaited; what passes meanwhile is an answer too.
      const asked = clock.now()
      entry.lastTraffic = asked
      if (!(await kept) && entry.lastTraffic === asked) this.#end(entry, { code: "idle" })
    } else if (kept) entry.lastTraffic = clock.now()
    else this.#end(entry, { code: "idle" })
  }

  /**
   * Makes room: a flow that never had an answer first, then one of whoever has most, that of them which was quiet
   * longest. So nobody loses a flow to a user who opens many.
   */
  #evict(): void {
    const { observer, channel, limits, clock } = this.#options
    const unanswered = [...this.#flows.values()].filter(({ answered }) => !answered)
    const candidates = unanswered.length > 0 ? unanswered : this.#ofTheGreediest()
    const [first, ...others] = candidates
    if (!first) return
    const victim = others.reduce(
      (quietest, entry) => (entry.lastTraffic < quietest.lastTraffic ? entry : quietest),
      first,
    )
    observer.drop("flow-limit", victim.flow.application)
    if (clock.now() - this.#warnedAt >= LIMIT_WARNING_MS) {
      this.#warnedAt = clock.now()
      observer.event({ type: "flow-limit", channel, limit: limits.maxFlows })
    }
    this.#end(victim, { code: "evicted", detail: `more than ${limits.maxFlows} flows` })
  }

  /** The flows of the user who has most; of all those who have as many. */
  #ofTheGreediest(): Entry[] {
    const counts = new Map<string, number>()
    for (const { flow } of this.#flows.values()) counts.set(flow.owner, (counts.get(flow.owner) ?? 0) + 1)
    const most = Math.max(0, ...counts.values())
    return [...this.#flows.values()].filter(({ flow }) => counts.get(flow.owner) === most)
  }
}
