/** Asks a board for its version, again and again, on a link of the relay's own: nobody's traffic. */
import { Command, decodeScpReply, encodeScpRequest, Result } from "../protocol/scp.ts"
import { monitorHeader } from "../protocol/sdp.ts"
import { decodeVersion, isBooting, type Version } from "../protocol/version.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"

/** Time between two questions; each holds one of the board's tags for a moment, and rig asks every 100 ms. */
export const PROBE_PERIOD_MS = 250

/** What a probe needs. */
export interface BootProbeOptions {
  readonly clock: Clock
  /** A new link to the board's SCP port. */
  readonly dialScp: () => Link
  readonly onVersion: (version: Version, booting: boolean) => void
}

/** One board's probe: off until started. */
export class BootProbe {
  readonly #options: BootProbeOptions
  #link: Link | undefined
  #timer: Timer | undefined
  #sequence = 0

  constructor(options: BootProbeOptions) {
    this.#options = options
  }

  /** Begins to ask, if it does not yet. */
  start(): void {
    if (this.#link) return
    const link = this.#options.dialScp()
    this.#link = link
    link.onDatagram = (datagram) => this.#receive(datagram)
    // A link that failed is replaced at the next question.
    link.onClose = () => {
      if (this.#link === link) this.#link = undefined
    }
    this.#ask()
  }

  /** Stops asking; what the board still answers is not heard. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const link = this.#link
    this.#link = undefined
    link?.close()
  }

  #ask(): void {
    this.#link?.send(versionRequest(this.#sequence))
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#timer = this.#options.clock.after(PROBE_PERIOD_MS, () => {
      this.#timer = undefined
      if (this.#link) this.#ask()
      else this.start()
    })
  }

  #receive(datagram: Uint8Array): void {
    const reply = decodeScpReply(datagram)
    if (reply?.result !== Result.OK) return
    const version = decodeVersion(reply)
    if (version) this.#options.onVersion(version, isBooting(version))
  }
}

/** VER to chip 255,255, the one that the machine boots from: the only address that works before the network is up. */
function versionRequest(sequence: number): Uint8Array {
  const sdp = monitorHeader(255, 255)
  return encodeScpRequest({
    sdp,
    command: Command.VER,
    sequence,
    arg1: 0,
    arg2: 0,
    arg3: 0,
    data: new Uint8Array(0),
  })
}
