/**
 * Beside the application: one answer a request. ybug takes any datagram for the answer to whatever it has just asked,
 * and rig stops at a late error, so a second or late answer ends here. Requests pass as they come, repeats too: what
 * becomes of those is decided beside the board.
 */
import type { Observer } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import type { Stage } from "./flow.ts"
import { isReply, isRequest, mayBeAnswered, sequenceOf } from "./scp-classify.ts"
import { StageLink } from "./stage-link.ts"

/** What the stage needs. */
export interface AnswerOnceOptions {
  readonly clock: Clock
  readonly observer: Observer
}

/** Requests of one application that may still be answered; eight times the widest window in use. */
export const EXPECTED_LIMIT = 256
/** An answer this long after the last repeat is late for everybody: SpiNNMan and Java wait 10 s for a power-on. */
export const LATE_MS = 12_000
/** A client that sends something new only after so long a silence has given up what it sent before. */
export const GIVEN_UP_MS = 400

class AnswerOnce extends StageLink {
  /** When each unanswered request was sent last, by sequence number; the oldest first. */
  readonly #expected = new Map<number, number>()
  readonly #clock: Clock
  /** The application has had two requests under way at once. */
  #windowed = false

  constructor(inner: Link, options: AnswerOnceOptions) {
    super(inner, options.observer)
    this.#clock = options.clock
  }

  protected override outward(datagram: Uint8Array): void {
    if (mayBeAnswered(datagram)) this.#expect(sequenceOf(datagram), this.#clock.now(), isRequest(datagram))
    super.outward(datagram)
  }

  protected override inward(datagram: Uint8Array): void {
    if (isReply(datagram) && !this.#take(sequenceOf(datagram))) this.drops.drop("duplicate-answer", this.peer)
    else super.inward(datagram)
  }

  #expect(sequence: number, now: number, awaited: boolean): void {
    const repeated = this.#expected.delete(sequence)
    if (!repeated && this.#expected.size > 0) this.#giveUp(now, awaited)
    this.#expected.set(sequence, now)
  }

  /** Something has been asked while others have no answer: which of those does the application still wait for? */
  #giveUp(now: number, awaited: boolean): void {
    let latest = Number.NEGATIVE_INFINITY
    for (const at of this.#expected.values()) latest = at
    // What nobody awaits (`awaited` false) tells nothing about how many requests the application has under way.
    if (awaited && now - latest < GIVEN_UP_MS) this.#windowed = true
    // One request at a time: all that came before the new one is given up. Windows: only what is late for everybody.
    const patienceMs = this.#windowed ? LATE_MS : GIVEN_UP_MS
    for (const [sequence, at] of this.#expected) {
      if (now - at < patienceMs && this.#expected.size < EXPECTED_LIMIT) break
      this.#expected.delete(sequence)
    }
  }

  /** True if `sequence` is expected; it is so once. */
  #take(sequence: number): boolean {
    const at = this.#expected.get(sequence)
    if (at === undefined) return false
    this.#expected.delete(sequence)
    return this.#clock.now() - at < LATE_MS
  }
}

/** The stage of a client; `--no-scp-guard` leaves it out. */
export function answerOnce(options: AnswerOnceOptions): Stage {
  return (link) => new AnswerOnce(link, options)
}
