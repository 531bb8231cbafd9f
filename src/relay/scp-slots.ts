/**
 * Who may have a request with the board. A board lends out eight transient tags, to all hosts together, and drops
 * without a word what finds none free; so at most seven sends are in flight, and requests wait in fair turns between
 * flows. Pure: no clock, no timers, `now` comes with each call.
 */

/** Sends in flight at once: one less than a board's tags, the spare for what the relay does not see (its own probes). */
export const SLOT_LIMIT = 7
/** A tag that nobody answers through is lent for so long: time-out code 9, 10 ms * 2^8. */
export const TAG_LIFE_MS = 2_560
/** After so long a quick monitor command is lost, and with it its tag: answers take milliseconds, 20 where P2P fails. */
export const QUICK_LIFE_MS = 100
/** Longest wait for a slot: rig and Perl give up on an answer after 500 ms. */
export const SLOT_WAIT_MS = 400
/**
 * Requests of one flow that wait. A client's window is 8, but all programs behind a Python client are one flow, and 50 ms
 * in which the machine did something else bring 256 at 5,000 a second.
 */
export const WAITING_LIMIT = 256
/** SDP that was not held is counted up to the board's eight tags; a ninth takes none, the board drops it. */
export const UNHELD_LIMIT = 8

interface Lease<T> {
  readonly flow: number
  /** Undefined for SDP that is not held. */
  readonly item: T | undefined
  readonly until: number
}

interface Waiting<T> {
  readonly item: T
  readonly until: number
}

/** The slots of one board and the requests that wait for them. */
export class Slots<T> {
  #leases: Lease<T>[] = []
  /** Flows with waiting requests, the one whose turn is next first. */
  readonly #waiting = new Map<number, Waiting<T>[]>()

  constructor(private readonly limit = SLOT_LIMIT) {}

  /** Sends in flight, as far as the board's tags are concerned. */
  get inUse(): number {
    return this.#leases.length
  }

  /** Requests that wait. */
  get waiting(): number {
    let count = 0
    for (const queue of this.#waiting.values()) count += queue.length
    return count
  }

  /** True if `item` may be sent now (then `hold` it); else it waits until `turn` or `overdue` returns it. */
  ask(flow: number, item: T, now: number): boolean {
    if (this.#waiting.size === 0 && this.#leases.length < this.limit) return true
    const entry = { item, until: now + SLOT_WAIT_MS }
    const queue = this.#waiting.get(flow)
    if (queue) queue.push(entry)
    else this.#waiting.set(flow, [entry])
    return false
  }

  /** Takes out a flow's oldest waiting request if the flow has as many as it may; call before `ask`. */
  makeRoom(flow: number): T | undefined {
    const queue = this.#waiting.get(flow)
    return queue && queue.length >= WAITING_LIMIT ? queue.shift()?.item : undefined
  }

  /** `item` has been sent: its slot is taken until `free`, or `until`. */
  hold(flow: number, item: T, until: number): void {
    this.#leases.push({ flow, item, until })
  }

  /** SDP that takes a tag has been sent without asking. */
  holdUnasked(flow: number, until: number): void {
    let count = 0
    for (const lease of this.#leases) if (lease.item === undefined) count++
    if (count < UNHELD_LIMIT) this.#leases.push({ flow, item: undefined, until })
  }

  /** Something has come to `flow` through a transient tag: the oldest that was lent unasked is free. */
  freeUnasked(flow: number): void {
    const at = this.#leases.findIndex((lease) => lease.item === undefined && lease.flow === flow)
    if (at >= 0) this.#leases.splice(at, 1)
  }

  /** `item` has been answered: all its slots are free. */
  free(item: T): void {
    const leases = this.#leases
    for (let at = leases.length - 1; at >= 0; at--) if (leases[at]!.item === item) leases.splice(at, 1)
  }

  /** The item whose turn it is, if a slot is free. */
  turn(): T | undefined {
    if (this.#leases.length >= this.limit) return undefined
    for (const [flow, queue] of this.#waiting) {
      const entry = queue.shift()
      this.#waiting.delete(flow)
      // To the end of the line, behind all other flows.
      if (queue.length > 0) this.#waiting.set(flow, queue)
      if (entry) return entry.item
    }
    return undefined
  }

  /** Takes out the items that have waited too long. */
  overdue(now: number): T[] {
    const items: T[] = []
    for (const [flow, queue] of this.#waiting) {
      while (queue.length > 0 && queue[0]!.until <= now) items.push(queue.shift()!.item)
      if (queue.length === 0) this.#waiting.delete(flow)
    }
    return items
  }

  /** Takes back the slots whose time is over; returns what was sent and not answered. */
  lost(now: number): T[] {
    const items: T[] = []
    this.#leases = this.#leases.filter((lease) => {
      if (lease.until > now) return true
      if (lease.item !== undefined) items.push(lease.item)
      return false
    })
    return items
  }

  /** Takes out a flow's waiting requests. Its slots stay taken: the board still holds their tags. */
  cancel(flow: number): number {
    const count = this.#waiting.get(flow)?.length ?? 0
    this.#waiting.delete(flow)
    return count
  }

  /** When `overdue` or `lost` next have something to return; Infinity if nothing is under way. */
  get deadline(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const lease of this.#leases) earliest = Math.min(earliest, lease.until)
    for (const queue of this.#waiting.values()) if (queue[0]) earliest = Math.min(earliest, queue[0].until)
    return earliest
  }
}
