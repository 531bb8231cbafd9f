/** Writes a proxy's events to the log; a flood of them from strangers is a few lines and a count. */
import type { Log } from "../observe/log.ts"
import { Repeats } from "../observe/repeats.ts"
import { peerHost } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { eventLine, type ProxyEvent } from "./events.ts"

const PERIOD_MS = 10_000

/** The log of a proxy. */
export class EventLog {
  readonly #log: Log
  readonly #timer: Timer
  readonly #repeats = new Repeats<ProxyEvent>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#timer = every(clock, PERIOD_MS, () => this.flush())
  }

  event(event: ProxyEvent): void {
    const key = partyOf(event)
    if (key !== undefined && this.#repeats.hold(key, event)) return
    const { level, text } = eventLine(event)
    this.#log.line(level, text, event)
  }

  /** Tells how many were left out. */
  flush(): void {
    for (const { count, last } of this.#repeats.take()) {
      const { level, text } = eventLine(last)
      this.#log.line(level, `${count} more like this: ${text}`, { ...last, repeated: count })
    }
  }

  close(): void {
    this.#timer.cancel()
    this.flush()
  }
}

/** Kind and party of events that somebody can cause at will; undefined for all others. */
function partyOf(event: ProxyEvent): string | undefined {
  switch (event.type) {
    case "client-connected":
    case "client-refused":
    case "client-gone":
    case "waiting":
    case "active":
    case "answered-busy":
    case "released":
    case "auth-failed":
    case "refused-write":
    case "run-begun":
    case "run-over":
    case "dropped":
      return `${event.type} ${peerHost(event.client)}`
    case "device-failed":
    case "device-lost":
    case "device-up":
    case "run-foreign":
      return `${event.type} ${event.device}`
    case "duplicate-carrier":
      return event.type
    default:
      return undefined
  }
}
