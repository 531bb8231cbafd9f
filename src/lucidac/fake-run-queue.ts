/** Runs of a fake device, one after the other, each of the connection that asked for it. */
import type { Clock } from "../transport/clock.ts"
import { RUN_QUEUE } from "./fake-options.ts"
import { FakeRun, type RunPlan, type SourceOf } from "./fake-run.ts"
import type { RunState } from "./proto/lucidac_pb.ts"

/** What a run's owner hears of it. */
export interface RunQueueOutput<Owner> {
  state(owner: Owner, plan: RunPlan, change: { from: RunState; to: RunState; timeUs: number; reason?: string }): void
  /** False ends the run with an overflow. */
  samples(owner: Owner, body: Uint8Array): boolean
}

/** The queue, and the run under way. */
export class RunQueue<Owner> {
  /** Runs that came to an end. */
  finished = 0
  readonly #clock: Clock
  readonly #output: RunQueueOutput<Owner>
  readonly #sourceOf: SourceOf | undefined
  #waiting: { owner: Owner; plan: RunPlan }[] = []
  #run: FakeRun | undefined

  /** `sourceOf` makes the messages of samples; those of the protobuf generation unless told. */
  constructor(clock: Clock, output: RunQueueOutput<Owner>, sourceOf?: SourceOf) {
    this.#clock = clock
    this.#sourceOf = sourceOf
    this.#output = output
  }

  /** Id of the run under way. */
  get current(): string | undefined {
    return this.#run?.runId
  }

  /** Starts a run once the answer to its request is out, or when it is its turn; false where the queue is full. */
  add(owner: Owner, plan: RunPlan): boolean {
    if (this.#waiting.length >= RUN_QUEUE) return false
    this.#waiting.push({ owner, plan })
    this.#next()
    return true
  }

  /** Forgets the runs that wait. */
  clear(): void {
    this.#waiting = []
  }

  /** Ends the run under way, at once or at the end of this repetition. */
  stop(atOnce = true): void {
    this.#run?.stop(atOnce)
  }

  /** Ends it in ERROR. */
  fail(reason: string): void {
    this.#run?.fail(reason)
  }

  /** Forgets all runs without a word. */
  vanish(): void {
    this.#run?.vanish()
    this.#run = undefined
    this.#waiting = []
  }

  #next(): void {
    if (this.#run) return
    const next = this.#waiting.shift()
    if (!next) return
    const { owner, plan } = next
    const output = {
      state: (from: RunState, to: RunState, timeUs: number, reason?: string) =>
        this.#output.state(owner, plan, { from, to, timeUs, ...(reason !== undefined && { reason }) }),
      samples: (body: Uint8Array) => this.#output.samples(owner, body),
      over: () => {
        // The device may have died of the run's last state.
        if (this.#run !== run) return
        this.finished++
        this.#run = undefined
        this.#next()
      },
    }
    const run: FakeRun = new FakeRun(plan, this.#clock, output, this.#sourceOf)
    this.#run = run
    this.#clock.after(0, () => {
      if (this.#run === run) run.start()
    })
  }
}
