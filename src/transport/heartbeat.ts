/** Tells a dead connection from a quiet one. Pure: the owner feeds it events and does what it says. */

/** How patient it is, in milliseconds. */
export interface HeartbeatTimes {
  /** A ping after this long without anything received. */
  readonly pingAfterMs: number
  /** Dead after this long without anything received. */
  readonly deadAfterMs: number
  /** With an answer outstanding: a ping after this long, dead after as long again. */
  readonly urgentMs: number
}

/** Ping at 10 s, dead at 30 s: the value that works through every NAT (anchors: tinc 10 s, WireGuard 25 s). */
export const DEFAULT_HEARTBEAT: HeartbeatTimes = { pingAfterMs: 10_000, deadAfterMs: 30_000, urgentMs: 2_000 }

/** Call `check` about once a second. */
export class Heartbeat {
  #lastReceived: number
  #pingedAt: number | undefined
  #expectingSince: number | undefined

  constructor(
    now: number,
    private readonly times: HeartbeatTimes = DEFAULT_HEARTBEAT,
  ) {
    this.#lastReceived = now
  }

  /** Anything at all has come. */
  received(now: number): void {
    this.#lastReceived = now
    this.#pingedAt = undefined
    this.#expectingSince = undefined
  }

  /** Something that wants an answer has been sent. */
  expecting(now: number): void {
    this.#expectingSince ??= now
  }

  /** Doubts that the peer is there: the next `check` asks for a ping, and patience is that for an overdue answer. */
  probe(now: number): void {
    this.#expectingSince = now - this.times.urgentMs
    this.#pingedAt = undefined
  }

  /** What to do now. A "ping" is asked for once until something is received. */
  check(now: number): "wait" | "ping" | "dead" {
    const { pingAfterMs, deadAfterMs, urgentMs } = this.times
    const silentMs = now - this.#lastReceived
    const urgent = this.#expectingSince !== undefined && now - this.#expectingSince >= urgentMs
    if (silentMs >= deadAfterMs) return "dead"
    if (this.#pingedAt !== undefined) {
      return urgent && now - this.#pingedAt >= urgentMs ? "dead" : "wait"
    }
    if (silentMs < pingAfterMs && !urgent) return "wait"
    this.#pingedAt = now
    return "ping"
  }
}
