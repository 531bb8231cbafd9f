/** Requests on their way to a device: each has an id of ours, a time limit, and one end. */
import type { Clock, Timer } from "../transport/clock.ts"

/** Why a request has no answer. */
export interface NoAnswer {
  readonly ok: false
  readonly text: string
  /** The device was there and said nothing. */
  readonly timedOut?: true
}

interface Pending<Answer> {
  readonly about: string
  readonly done: (answer: Answer | NoAnswer) => void
  readonly timer: Timer
}

/** What ids of ours begin with. */
const OUR_IDS = "relay-"

/** Whether an id is one of ours: what bears it and is awaited no more has come after its time. */
export function isOurs(id: string | undefined): boolean {
  return id?.startsWith(OUR_IDS) ?? false
}

/** Those of one connection. */
export class PendingRequests<Answer> {
  readonly #clock: Clock
  readonly #pending = new Map<string, Pending<Answer>>()
  #next = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#pending.size
  }

  /** A fresh id; `done` is called once, with a `NoAnswer` after `timeoutMs`. `about` is what it may be found by. */
  add(about: string, timeoutMs: number, done: (answer: Answer | NoAnswer) => void): string {
    const id = `${OUR_IDS}${this.#next++}`
    const timer = this.#clock.after(timeoutMs, () => {
      this.#pending.delete(id)
      done({ ok: false, text: `no answer in ${timeoutMs / 1000} s`, timedOut: true })
    })
    this.#pending.set(id, { about, done, timer })
    return id
  }

  /** The oldest id of a request about this. */
  oldest(about: string): string | undefined {
    for (const [id, pending] of this.#pending) if (pending.about === about) return id
    return undefined
  }

  /** Takes the request with this id out; undefined if there is none. */
  take(id: string | undefined): ((answer: Answer | NoAnswer) => void) | undefined {
    const pending = id === undefined ? undefined : this.#pending.get(id)
    if (!pending) return undefined
    this.#pending.delete(id!)
    pending.timer.cancel()
    return pending.done
  }

  /** None of them will be answered. */
  fail(text: string): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { done, timer } of pending) {
      timer.cancel()
      done({ ok: false, text })
    }
  }
}
