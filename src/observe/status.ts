/** How a server stands, as it tells `status`: plain values, JSON as they are. Times are milliseconds until now. */
import type { DropReason } from "./observer.ts"
import type { RefusalReason } from "./refusal-reason.ts"

/** All of it. */
export interface StatusReport {
  /** Of the program. */
  readonly version: string
  /** What clients call the server. */
  readonly name: string
  readonly pid: number
  readonly uptimeMs: number
  /** The tunnel's addresses, `host:port`. */
  readonly listening: readonly string[]
  /** The old ports, with `--legacy`. */
  readonly legacy: readonly string[]
  readonly boards: readonly BoardReport[]
  readonly sessions: readonly SessionReport[]
  /** Connections that have not proved anything yet. */
  readonly strangers: number
  /** Datagrams lost since the start, by reason. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>
  /** Peers not let in since the start, by reason. */
  readonly refusals: Readonly<Partial<Record<RefusalReason, number>>>
}

/** A board. */
export interface BoardReport {
  readonly name: string
  readonly address: string
  /** What it was when last heard of; "unknown" until somebody has used it. */
  readonly state: "unknown" | "unbooted" | "booting" | "booted" | "unreachable"
  /** What it runs: "SC&MP 3.4.1". */
  readonly software?: string
  /** Applications that use it. */
  readonly flows: number
  /** Absent for a board that everybody shares. */
  readonly lease?: LeaseReport
}

/** Who has an exclusive board; times are milliseconds until now. */
export interface LeaseReport {
  readonly state: "free" | "held" | "reserved" | "withheld" | "resetting"
  /** Who has it, whose turn it is, or from whom it is withheld. */
  readonly user?: string
  /** In this state for so long. */
  readonly sinceMs?: number
  /** Its holder's last traffic was so long ago. */
  readonly idleMs?: number
  /** Users who wait, the first in turn first. */
  readonly waiting: readonly string[]
}

/** One connected machine of a user. */
export interface SessionReport {
  readonly id: string
  readonly user: string
  /** What the machine calls itself. */
  readonly device?: string
  /** Where it is; absent while its connection is lost and may come back. */
  readonly peer?: string
  readonly sinceMs: number
  readonly flows: number
  /** Of the last ping. */
  readonly rttMs?: number
  readonly queuedBytes: number
  /** The longest that a datagram waited lately. */
  readonly queueAgeMs: number
  readonly reconnects: number
  readonly drops: Readonly<Partial<Record<DropReason, number>>>
}
