/** What the guarded flows of one board share: its slots, the requests in them, and one timer for all that waits. */
import type { Observer } from "../observe/observer.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { ExchangeEvent, ExchangeState } from "./scp-exchange.ts"
import { Slots } from "./scp-slots.ts"
import type { Traits } from "./scp-traits.ts"

/** One request on its way. */
export interface Exchange {
  readonly link: ExchangeLink
  /** The client's bytes but for the sequence number, which is the relay's. */
  readonly request: Uint8Array
  readonly clientSequence: number
  readonly sequence: number
  readonly traits: Traits
  readonly bornAt: number
  state: ExchangeState
}

/** The flow that a request belongs to, as far as the board's slots and time concern it. */
export interface ExchangeLink {
  apply(exchange: Exchange, event: ExchangeEvent, now: number): void
}

/** What all flows of one board share: the slots, and one timer for all that waits. */
export class GuardedBoard {
  readonly slots = new Slots<Exchange>()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(
    readonly clock: Clock,
    readonly observer: Observer,
  ) {}

  /** Makes sure that time is looked at when `at` has come. Answered requests leave the timer as it is: cheap. */
  wakeAt(at: number): void {
    if (at >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.clock.after(at - this.clock.now(), () => this.#wake())
  }

  /** Gives free slots to those whose turn it is. */
  pump(now: number): void {
    for (let next = this.slots.turn(); next; next = this.slots.turn()) next.link.apply(next, "turn", now)
  }

  #wake(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.clock.now()
    for (const exchange of this.slots.overdue(now)) exchange.link.apply(exchange, "wait-over", now)
    for (const exchange of this.slots.lost(now)) exchange.link.apply(exchange, "silence", now)
    this.pump(now)
    this.wakeAt(this.slots.deadline)
  }
}
