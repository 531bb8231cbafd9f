/**
 * The bookkeeping of SCP requests in flight, without sockets or timers: events and `now` in, datagrams to send and
 * outcomes back. One request is `waiting` for its reply or `pausing` before it is sent again.
 */
import { Result } from "../protocol/scp.ts"

/** How requests are sent, and sent again. The defaults are SpiNNMan's. */
export interface WindowOptions {
  /** Requests in flight at most. 8 is all a board holds, for all hosts together. */
  readonly channels: number
  /** Once there are `channels` in flight no more are sent until this many are left. */
  readonly intermediateChannelWaits: number
  /** Milliseconds until something is sent again. */
  readonly timeoutMs: number
  /** Times that a request is sent again before it fails. */
  readonly retries: number
  /** Pause before a request is sent again because of its result code, in milliseconds. */
  readonly retryPauseMs: number
  /** Result codes after which a request is sent again. */
  readonly retryable: ReadonlySet<number>
  /**
   * "connection": when nothing at all has come for `timeoutMs`, everything in flight is sent again (SpiNNMan).
   * "request": each request is sent again when its own reply is `timeoutMs` late.
   */
  readonly deadline: "connection" | "request"
}

/** SpiNNMan 7.0's numbers. Later versions also retry P2P_BUSY. */
export const WINDOW_DEFAULTS: WindowOptions = {
  channels: 8,
  intermediateChannelWaits: 7,
  timeoutMs: 1000,
  retries: 10,
  retryPauseMs: 100,
  retryable: new Set([Result.TIMEOUT, Result.P2P_TIMEOUT, Result.LEN, Result.P2P_NOREPLY]),
  deadline: "connection",
}

/** The reason of a try that had no reply; all others are names of result codes or of system errors. */
export const TIMEOUT_REASON = "timeout"

type State = { kind: "waiting"; deadlineMs: number } | { kind: "pausing"; untilMs: number }

/** One request in flight. */
export interface Flight<T> {
  readonly sequence: number
  readonly datagram: Uint8Array
  /** What the caller gave. */
  readonly context: T
  /** Why each try so far came to nothing. */
  readonly reasons: string[]
  retriesLeft: number
  state: State
}

/** What to do next. */
export type WindowAction<T> =
  | { readonly type: "send"; readonly flight: Flight<T> }
  | { readonly type: "failed"; readonly flight: Flight<T> }

/** Requests in flight, at most `channels` of them. */
export class ScpWindow<T> {
  readonly #options: WindowOptions
  readonly #flights = new Map<number, Flight<T>>()
  #sequence: number
  #draining = false
  #quietSinceMs = 0
  /** Times that a deadline passed. */
  timeouts = 0
  /** Datagrams sent again, for any reason. */
  resent = 0
  /** Those of them that were sent again for their result code. */
  resentForCode = 0

  constructor(options: WindowOptions, firstSequence = 0) {
    this.#options = options
    this.#sequence = firstSequence & 0xffff
  }

  /** Requests in flight. */
  get size(): number {
    return this.#flights.size
  }

  /** True if `add` may be called. After a full window, only once it has drained. */
  hasRoom(): boolean {
    const { channels, intermediateChannelWaits } = this.#options
    if (this.size >= channels) this.#draining = true
    else if (this.size <= intermediateChannelWaits) this.#draining = false
    return !this.#draining
  }

  /** Puts a request in flight; the caller sends its datagram, made by `encode` from the sequence that it gets. */
  add(context: T, encode: (sequence: number) => Uint8Array, nowMs: number): Flight<T> {
    // A sequence that is still in flight is passed over, or one reply would answer two requests.
    while (this.#flights.has(this.#sequence)) this.#sequence = (this.#sequence + 1) & 0xffff
    const sequence = this.#sequence
    const datagram = encode(sequence)
    this.#sequence = (sequence + 1) & 0xffff
    const state: State = { kind: "waiting", deadlineMs: nowMs + this.#options.timeoutMs }
    const flight = { sequence, datagram, context, reasons: [], retriesLeft: this.#options.retries, state }
    this.#flights.set(sequence, flight)
    this.#quietSinceMs = nowMs
    return flight
  }

  /**
   * A reply has come. Returns the request that it ends, "retry" if it only made one pause, and undefined for a
   * sequence that nobody waits for, such as the second reply to a request that was sent twice.
   */
  reply(sequence: number, result: number, reason: string, nowMs: number): Flight<T> | "retry" | undefined {
    this.#quietSinceMs = nowMs
    const flight = this.#flights.get(sequence)
    if (!flight) return undefined
    if (this.#options.retryable.has(result)) {
      // The reply of an earlier try while it pauses already changes nothing.
      if (flight.state.kind === "waiting") {
        flight.reasons.push(reason)
        flight.state = { kind: "pausing", untilMs: nowMs + this.#options.retryPauseMs }
      }
      return "retry"
    }
    this.#flights.delete(sequence)
    return flight
  }

  /** The moment at which `expire` has something to do; undefined with nothing in flight. */
  get nextMs(): number | undefined {
    let next: number | undefined
    for (const flight of this.#flights.values()) {
      const at = this.#dueMs(flight)
      if (next === undefined || at < next) next = at
    }
    return next
  }

  /** Everything whose moment has come: to be sent again, or given up. */
  expire(nowMs: number): WindowAction<T>[] {
    const due = [...this.#flights.values()].filter((flight) => this.#dueMs(flight) <= nowMs)
    const late = due.filter((flight) => flight.state.kind === "waiting")
    if (late.length > 0) this.timeouts++
    for (const flight of late) flight.reasons.push(TIMEOUT_REASON)
    this.resentForCode += due.filter((flight) => flight.state.kind === "pausing" && flight.retriesLeft > 0).length
    const actions = due.map((flight) => this.#again(flight, nowMs))
    if (actions.some((action) => action.type === "send")) this.#quietSinceMs = nowMs
    return actions
  }

  /** The system refused to send a try, or said that an earlier one did not arrive: a reason for a failure, if it comes to one. */
  sendFailed(flight: Flight<T>, reason: string): void {
    flight.reasons.push(reason)
  }

  /** Takes everything out of flight. */
  clear(): Flight<T>[] {
    const all = [...this.#flights.values()]
    this.#flights.clear()
    return all
  }

  #dueMs(flight: Flight<T>): number {
    if (flight.state.kind === "pausing") return flight.state.untilMs
    return this.#options.deadline === "connection"
      ? this.#quietSinceMs + this.#options.timeoutMs
      : flight.state.deadlineMs
  }

  #again(flight: Flight<T>, nowMs: number): WindowAction<T> {
    if (flight.retriesLeft <= 0) {
      this.#flights.delete(flight.sequence)
      return { type: "failed", flight }
    }
    flight.retriesLeft--
    flight.state = { kind: "waiting", deadlineMs: nowMs + this.#options.timeoutMs }
    this.resent++
    return { type: "send", flight }
  }
}
