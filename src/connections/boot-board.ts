/** The whole boot procedure: see that the board needs it, send the image, wait, ask who is there, and once more where needed. */
import { BOOT_PORT, encodeBootImage } from "../protocol/boot.ts"
import { SCP_PORT } from "../protocol/scp.ts"
import { describeVersion, isBooting, type Version } from "../protocol/version.ts"
import { formatAddress } from "../transport/address.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { BootConnection } from "./boot-connection.ts"
import { SpinnmanException, SpinnmanIOException } from "./exceptions.ts"
import { SCAMPConnection } from "./scamp-connection.ts"
import { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { sleep } from "./sleep.ts"
import { getVersion, isBmp } from "./version-query.ts"

/** The waits of a boot, in milliseconds. */
export interface BootTimes {
  /** Between two datagrams; rig's. The ROM copies each block in an interrupt and acknowledges nothing. */
  readonly gapMs: number
  /** After the last datagram; everybody's. Meanwhile the ROM hands over to SC&MP. */
  readonly settleMs: number
  /** For the answer to one VER; rig's. */
  readonly answerMs: number
  /** Between two VERs while the machine finds its neighbours. */
  readonly pollMs: number
  /** Without any answer, until the image is sent again. Ethernet alone takes SC&MP 1 to 2 s. */
  readonly silentMs: number
  /** With answers of 255,255 only, until the boot counts as failed; real boards need 3 to 10 s. */
  readonly bootingMs: number
}

export const BOOT_TIMES: BootTimes = {
  gapMs: 50,
  settleMs: 2_000,
  answerMs: 500,
  pollMs: 100,
  silentMs: 4_000,
  bootingMs: 60_000,
}

/** VERs before the image is sent; two may be lost. */
const PROBES = 3

/** A boot to do. */
export interface BootBoardOptions {
  readonly host: string
  readonly scpPort?: number | undefined
  readonly bootPort?: number | undefined
  /** In file order, system variables set. */
  readonly image: Uint8Array
  /** Times that the image is sent at most, 3 as in SpiNNMan. Sending it again fills the holes of the time before. */
  readonly tries?: number | undefined
  readonly times?: Partial<BootTimes> | undefined
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
  readonly onStep?: ((step: BootStep) => void) | undefined
}

/** What a boot is doing. `attempt` counts from 1. */
export type BootStep =
  | { readonly doing: "asking" }
  | { readonly doing: "sending"; readonly attempt: number; readonly done: number; readonly total: number }
  | { readonly doing: "waiting"; readonly attempt: number }
  /** SC&MP answers, and has not finished its network initialisation. */
  | { readonly doing: "starting"; readonly version: Version }

/** How a boot ended. */
export type BootOutcome =
  | { readonly kind: "booted"; readonly version: Version; readonly attempts: number; readonly durationMs: number }
  | { readonly kind: "already-booted"; readonly version: Version }
  | { readonly kind: "failed"; readonly reason: BootFailure; readonly detail: string }

/** Why a boot failed: nobody there to take it, no answer afterwards, a machine that never got ready, a BMP instead of a board. */
export type BootFailure = "refused" | "no-answer" | "stuck" | "bmp"

/** Boots a board. Rejects with SpinnmanIOException if the host has no address, and with the signal's reason when aborted. */
export async function bootBoard(options: BootBoardOptions): Promise<BootOutcome> {
  const { host, scpPort = SCP_PORT, bootPort = BOOT_PORT, clock = systemClock, signal } = options
  const times = { ...BOOT_TIMES, ...options.times }
  await using scp = await SCAMPConnection.open({ remoteHost: host, remotePort: scpPort, clock })
  await using boot = await BootConnection.open({ remoteHost: host, remotePort: bootPort, gapMs: times.gapMs, clock })
  const pipeline = new SCPRequestPipeLine(scp, { clock, signal, timeoutMs: times.answerMs, retries: 0 })
  return await new Boot(options, times, clock, pipeline, boot, formatAddress({ host, port: bootPort })).run()
}

class Boot {
  readonly #startedMs: number

  constructor(
    private readonly options: BootBoardOptions,
    private readonly times: BootTimes,
    private readonly clock: Clock,
    private readonly pipeline: SCPRequestPipeLine,
    private readonly connection: BootConnection,
    private readonly target: string,
  ) {
    this.#startedMs = clock.now()
  }

  async run(): Promise<BootOutcome> {
    const { tries = 3 } = this.options
    this.#step({ doing: "asking" })
    const before = await this.#probe()
    if (before) return this.#alreadyThere(before)
    // Encoded once: were a second image different, a fill with blocks of both would be neither.
    const datagrams = encodeBootImage(this.options.image)
    let refused = 0
    for (let attempt = 1; attempt <= tries; attempt++) {
      if (!(await this.#send(datagrams, attempt))) refused++
      this.#step({ doing: "waiting", attempt })
      await sleep(this.clock, this.times.settleMs, this.options.signal)
      const first = await this.#firstAnswer()
      if (!first) continue
      const version = await this.#ready(first)
      if (!version) return this.#stuck(first)
      return { kind: "booted", version, attempts: attempt, durationMs: this.clock.now() - this.#startedMs }
    }
    if (refused === tries) {
      return { kind: "failed", reason: "refused", detail: `nothing listens on ${this.target} (ECONNREFUSED)` }
    }
    const times = tries === 1 ? "once" : `${tries} times`
    return { kind: "failed", reason: "no-answer", detail: `no answer to VER after the image was sent ${times}` }
  }

  async #alreadyThere(found: Version): Promise<BootOutcome> {
    if (isBmp(found)) return { kind: "failed", reason: "bmp", detail: `this is a BMP (${describeVersion(found)})` }
    // Somebody else's boot is under way; theirs is as good as ours.
    const version = await this.#ready(found)
    return version ? { kind: "already-booted", version } : this.#stuck(found)
  }

  #stuck(found: Version): BootOutcome {
    const seconds = this.times.bootingMs / 1000
    const detail = `${describeVersion(found)} answers but did not finish its network initialisation within ${seconds} s`
    return { kind: "failed", reason: "stuck", detail }
  }

  /** False if the system said that nobody is there. */
  async #send(datagrams: readonly Uint8Array[], attempt: number): Promise<boolean> {
    const total = datagrams.length
    let arrived = true
    this.#step({ doing: "sending", attempt, done: 0, total })
    for (const [index, datagram] of datagrams.entries()) {
      this.options.signal?.throwIfAborted()
      arrived = (await this.#sendOne(datagram)) && arrived
      this.#step({ doing: "sending", attempt, done: index + 1, total })
    }
    return arrived
  }

  async #sendOne(datagram: Uint8Array): Promise<boolean> {
    try {
      await this.connection.sendBootDatagram(datagram)
      return true
    } catch (error) {
      if (!(error instanceof SpinnmanIOException)) throw error
      // The refusal was of an earlier datagram and this one has not been sent; no block may be missing.
      await this.connection.sendBootDatagram(datagram).catch(() => {})
      return error.code !== "ECONNREFUSED"
    }
  }

  async #probe(): Promise<Version | undefined> {
    for (let probe = 0; probe < PROBES; probe++) {
      const version = await this.#ask()
      if (version) return version
    }
    return undefined
  }

  /** The first answer within `silentMs`. */
  async #firstAnswer(): Promise<Version | undefined> {
    for (const until = this.clock.now() + this.times.silentMs; this.clock.now() < until; ) {
      const version = await this.#ask()
      if (version) return version
    }
    return undefined
  }

  /** The version once it has coordinates; undefined after `bootingMs`. */
  async #ready(first: Version): Promise<Version | undefined> {
    let version: Version | undefined = first
    for (const until = this.clock.now() + this.times.bootingMs; this.clock.now() < until; ) {
      if (version && !isBooting(version)) return version
      if (version) this.#step({ doing: "starting", version })
      await sleep(this.clock, this.times.pollMs, this.options.signal)
      version = await this.#ask()
    }
    return undefined
  }

  /** One VER; undefined for anything but an answer. */
  async #ask(): Promise<Version | undefined> {
    const askedMs = this.clock.now()
    try {
      return await getVersion(this.pipeline)
    } catch (error) {
      if (!(error instanceof SpinnmanException)) throw error
      // A refused port fails at once; that must not turn the wait for an answer into a spin.
      const leftMs = this.times.answerMs - (this.clock.now() - askedMs)
      if (leftMs > 0) await sleep(this.clock, leftMs, this.options.signal)
      return undefined
    }
  }

  #step(step: BootStep): void {
    this.options.onStep?.(step)
  }
}
