/** The reply to INFO: what SC&MP knows of its chip. Source: spinnaker_tools 4.0.0, cmd_info. */
import type { ScpReply } from "../protocol/scp.ts"

/** Links of a chip in the order of their bits. */
export const LINK_NAMES = ["E", "NE", "N", "W", "SW", "S"] as const

/** Core states by number; what is missing has no name. */
export const CORE_STATES = [
  "dead",
  "powered down",
  "run-time exception",
  "watchdog",
  "init",
  "ready",
  "c_main",
  "run",
  "sync0",
  "sync1",
  "paused",
  "exit",
  "12",
  "13",
  "14",
  "idle",
] as const

/** One working chip. */
export interface ChipInfo {
  readonly x: number
  readonly y: number
  /** Working cores, the monitor included. */
  readonly cores: number
  /** Numbers of the working links; `LINK_NAMES` has their names. */
  readonly links: readonly number[]
  /** Entries in the largest free block of the routing table. */
  readonly freeRouterEntries: number
  /** Whether its own Ethernet is up. */
  readonly ethernetUp: boolean
  /** Bytes in the largest free blocks. */
  readonly freeSdram: number
  readonly freeSystemRam: number
  /** State of each of its 18 cores, by number. */
  readonly coreStates: readonly number[]
  /** The nearest chip with Ethernet. */
  readonly ethernetX: number
  readonly ethernetY: number
  /** IP address of its own Ethernet, where it has one. */
  readonly ipAddress: string | undefined
}

const CORES = 18
/** Three words, 18 states, the Ethernet chip and its address; SC&MP 4 adds two bytes. */
const LENGTH = 12 + CORES + 2 + 4

/** The chip that an INFO reply is about; undefined if it is too short. */
export function decodeChipInfo(x: number, y: number, reply: ScpReply): ChipInfo | undefined {
  const { body } = reply
  if (body.length < LENGTH) return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const flags = view.getUint32(0, true)
  const ip = body.subarray(12 + CORES + 2, LENGTH).join(".")
  return {
    x,
    y,
    cores: flags & 31,
    links: LINK_NAMES.map((_, link) => link).filter((link) => (flags >> (8 + link)) & 1),
    freeRouterEntries: (flags >> 14) & 0x7ff,
    ethernetUp: ((flags >> 25) & 1) === 1,
    freeSdram: view.getUint32(4, true),
    freeSystemRam: view.getUint32(8, true),
    coreStates: [...body.subarray(12, 12 + CORES)],
    ethernetY: body[12 + CORES]!,
    ethernetX: body[12 + CORES + 1]!,
    ipAddress: ip === "0.0.0.0" ? undefined : ip,
  }
}
