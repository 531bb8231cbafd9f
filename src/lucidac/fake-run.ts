/** One run on a fake device: its states in time, and its samples at their rate. Pure but for the injected clock. */
import type { Clock, Timer } from "../transport/clock.ts"
import { CHUNK_SAMPLES, SampleEncoder, type SampleSource } from "./fake-samples.ts"
import { RunState, type StartRunCommand } from "./proto/lucidac_pb.ts"
import { toMs } from "./run-time.ts"

/** How often the samples that have become due are sent. */
const TICK_MS = 2
/** Messages sent in one go; a program that was held up catches up in steps, not in a flood. */
const MAX_BURST = 256
/** Sample rate where neither the client nor the options name one. */
const DEFAULT_RATE = 10_000
/** Fastest sample rate. */
const MAX_RATE = 1_000_000
/** Channels of a device's ADC. */
const MAX_CHANNELS = 8
/** Longest part of a run. */
const MAX_PHASE_MS = 24 * 3_600_000

/** What a run does to the world. */
export interface RunOutput {
  state(from: RunState, to: RunState, timeUs: number, reason?: string): void
  /** A message of samples; false where the device's own buffer is full of samples that nobody fetched. */
  samples(body: Uint8Array): boolean
  /** The run is over, in DONE or ERROR. */
  over(): void
}

/** What a run is to be. */
export interface RunPlan {
  readonly runId: string
  /** Paths of the carriers that sample. */
  readonly paths: readonly string[]
  readonly icMs: number
  readonly opMs: number
  readonly channels: number
  /** Samples a second on each channel. */
  readonly rate: number
  readonly sampleOp: boolean
  readonly sampleOpEnd: boolean
  readonly repetitive: boolean
  /** Ends in ERROR with this text halfway through OP. */
  readonly failure: string | undefined
  /** Stays in OP for ever. */
  readonly hangs: boolean
}

/** What the fake device makes of every run, whatever the client asks for. */
export interface RunWishes {
  readonly rate: number | undefined
  readonly failure: string | undefined
  readonly hangs: boolean
}

/** The run that a client asks for, with the fake's own wishes. */
export function planRun(command: StartRunCommand, paths: readonly string[], wishes: RunWishes): RunPlan {
  const { runConfig, daqConfig } = command
  const asked = {
    runId: command.run?.id ?? "",
    paths,
    icMs: toMs(runConfig?.icTime),
    opMs: toMs(runConfig?.opTime),
    channels: daqConfig?.numChannels ?? 0,
    rate: daqConfig?.sampleRate ?? 0,
    sampleOp: daqConfig?.sampleOp ?? false,
    sampleOpEnd: daqConfig?.sampleOpEnd ?? false,
    repetitive: runConfig?.repetitive ?? false,
  }
  return boundedPlan(asked, wishes)
}

/** What is asked for, within what a device can do; a rate of 0 is the device's own. */
export function boundedPlan(asked: Omit<RunPlan, "failure" | "hangs">, wishes: RunWishes): RunPlan {
  const { failure, hangs } = wishes
  return {
    ...asked,
    icMs: Math.min(Math.max(0, asked.icMs), MAX_PHASE_MS),
    opMs: Math.min(asked.opMs, MAX_PHASE_MS),
    channels: Math.min(Math.trunc(asked.channels), MAX_CHANNELS),
    rate: Math.min(Math.max(1, wishes.rate ?? (asked.rate || DEFAULT_RATE)), MAX_RATE),
    failure,
    hangs,
  }
}

/** Makes the messages of one carrier's samples. */
export type SourceOf = (plan: RunPlan, path: string) => SampleSource

const protobufSource: SourceOf = (plan, path) => new SampleEncoder(plan.runId, path, plan.channels)

/** A run under way. */
export class FakeRun {
  readonly #plan: RunPlan
  readonly #clock: Clock
  readonly #output: RunOutput
  readonly #encoders: readonly SampleSource[]
  readonly #startedAt: number
  #state = RunState.NEW
  #timer: Timer | undefined
  /** When OP began, and what has been sent of it. */
  #opAt = 0
  #sent = 0
  /** Number of the next message, of every carrier; goes on over repetitions. */
  #chunk = 0
  #stopping = false
  /** Nothing of it happens any more; a device may die of a state that it has just told. */
  #ended = false

  constructor(plan: RunPlan, clock: Clock, output: RunOutput, sourceOf: SourceOf = protobufSource) {
    this.#plan = plan
    this.#clock = clock
    this.#output = output
    this.#startedAt = clock.now()
    this.#encoders = plan.channels > 0 ? plan.paths.map((path) => sourceOf(plan, path)) : []
  }

  get runId(): string {
    return this.#plan.runId
  }

  /** Takes off. */
  start(): void {
    this.#to(RunState.TAKE_OFF)
    this.#after(0, () => this.#ic())
  }

  /** Ends after what has been sampled so far, as it ends by itself; `atOnce` or at the end of this repetition. */
  stop(atOnce = true): void {
    this.#stopping = true
    if (!atOnce || this.#ended) return
    this.#timer?.cancel()
    if (this.#state === RunState.OP) this.#opEnd()
    else this.#done()
  }

  /** Ends in ERROR. */
  fail(reason: string): void {
    if (this.#ended) return
    this.#timer?.cancel()
    this.#to(RunState.ERROR, reason)
    this.#over()
  }

  /** Ends without a word: the device is gone. */
  vanish(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  #ic(): void {
    this.#to(RunState.IC)
    this.#after(this.#plan.icMs, () => this.#op())
  }

  #op(): void {
    this.#to(RunState.OP)
    if (this.#ended) return
    this.#opAt = this.#clock.now()
    this.#sent = 0
    this.#tick()
  }

  #tick(): void {
    const { opMs, rate, failure, hangs, sampleOp } = this.#plan
    const elapsedMs = this.#clock.now() - this.#opAt
    if (failure !== undefined && elapsedMs >= opMs / 2) {
      this.fail(failure)
      return
    }
    // A rest that binary fractions leave may be too short for the clock to move on by.
    const over = opMs - elapsedMs < 1e-6 && !hangs
    // Rounded against what binary fractions lose: 0.3 s at 10 Hz are three samples.
    const due = Math.floor((Math.min(elapsedMs, hangs ? elapsedMs : opMs) * rate) / 1000 + 1e-6)
    let burst = MAX_BURST
    while (sampleOp && this.#encoders.length > 0 && burst-- > 0) {
      const left = due - this.#sent
      if (left <= 0 || (left < CHUNK_SAMPLES && !over)) break
      if (!this.#send(Math.min(left, CHUNK_SAMPLES))) {
        this.fail(DMA_OVERFLOW)
        return
      }
    }
    if (over && (burst > 0 || this.#sent >= due || !sampleOp)) this.#opEnd()
    else this.#after(burst > 0 ? Math.min(TICK_MS, Math.max(0, opMs - elapsedMs)) || TICK_MS : 0, () => this.#tick())
  }

  #send(count: number): boolean {
    for (const encoder of this.#encoders) {
      if (!this.#output.samples(encoder.encode(this.#chunk, this.#sent, count))) return false
    }
    this.#sent += count
    this.#chunk++
    return true
  }

  #opEnd(): void {
    this.#to(RunState.OP_END)
    if (this.#ended) return
    if (this.#plan.repetitive && !this.#stopping) {
      this.#after(0, () => this.#ic())
      return
    }
    if (this.#plan.sampleOpEnd) {
      for (const encoder of this.#encoders)
        this.#output.samples(encoder.encodeEnd(this.#chunk, Math.max(0, this.#sent - 1)))
    }
    this.#done()
  }

  #done(): void {
    this.#to(RunState.DONE)
    this.#over()
  }

  #over(): void {
    if (this.#ended) return
    this.#ended = true
    this.#output.over()
  }

  #to(state: RunState, reason?: string): void {
    const from = this.#state
    this.#state = state
    this.#output.state(from, state, Math.round((this.#clock.now() - this.#startedAt) * 1000), reason)
  }

  #after(delayMs: number, next: () => void): void {
    if (!this.#ended) this.#timer = this.#clock.after(delayMs, next)
  }
}

/** What a device says when its samples were not fetched in time. */
export const DMA_OVERFLOW = "DMA overflow: samples were not fetched in time"
