/** Turns events into log lines and adds up drops, so that a flood of them is one line every ten seconds. */
import { peerHost } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import type { Event } from "./events.ts"
import type { Log } from "./log.ts"
import { logLine } from "./log-lines.ts"
import type { DropReason, Observer } from "./observer.ts"
import { Repeats } from "./repeats.ts"
import { StandingTrouble } from "./standing-trouble.ts"

/** Drops are reported this often, if there were any. */
export const DROP_REPORT_MS = 10_000

const words: Record<DropReason, string> = {
  closed: "for a flow that was over",
  "hold-full": "before anybody listened",
  "queue-full": "because the queue was full",
  "queue-old": "because nobody waits that long",
  unreachable: "because the far end cannot be reached",
  "send-buffer-full": "because the system's send buffer was full",
  oversize: "too long to carry",
  "not-allowed": "from addresses not in --allow",
  "flow-limit": "because there were too many flows",
  unmatched: "that answer nobody's request",
  malformed: "that are not of this protocol",
  truncated: "that were cut off with their connection",
  fault: "on purpose",
  "duplicate-answer": "that were second answers",
  "absorbed-repeat": "that repeat a request still being answered",
  "slot-wait": "because the board was busy",
  "boot-refused": "of a boot that was not its turn",
  "answered-repeat": "that had been answered: got the same answer again",
  "boot-repeat": "of a boot that is on its way already",
  "tag-overflow": "of IP tags because the network did not keep up",
  "tag-stray": "of IP tags that nobody holds",
  "board-in-use": "of users who wait for a board",
  "memory-full": "(remembered answers) to make room for newer ones",
}

/** Reasons that are no loss to anybody: the flow was over, or the answer comes (or came) another way. */
const HARMLESS: ReadonlySet<DropReason> = new Set([
  "closed",
  "duplicate-answer",
  "absorbed-repeat",
  "answered-repeat",
  "boot-repeat",
])

/** Events that come once a datagram or once a connection of a stranger: a flood of them must not fill a disk. */
function repeatKey(event: Event): string | undefined {
  switch (event.type) {
    case "peer-refused":
    case "peer-connected":
    case "peer-lost":
      return `${event.type} ${peerHost(event.peer)}`
    case "flow-opened":
    case "flow-closed":
      return `${event.type} ${event.channel} ${peerHost(event.application)}`
    case "boot-begun":
    case "boot-sent":
    case "boot-incomplete":
    case "boot-unfinished":
    case "boot-refused":
    case "boot-mixed":
      return `${event.type} ${peerHost(event.application)}`
    case "tag-set":
    case "tag-refused":
    case "reverse-port-taken":
      return `${event.type} ${peerHost(event.application)}`
    case "tag-taken":
      return `${event.type} ${peerHost(event.by)}`
    case "lease-taken":
    case "lease-waits":
    case "lease-offered":
    case "lease-released":
      return `${event.type} ${event.user}`
    case "board-version":
      return `${event.type} ${event.board}`
    case "board-unbooted":
      return event.type
    case "internal-error":
      return `${event.type} ${event.detail}`
    default:
      return undefined
  }
}

/** The observer of a running relay. */
export class LogObserver implements Observer {
  readonly #log: Log
  readonly #timer: Timer
  readonly #clock: Clock
  readonly #troubles = new StandingTrouble()
  readonly #repeats = new Repeats<Event>()
  readonly #totals = new Map<DropReason, number>()
  #recent = new Map<DropReason, { count: number; where: string }>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
    this.#timer = every(clock, DROP_REPORT_MS, () => this.flush())
  }

  /** Datagrams lost since the start, by reason. */
  get totals(): ReadonlyMap<DropReason, number> {
    return this.#totals
  }

  event(event: Event): void {
    const key = repeatKey(event)
    if (key !== undefined && this.#repeats.hold(key, event)) return
    const untold = this.#troubles.untold(event, this.#clock.now())
    if (untold === undefined) return
    const { level, text } = logLine(event)
    if (untold === 0) this.#log.line(level, text, event)
    else this.#log.line(level, `${text} (${untold + 1} tries since this was last said)`, { ...event, repeated: untold })
  }

  drop(reason: DropReason, where: string, count = 1): void {
    this.#totals.set(reason, (this.#totals.get(reason) ?? 0) + count)
    const recent = this.#recent.get(reason)
    if (recent) {
      recent.count += count
      recent.where = where
    } else this.#recent.set(reason, { count, where })
  }

  /** Prints what has been added up; call it once more at the end. */
  flush(): void {
    const recent = this.#recent
    this.#recent = new Map()
    for (const [reason, { count, where }] of recent) {
      const level = HARMLESS.has(reason) ? "debug" : "warn"
      const datagrams = count === 1 ? "1 datagram" : `${count} datagrams`
      this.#log.line(level, `dropped ${datagrams} ${words[reason]} (last: ${where})`, {
        type: "dropped",
        reason,
        count,
        where,
        total: this.#totals.get(reason),
      })
    }
    for (const { count, last } of this.#repeats.take()) {
      const { level, text } = logLine(last)
      this.#log.line(level, `${count} more like this: ${text}`, { ...last, repeated: count })
    }
  }

  /** Stops reporting. */
  close(): void {
    this.#timer.cancel()
    this.flush()
  }
}
