/** What a configuration file says: the machines and how the server is to behave. toml-config.ts and java-config.ts read it. */
import type { BoardPlace, LinkPlace, PhysicalPlace } from "./types.ts"

/** A machine as configured. All of it lies inside width x height triads. */
export interface MachineConfig {
  readonly name: string
  readonly tags: readonly string[]
  /** Triads. */
  readonly width: number
  readonly height: number
  readonly deadBoards: readonly BoardPlace[]
  readonly deadLinks: readonly LinkPlace[]
  /** Every live board; dead ones may be there too. */
  readonly boards: readonly BoardConfig[]
  /** Every frame that a board is in. */
  readonly bmps: readonly BmpConfig[]
}

/** One board of a machine. */
export interface BoardConfig {
  readonly logical: BoardPlace
  readonly physical: PhysicalPlace
  /** Host of the board's Ethernet chip, told to clients; "" only for a dead board. */
  readonly host: string
}

/** The BMP of one frame: a host, or host:port where it is not 17893. */
export interface BmpConfig {
  readonly cabinet: number
  readonly frame: number
  readonly host: string
}

/** How the server behaves; `DEFAULT_SETTINGS` has the defaults. */
export interface ServerSettings {
  /** Host to listen on. */
  readonly listen: string
  readonly port: number
  /** CIDRs that may connect; empty is anybody. */
  readonly allow: readonly string[]
  readonly maxJobs: number
  readonly maxJobsPerHost: number
  readonly maxConnectionsPerHost: number
  /** Only the host that created a job may switch or destroy it. */
  readonly ownerOnly: boolean
  /** Reported by `version`. */
  readonly version: string
  /** Longest time between looks at keepalives and cool-downs. */
  readonly timeoutCheckIntervalS: number
  readonly maxRetiredJobs: number
  /** Rest of a board between the end of its power-off and its next job. */
  readonly secondsBeforeFree: number
}

/** A whole configuration; machines in order of priority. */
export interface SpallocConfig {
  readonly settings: ServerSettings
  readonly machines: readonly MachineConfig[]
}

/** What holds where the file says nothing. */
export const DEFAULT_SETTINGS: ServerSettings = {
  listen: "127.0.0.1",
  port: 22244,
  allow: [],
  maxJobs: 10_000,
  maxJobsPerHost: 500,
  maxConnectionsPerHost: 100,
  ownerOnly: false,
  version: "1.0.0",
  timeoutCheckIntervalS: 5,
  maxRetiredJobs: 1200,
  secondsBeforeFree: 30,
}
