/** A program that boots a board as the captured ones do: its gaps, its waits, its patience with VER. */
import { BOOT_HEADER, BOOT_SV_OFFSET, encodeBootImage } from "../../src/protocol/boot.ts"
import { Command, decodeScpReply } from "../../src/protocol/scp.ts"
import { decodeVersion, isBooting } from "../../src/protocol/version.ts"
import type { Clock, Timer } from "../../src/transport/clock.ts"
import type { Link } from "../../src/transport/link.ts"
import { requestBytes } from "./scp-client.ts"

/** How a program boots. Source: wire facts §5.2. */
export interface BootTiming {
  gapMs: number
  /** From END to the first VER. */
  waitMs: number
  verTimeoutMs: number
  verTries: number
  /** Between two VERs while the board says 255,255. */
  pollMs: number
  /** Whole boots sent before it gives up. */
  attempts: number
}

export const BOOT_TIMINGS: Record<"rig" | "SpiNNMan" | "ybug", BootTiming> = {
  rig: { gapMs: 50, waitMs: 2_000, verTimeoutMs: 500, verTries: 5, pollMs: 100, attempts: 1 },
  SpiNNMan: { gapMs: 100, waitMs: 2_000, verTimeoutMs: 1_000, verTries: 4, pollMs: 100, attempts: 3 },
  ybug: { gapMs: 10, waitMs: 2_000, verTimeoutMs: 500, verTries: 3, pollMs: 500, attempts: 1 },
}

/** Sends `image` and asks VER, until it is answered or patience ends; calls `done` once. */
export class BootClient {
  attempt = 0
  /** Undefined until it is over. */
  outcome: "booted" | "failed" | undefined
  #timer: Timer | undefined
  #sequence = 0
  #asking: number | undefined

  constructor(
    private readonly options: {
      clock: Clock
      boot: Link
      scp: Link
      image: Uint8Array
      timing: BootTiming
      done?: (outcome: "booted" | "failed") => void
    },
  ) {
    options.boot.onDatagram = () => {}
    options.boot.onClose = () => {}
    options.scp.onDatagram = (datagram) => this.#answered(datagram)
    options.scp.onClose = () => {}
  }

  start(): this {
    this.attempt++
    const { image, timing, boot } = this.options
    const datagrams = encodeBootImage(image)
    // Every attempt has the time of day in its sv area; block 0 is the second datagram.
    datagrams[1]![BOOT_HEADER + BOOT_SV_OFFSET + 0x1c] = this.attempt
    const send = (at: number): void => {
      const datagram = datagrams[at]
      if (!datagram) this.#after(timing.waitMs, () => this.#ask(timing.verTries))
      else {
        boot.send(datagram)
        this.#after(at === datagrams.length - 1 ? 0 : timing.gapMs, () => send(at + 1))
      }
    }
    send(0)
    return this
  }

  #after(delayMs: number, run: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.options.clock.after(delayMs, run)
  }

  /** rig, SpiNNMan and ybug all repeat the same bytes. */
  #ask(tries: number, sequence = this.#sequence++): void {
    const { timing, scp } = this.options
    this.#asking = sequence
    scp.send(requestBytes({ command: Command.VER }, sequence))
    this.#after(timing.verTimeoutMs, () => {
      if (tries > 1) this.#ask(tries - 1, sequence)
      else if (this.attempt < timing.attempts) this.start()
      else this.#over("failed")
    })
  }

  #answered(datagram: Uint8Array): void {
    const reply = decodeScpReply(datagram)
    const version = reply && reply.sequence === this.#asking ? decodeVersion(reply) : undefined
    if (!version || this.outcome) return
    this.#asking = undefined
    const { timing } = this.options
    if (isBooting(version)) this.#after(timing.pollMs, () => this.#ask(timing.verTries))
    else this.#over("booted")
  }

  #over(outcome: "booted" | "failed"): void {
    this.#timer?.cancel()
    this.outcome = outcome
    this.options.done?.(outcome)
  }
}
