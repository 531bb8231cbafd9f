/** What a fake machine is made from: everything that a person or a test may choose, with its defaults. */
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import type { PlacedProgram } from "./applications.ts"
import type { BmpOptions } from "./bmp.ts"
import type { BoardWatcher, FaultPathName } from "./events.ts"
import type { FaultSpec } from "./faults.ts"
import type { ScampVersion } from "./machine.ts"
import type { MachineShape } from "./machine-shape.ts"

/** Default milliseconds from END to SC&MP's first answer. Real boards need 1 to 2 s; the captures were made with 0.8 s. */
export const DEFAULT_SILENT_MS = 800
/** Default milliseconds during which VER then says 255,255; the captures were made with 1.5 s. */
export const DEFAULT_BOOTING_MS = 1500

/** Sends a datagram from one of the machine's own addresses. Must not throw. */
export type BoardSend = (from: Address, to: Address, datagram: Uint8Array) => void

/** What a fake board is made from. */
export interface FakeBoardOptions {
  readonly clock: Clock
  readonly send: BoardSend
  /** The ports on which a board's reverse IP tags listen have changed. */
  readonly listen?: (host: string, ports: ReadonlySet<number>) => void
  readonly onEvent?: BoardWatcher
  /** Default: one SpiNN-5 board. */
  readonly shape?: MachineShape
  /** IPv4 addresses of the boards, by board number; default: from 127.0.0.1 upward. */
  readonly hosts?: readonly string[]
  /** Address of the first board, the others following upward; `hosts` wins. */
  readonly host?: string
  /** Default 17893, of every board and the BMP. */
  readonly scpPort?: number
  /** Default 54321. */
  readonly bootPort?: number
  /** The BMP; none where absent. */
  readonly bmp?: BmpOptions
  /** Start as a booted machine. */
  readonly booted?: boolean
  /** Start without power, where there is a BMP to switch it on. */
  readonly poweredOff?: boolean
  readonly silentMs?: number
  readonly bootingMs?: number
  readonly version?: ScampVersion
  /** Unix time in seconds that a machine which was never booted shows as its start; booted ones have it from the image. */
  readonly unixTime?: number
  /** Programs that run on application cores from the start. */
  readonly programs?: readonly PlacedProgram[]
  /** Seed of all faults; each path has its own stream, so that more SCP traffic does not change what boot loses. */
  readonly seed?: number
  readonly faults?: Partial<Record<FaultPathName, FaultSpec>>
  /** The ROM misses datagrams that arrive sooner than this after the last one that it took. */
  readonly bootGapMs?: number
  /** Where hellos go until a host is known; undefined for no hellos at all. Default: the broadcast address of the host's network. */
  readonly helloBroadcast?: string | undefined
}

/** The addresses of a machine's boards: `first` and those that follow it. */
export function boardHosts(first: string, count: number): string[] {
  const octets = first.split(".").map(Number)
  const base = octets.reduce((sum, octet) => sum * 256 + octet, 0)
  return Array.from({ length: count }, (_, index) => {
    const host = base + index
    return [host >>> 24, (host >>> 16) & 0xff, (host >>> 8) & 0xff, host & 0xff].join(".")
  })
}
