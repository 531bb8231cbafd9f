/** What runs on an application core of a fake machine: it gets SDP and may send some. */
import type { SdpHeader } from "../../protocol/sdp.ts"
import type { Clock } from "../../transport/clock.ts"

/** What a program may do. */
export interface ProgramContext {
  readonly clock: Clock
  readonly x: number
  readonly y: number
  readonly core: number
  /** Sends a message to the host by IP tag `tag` of the nearest Ethernet chip. */
  sendByTag(
    tag: number,
    header: { flags: number; srcPort: number; destPort: number; destCpu: number },
    payload: Uint8Array,
  ): void
}

/** A running program. */
export interface Program {
  /** A message for one of the core's SDP ports 1 to 7. */
  receive(header: SdpHeader, payload: Uint8Array): void
  /** The core was stopped. */
  stop(): void
}

/** Starts a program; `options` are those of `name:option=value,option=value`. */
export type ProgramStarter = (context: ProgramContext, options: ReadonlyMap<string, number>) => Program
