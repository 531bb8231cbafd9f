/** What a fake device is to be, and how it is to fail. */
import type { Clock } from "../transport/clock.ts"

/** Moments at which a device can be told to die. */
export const DEATHS = [
  "connect",
  "extract",
  "reset",
  "config",
  "start",
  "take-off",
  "ic",
  "op",
  "op-end",
  "done",
] as const
export type Death = (typeof DEATHS)[number]

/** Options of both kinds of fake device. */
export interface FakeDeviceOptions {
  readonly clock: Clock
  /** MACs of its carriers, at least one: `04-E9-E5-00-00-01`. */
  readonly macs: readonly string[]
  /** Its root is a DEVICE with the carriers in it, as with several carriers. */
  readonly nested?: boolean
  /** Sends a datagram; false where it was lost. Without it the device refuses UDP. */
  readonly sendDatagram?: ((host: string, port: number, datagram: Uint8Array) => boolean) | undefined
  /** State changes go over TCP even where samples go by UDP, as with some devices. */
  readonly statesOverTcp?: boolean
  /** Samples a second on each channel, whatever the client asks for. */
  readonly rate?: number | undefined
  /** Bytes of samples that may wait for a client that does not fetch them. */
  readonly bufferBytes?: number
  /** Kinds of request (`ARM` numbers) answered with an error, and its text. */
  readonly refuse?: ReadonlyMap<number, string>
  /** Kinds of request never answered. */
  readonly ignore?: ReadonlySet<number>
  /** Every run ends in ERROR with this text. */
  readonly failRuns?: string | undefined
  /** No run ever ends by itself. */
  readonly hangRuns?: boolean
  /** Dies the first time it comes to this. */
  readonly dieAt?: Death | undefined
  /** It has died, or wants to boot: connections are gone, whoever listens for it stops for `backMs`, or for good. */
  readonly onGone?: (backMs: number | undefined) => void
  /** Told of each message as it comes, for logs and tests. */
  readonly onRequest?: (name: string, peer: string) => void
  /** Runs a function at the end of this turn of the event loop; setImmediate unless told. */
  readonly endOfTurn?: (run: () => void) => void
}

/** Half a megabyte: a second of samples at the pace of one full message a millisecond, then some. */
export const FAKE_BUFFER_BYTES = 512 << 10
/** A reboot resets connections, so the answer to what asked for it is given this long to be read. */
export const REBOOT_DELAY_MS = 50
/** How long a reboot takes. */
export const REBOOT_MS = 1_000
/** Runs that wait for the one under way. */
export const RUN_QUEUE = 16

/** MAC of the fake carrier number `index` (from 0), in the range of the real ones' maker. */
export function fakeMac(index: number): string {
  const hex = (index + 1).toString(16).toUpperCase().padStart(6, "0")
  return `04-E9-E5-${hex.slice(0, 2)}-${hex.slice(2, 4)}-${hex.slice(4)}`
}
