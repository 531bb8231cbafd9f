/** What a server is told to be: its boards, what it gives away, and how boards are shared out. */
import { TAGGED_QUEUE } from "../transport/tagged-queue.ts"
import { MAX_NAME } from "./key.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "./lease-settings.ts"
import { RELAY_LIMITS } from "./relay.ts"

/** The tunnel's TCP port. */
export const TUNNEL_PORT = 17_896
/** A board's own UDP ports. */
export const BOARD_PORTS = { scp: 17_893, boot: 54_321 } as const

/** Where a board's power is switched. */
export interface BmpPlace {
  readonly host: string
  readonly port: number
  /** The board's number in the frame of that BMP, 0 to 23. */
  readonly board: number
}

/** One board. */
export interface BoardConfig {
  /** What users and keys call it. */
  readonly name: string
  /** An IPv4 address or a name. */
  readonly address: string
  readonly scpPort: number
  readonly bootPort: number
  /** "auto": whatever it says it is. */
  readonly type: "spin3" | "spin5" | "auto"
  readonly bmp: BmpPlace | undefined
  readonly lease: LeaseSettings
}

/** What a server gives away at most. */
export interface ServerLimits {
  /** Sessions of one key at once. */
  readonly sessionsPerKey: number
  /** A lost session waits so long for its client to come back, milliseconds. */
  readonly resumeMs: number
  /** Applications at once for each service of a board. */
  readonly maxFlows: number
  /** A silent flow ends after this, milliseconds. */
  readonly idleTimeoutMs: number
  /** Bytes that may wait, for each client, of what boards send by IP tag. */
  readonly tagBufferBytes: number
}

/** The whole of it. */
export interface ServerConfig {
  /** What clients call this server; undefined: the machine's own name. */
  readonly name: string | undefined
  /** IP literals without brackets; empty: all of the machine's. */
  readonly listen: readonly string[]
  readonly port: number
  /** Networks as AllowList reads them; empty: everyone. */
  readonly allow: readonly string[]
  readonly limits: ServerLimits
  /** At least one; names and addresses are each unique. */
  readonly boards: readonly BoardConfig[]
}

/** The limits where nothing else is said. */
export const SERVER_LIMITS: ServerLimits = {
  sessionsPerKey: 4,
  resumeMs: 60_000,
  maxFlows: RELAY_LIMITS.maxFlows,
  idleTimeoutMs: RELAY_LIMITS.idleTimeoutMs,
  tagBufferBytes: TAGGED_QUEUE.bytes,
}

/** True for what a board may be called: no spaces and no commas, as `--boards a,b` names them; "all" means all. */
export function isBoardName(name: string): boolean {
  return name !== "all" && name.length <= MAX_NAME && /^[\p{L}\p{N}][\p{L}\p{N}\p{M}._:@-]*$/u.test(name)
}

/** The configuration of `server BOARD`: that board alone, all else by default. */
export function configOfBoard(address: string): ServerConfig {
  const lease = LEASE_DEFAULTS
  const ports = { scpPort: BOARD_PORTS.scp, bootPort: BOARD_PORTS.boot }
  const only: BoardConfig = { name: address, address, ...ports, type: "auto", bmp: undefined, lease }
  return { name: undefined, listen: [], port: TUNNEL_PORT, allow: [], limits: SERVER_LIMITS, boards: [only] }
}
