/** All BMPs: each does one piece of work at a time, in order, and different ones work at the same time. */
import { BMPConnection } from "../connections/bmp-connection.ts"
import { errorText } from "../connections/exceptions.ts"
import { SCPRequestPipeLine } from "../connections/scp-request-pipeline.ts"
import { sleep } from "../connections/sleep.ts"
import { getVersion } from "../connections/version-query.ts"
import { describeVersion } from "../protocol/version.ts"
import { Backoff } from "../transport/backoff.ts"
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import { doPowerWork, POWER_TIMING, type PowerTiming } from "./power-work.ts"
import type { PowerRunner } from "./server.ts"
import type { SpallocEvent } from "./spalloc-events.ts"
import type { PowerResult, PowerWork } from "./types.ts"

export interface BmpPowerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly onEvent: (event: SpallocEvent) => void
  readonly timing?: PowerTiming
}

interface Job {
  readonly work: PowerWork
  readonly done: (result: PowerResult) => void
}

/** How often a BMP that does not answer is asked again. */
const PROBE = { firstMs: 10_000, capMs: 300_000 } as const
const PROBE_TIMEOUT_MS = 1_000

/** Power work over SCP. */
export class BmpPower implements PowerRunner {
  readonly #options: BmpPowerOptions
  /** What each BMP has to do, the first being done. */
  readonly #queues = new Map<string, Job[]>()
  readonly #stop = new AbortController()
  readonly #probing = new Set<string>()

  constructor(options: BmpPowerOptions) {
    this.#options = options
  }

  run(work: PowerWork, done: (result: PowerResult) => void): void {
    const queue = this.#queues.get(work.bmp)
    if (queue) {
      queue.push({ work, done })
      return
    }
    const fresh = [{ work, done }]
    this.#queues.set(work.bmp, fresh)
    void this.#workOff(work.bmp, fresh)
  }

  /** Asks each BMP once whether it is there; says of those that are not, and goes on asking until they answer. */
  probe(bmps: readonly string[]): void {
    for (const bmp of bmps) {
      if (this.#probing.has(bmp)) continue
      this.#probing.add(bmp)
      void this.#probeOne(bmp)
    }
  }

  /** Ends everything that is under way; nothing more is said of it. */
  close(): void {
    this.#stop.abort(new Error("the server stops"))
  }

  async #workOff(bmp: string, queue: Job[]): Promise<void> {
    for (let job = queue[0]; job && !this.#stop.signal.aborted; job = queue[0]) {
      const result = await this.#one(job.work)
      if (this.#stop.signal.aborted) return
      queue.shift()
      job.done(result)
    }
    this.#queues.delete(bmp)
  }

  async #one(work: PowerWork): Promise<PowerResult> {
    const { clock, timing = POWER_TIMING, onEvent } = this.#options
    let connection: BMPConnection
    try {
      connection = await openBmp(work.bmp, clock)
    } catch (error) {
      return { kind: "failed", detail: `BMP ${work.bmp} cannot be reached: ${errorText(error)}` }
    }
    try {
      return await doPowerWork(connection, work, {
        clock,
        timing,
        signal: this.#stop.signal,
        onRetry: (detail, retryMs) => onEvent({ type: "power-retry", bmp: work.bmp, detail, retryMs }),
      })
    } finally {
      connection.close()
    }
  }

  async #probeOne(bmp: string): Promise<void> {
    const { clock, random, onEvent } = this.#options
    const backoff = new Backoff({ ...PROBE, random })
    while (!this.#stop.signal.aborted) {
      try {
        const version = await askVersion(bmp, clock, this.#stop.signal)
        onEvent({ type: "bmp-answers", bmp, version })
        break
      } catch (error) {
        if (this.#stop.signal.aborted) break
        const retryMs = Math.max(1000, backoff.next())
        onEvent({ type: "bmp-silent", bmp, detail: errorText(error), retryMs })
        await sleep(clock, retryMs, this.#stop.signal).catch(() => {})
      }
    }
    this.#probing.delete(bmp)
  }
}

async function askVersion(bmp: string, clock: Clock, signal: AbortSignal): Promise<string> {
  const connection = await openBmp(bmp, clock)
  try {
    const pipeline = new SCPRequestPipeLine(connection, { clock, signal, timeoutMs: PROBE_TIMEOUT_MS, retries: 2 })
    return describeVersion(await getVersion(pipeline, { x: 0, y: 0 }))
  } finally {
    connection.close()
  }
}

/** `bmp` is a host, host:port or [IPv6]:port. */
function openBmp(bmp: string, clock: Clock): Promise<BMPConnection> {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(bmp)
  const ipAddress = match?.[1] ?? match?.[2] ?? bmp
  return BMPConnection.open({ ipAddress, portNum: match?.[3] === undefined ? undefined : Number(match[3]), clock })
}
