/**
 * Beside the board: a request is never doubled by the network, is answered once, and never more are in flight than
 * the board can hold. The rules are in scp-exchange.ts, scp-slots.ts and scp-memory.ts; this file joins them to
 * links, scp-guarded-board.ts to time.
 *
 * Toward the board every request has a sequence number of the relay's own (the client's comes back in the answer), so
 * that a late duplicate from the board cannot pass for the answer to another request.
 */
import type { Observer } from "../observe/observer.ts"
import { Result, SCP_OFFSET } from "../protocol/scp.ts"
import type { Clock } from "../transport/clock.ts"
import type { CloseReason, Link } from "../transport/link.ts"
import type { Flow, Stage } from "./flow.ts"
import {
  isReply,
  isRequest,
  returnsTag,
  sameRequest,
  sequenceOf,
  takesTag,
  toMonitor,
  withSequence,
} from "./scp-classify.ts"
import { type ExchangeEvent, stepExchange } from "./scp-exchange.ts"
import { type Exchange, type ExchangeLink, GuardedBoard } from "./scp-guarded-board.ts"
import { AnswerMemory, REMEMBER_MOVING_MS, REMEMBER_MS, REMEMBER_NEVER_AGAIN_MS } from "./scp-memory.ts"
import { SequenceWatch } from "./scp-sequence-watch.ts"
import { QUICK_LIFE_MS, TAG_LIFE_MS } from "./scp-slots.ts"
import { type Traits, traitsOf } from "./scp-traits.ts"
import { StageLink } from "./stage-link.ts"

/** What the guard of one board needs. */
export interface ScpGuardOptions {
  readonly clock: Clock
  readonly observer: Observer
}

/** Requests of one flow that wait for an answer, or might still get one; more than any client's window. */
export const OUTSTANDING_LIMIT = 512
/** An unanswered request is forgotten after this: above every client's patience (SpiNNMan 11 s, power-on 10 s). */
const FORGET_MS = 12_000
/** Answers of commands that must not run twice: 1,000 of them a second are remembered for a second. */
const ONCE_LIMITS = { entries: 1_024, bytes: 128 << 10 } as const
/** Answers of writes to RAM, where a second execution matters only if another write came between. */
const WRITE_LIMITS = { entries: 256, bytes: 80 << 10 } as const
/** A board-side number given out this recently and not awaited has had its answer. */
const RECENT_SEQUENCES = 4_096

class GuardedLink extends StageLink implements ExchangeLink {
  /** Requests without an answer, by the relay's sequence number and (the latest of each) by the client's. */
  readonly #awaiting = new Map<number, Exchange>()
  readonly #byClient = new Map<number, Exchange>()
  readonly #watch = new SequenceWatch()
  readonly #once: AnswerMemory
  readonly #writes = new AnswerMemory(WRITE_LIMITS)
  readonly #board: GuardedBoard
  readonly #flow: Flow
  #nextSequence: number

  constructor(inner: Link, flow: Flow, board: GuardedBoard) {
    super(inner, board.observer)
    this.#board = board
    this.#flow = flow
    // A number range for each flow: a late answer to a closed flow whose port is used again finds nobody.
    this.#nextSequence = (0x8000 + flow.id * RECENT_SEQUENCES) & 0xffff
    this.#once = new AnswerMemory(ONCE_LIMITS, () => this.drops.drop("memory-full", flow.application))
  }

  protected override outward(datagram: Uint8Array): void {
    const now = this.#board.clock.now()
    if (!isRequest(datagram)) {
      this.#passUnheld(datagram, now)
      return
    }
    const clientSequence = sequenceOf(datagram)
    this.#watch.note(clientSequence, datagram)
    const earlier = this.#byClient.get(clientSequence)
    if (earlier && sameRequest(earlier.request, datagram) && !isForgotten(earlier, now)) {
      this.apply(earlier, "repeat", now)
      return
    }
    const traits = traitsOf(datagram)
    if (traits.effect === "none" && this.#watch.beginsAnew(clientSequence, now)) {
      this.#once.clear()
      this.#writes.clear()
    }
    const answer = this.#watch.still ? undefined : this.#memoryOf(traits)?.recall(clientSequence, datagram, now)
    if (answer) {
      this.drops.drop("answered-repeat", this.#flow.application)
      this.deliver(answer)
      return
    }
    this.#begin(datagram, clientSequence, traits, now)
  }

  protected override inward(datagram: Uint8Array): void {
    const now = this.#board.clock.now()
    if (!isReply(datagram)) {
      if (returnsTag(datagram)) {
        this.#board.slots.freeUnasked(this.#flow.id)
        this.#board.pump(now)
      }
      this.deliver(datagram)
      return
    }
    const sequence = sequenceOf(datagram)
    const exchange = this.#awaiting.get(sequence)
    if (exchange && !isForgotten(exchange, now)) this.apply(exchange, "answer", now, datagram)
    else if (exchange) this.#tooLate(exchange)
    else if (this.#isRecent(sequence) && returnsTag(datagram)) this.drops.drop("duplicate-answer", this.peer)
    else this.deliver(datagram)
  }

  protected override release(reason: CloseReason): void {
    const waiting = this.#board.slots.cancel(this.#flow.id)
    if (waiting > 0) this.drops.drop("closed", this.peer, waiting)
    this.#awaiting.clear()
    this.#byClient.clear()
    super.release(reason)
  }

  /** One event of one of this link's requests. `reply` comes with an answer. */
  apply(exchange: Exchange, event: ExchangeEvent, now: number, reply?: Uint8Array): void {
    if (this.closed) return
    const { state, action } = stepExchange(exchange.state, event, exchange.traits, now)
    exchange.state = state
    switch (action) {
      case "nothing":
        return
      case "send":
        this.#send(exchange, now)
        return
      case "ask":
        this.#ask(exchange, now)
        return
      case "absorb":
        this.drops.drop("absorbed-repeat", this.#flow.application)
        return
      case "deliver":
        if (reply) this.#answered(exchange, reply, now)
        return
      case "give-up-send":
        this.drops.drop("slot-wait", this.#flow.application)
        return
      case "drop":
        this.drops.drop("slot-wait", this.#flow.application)
        this.#forget(exchange)
        return
    }
  }

  #begin(datagram: Uint8Array, clientSequence: number, traits: Traits, now: number): void {
    const sequence = this.#takeSequence()
    const request = withSequence(datagram, sequence)
    this.#watch.keep(request)
    const exchange: Exchange = {
      link: this,
      request,
      clientSequence,
      sequence,
      traits,
      bornAt: now,
      state: { kind: "new" },
    }
    if (this.#awaiting.size >= OUTSTANDING_LIMIT) this.#forgetOldest()
    this.#awaiting.set(sequence, exchange)
    this.#byClient.set(clientSequence, exchange)
    this.#ask(exchange, now)
  }

  #ask(exchange: Exchange, now: number): void {
    const { slots } = this.#board
    const evicted = slots.makeRoom(this.#flow.id)
    if (evicted) this.apply(evicted, "wait-over", now)
    if (slots.ask(this.#flow.id, exchange, now)) this.apply(exchange, "turn", now)
    else this.#board.wakeAt(slots.deadline)
  }

  #send(exchange: Exchange, now: number): void {
    const until = now + (exchange.traits.quick ? QUICK_LIFE_MS : TAG_LIFE_MS)
    this.#board.slots.hold(this.#flow.id, exchange, until)
    this.#board.wakeAt(until)
    this.inner.send(exchange.request)
  }

  #answered(exchange: Exchange, reply: Uint8Array, now: number): void {
    this.#forget(exchange)
    const { clientSequence, request, traits } = exchange
    const answer = withSequence(reply, clientSequence)
    // An error means "not done" or "perhaps": SpiNNMan's repeat of it, the same bytes, is a new try and must pass.
    if (reply[SCP_OFFSET] === Result.OK) {
      this.#memoryOf(traits)?.remember(clientSequence, request, answer, now, this.#rememberMs(traits))
    }
    this.#board.slots.free(exchange)
    this.deliver(answer)
    this.#board.pump(now)
  }

  /** An answer for which nobody waits any more; rig would stop at it if it is an error. */
  #tooLate(exchange: Exchange): void {
    this.drops.drop("unmatched", this.peer)
    this.#forget(exchange)
    this.#board.slots.free(exchange)
  }

  /** SDP that is no request is never held, repeated or dropped, but counts where it takes a tag. */
  #passUnheld(datagram: Uint8Array, now: number): void {
    if (takesTag(datagram)) {
      const until = now + (toMonitor(datagram) ? QUICK_LIFE_MS : TAG_LIFE_MS)
      this.#board.slots.holdUnasked(this.#flow.id, until)
      this.#board.wakeAt(until)
    }
    this.inner.send(datagram)
  }

  #memoryOf(traits: Traits): AnswerMemory | undefined {
    switch (traits.effect) {
      case "none":
        return undefined
      case "same":
        return this.#writes
      case "more":
      case "never-again":
        return this.#once
    }
  }

  #rememberMs(traits: Traits): number {
    if (traits.effect === "never-again") return REMEMBER_NEVER_AGAIN_MS
    return this.#watch.moving ? REMEMBER_MOVING_MS : REMEMBER_MS
  }

  #takeSequence(): number {
    do this.#nextSequence = (this.#nextSequence + 1) & 0xffff
    while (this.#awaiting.has(this.#nextSequence))
    return this.#nextSequence
  }

  #isRecent(sequence: number): boolean {
    return ((this.#nextSequence - sequence) & 0xffff) < RECENT_SEQUENCES
  }

  #forget(exchange: Exchange): void {
    this.#awaiting.delete(exchange.sequence)
    if (this.#byClient.get(exchange.clientSequence) === exchange) this.#byClient.delete(exchange.clientSequence)
  }

  #forgetOldest(): void {
    for (const exchange of this.#awaiting.values()) {
      exchange.state = { kind: "over" }
      this.drops.drop("queue-full", this.#flow.application)
      this.#forget(exchange)
      return
    }
  }
}

/** True for a request so long without an answer that the same bytes are another one. */
function isForgotten(exchange: Exchange, now: number): boolean {
  const at = exchange.state.kind === "sent" ? exchange.state.at : exchange.bornAt
  return now - at > (exchange.traits.effect === "never-again" ? REMEMBER_NEVER_AGAIN_MS : FORGET_MS)
}

/** The stage that guards one board; `--no-scp-guard` leaves it out. Make it once a board. */
export function guardScp(options: ScpGuardOptions): Stage {
  const board = new GuardedBoard(options.clock, options.observer)
  return (link, flow) => new GuardedLink(link, flow, board)
}
