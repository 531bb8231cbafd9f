/** Writes a proxy's events to the log; a flood of them from strangers is a few lines and a count. */
import type { Log } from "../observe/log.ts"
import { peerHost } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { eventLine, type ProxyEvent } from "./events.ts"

/** Lines of one kind about one party in each period; the rest are counted. */
const BURST = 10
const PERIOD_MS = 10_000
/** Parties that are told apart in a period. */
const MAX_PARTIES = 256

/** The log of a proxy. */
export class EventLog {
  readonly #log: Log
  readonly #timer: Timer
  #seen = new Map<string, { count: number; last: ProxyEvent }>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#timer = every(clock, PERIOD_MS, () => this.flush())
  }

  event(event: ProxyEvent): void {
    const key = partyOf(event)
    if (key !== undefined) {
      const known = this.#seen.has(key) || this.#seen.size < MAX_PARTIES ? key : event.type
      const seen = this.#seen.get(known) ?? { count: 0, last: event }
      seen.count++
      seen.last = event
      this.#seen.set(known, seen)
      if (seen.count > BURST) return
    }
    const { level, text } = eventLine(event)
    this.#log.line(level, text, event)
  }

  /** Tells how many were left out. */
  flush(): void {
    const seen = this.#seen
    this.#seen = new Map()
    for (const { count, last } of seen.values()) {
      if (count <= BURST) continue
      const { level, text } = eventLine(last)
      this.#log.line(level, `${count - BURST} more like this: ${text}`, { ...last, repeated: count - BURST })
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
    case "duplicate-carrier":
      return event.type === "duplicate-carrier" ? event.type : `${event.type} ${event.device}`
    default:
      return undefined
  }
}
