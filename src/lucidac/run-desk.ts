/** The runs of the client that has the computer: what devices send of them goes to it, in order, and what is lost is told. */

import type { Backend } from "./backend.ts"
import type { ClientConnection } from "./client-connection.ts"
import { carrierOf } from "./entity-path.ts"
import { encodeError, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { HeldBackends } from "./held-backends.ts"
import { decodePayload } from "./payload.ts"
import { RunState, RunStateChangeMessageSchema, type StartRunCommand } from "./proto/lucidac_pb.ts"
import { peekRunData } from "./run-header.ts"
import { plannedMs } from "./run-time.ts"
import { RunWatch } from "./run-watch.ts"
import { nameCarriers } from "./state-change.ts"

/** What the desk needs. */
export interface RunDeskOptions {
  readonly client: ClientConnection
  /** Bytes that may wait for the client now. */
  readonly bufferBytes: () => number
  readonly now: () => number
  readonly onEvent: (event: ProxyEvent) => void
  /** Until when runs count as traffic; 0 while there is none. */
  readonly onBusy: (until: number) => void
  /** A run has failed, or is overdue: these devices are to stop. */
  readonly onStop: (backends: readonly number[]) => void
}

/** Runs that a client's late samples are still known by. */
const MAX_RUNS = 32
/** Losses are told at most this often. */
const REPORT_MS = 1_000
/** State changes and errors may go so far over the limit before they are dropped like samples. */
const RESERVE_BYTES = 1 << 20

/** One device's place in the assembly. */
export interface Placed {
  readonly index: number
  readonly backend: Backend
}

/** The runs of one client. */
export class RunDesk {
  readonly #options: RunDeskOptions
  readonly #runs = new Map<string, RunWatch>()
  /** What came before the client was told that its run was accepted. */
  readonly #early = new Map<string, Uint8Array[]>()
  #earlyBytes = 0
  #reportedAt = Number.NEGATIVE_INFINITY
  readonly #held: HeldBackends

  constructor(options: RunDeskOptions) {
    this.#options = options
    this.#held = new HeldBackends(options)
  }

  /** A run is under way. */
  get busy(): boolean {
    return this.#current().length > 0
  }

  /** The client wants a run on these devices; undefined, and a text, where that cannot be. */
  begin(
    command: StartRunCommand,
    backends: readonly number[],
  ): { ok: true; run: string } | { ok: false; text: string } {
    const run = command.run?.id ?? ""
    if (run === "") return { ok: false, text: "The run has no id" }
    if (run.length > 37) return { ok: false, text: `The run's id has ${run.length} characters: devices hold 37` }
    const before = this.#runs.get(run)
    if (before && !before.over) return { ok: false, text: `Run ${run} is under way already` }
    if (this.#runs.size >= MAX_RUNS && !this.#forgetOne()) {
      return { ok: false, text: `${MAX_RUNS} runs are under way or waiting already: wait until one is over` }
    }
    const now = this.#options.now()
    this.#runs.set(run, new RunWatch(run, backends, plannedMs(command), now))
    this.#early.set(run, [])
    this.#tellBusy()
    this.#options.onEvent({ type: "run-begun", client: this.#options.client.name, run, devices: backends.length })
    return { ok: true, run }
  }

  /** All devices have accepted it: `body` tells the client so, then it gets what came in the meantime. */
  accepted(run: string, body: Uint8Array): void {
    this.#options.client.send(body)
    const watch = this.#runs.get(run)
    if (watch) watch.accepted = true
    const early = this.#early.get(run) ?? []
    this.#early.delete(run)
    for (const message of early) {
      this.#earlyBytes -= message.length
      this.#options.client.gather(message)
    }
  }

  /** A device refused it: `body` tells the client, and the others stop. */
  refused(run: string, body: Uint8Array): void {
    this.#options.client.send(body)
    for (const message of this.#early.get(run) ?? []) this.#earlyBytes -= message.length
    this.#early.delete(run)
    const watch = this.#runs.get(run)
    if (!watch) return
    const { pending } = watch
    watch.end()
    this.#runs.delete(run)
    this.#over(watch, "refused")
    this.#options.onStop(pending)
  }

  /** Samples (306, 307): forwarded as they are. False where nobody here began their run. */
  samples({ index, backend }: Placed, message: V1Message, isEnd: boolean): boolean {
    const header = peekRunData(message.payload)
    const watch = header && this.#runs.get(header.runId)
    if (!watch) return false
    const carrier = carrierOf(header.path) || backend.carriers[0] || backend.name
    // The last values of a run have no number of their own in every firmware.
    if (!isEnd) watch.chunk(index, carrier, header.chunk, this.#options.now())
    if (this.#full(message.body.length)) {
      if (backend.carriesBy === "udp") {
        watch.lost({ backend: index, carrier, cause: "full", count: 1 }, this.#options.now())
        return true
      }
      this.#held.hold(backend)
    }
    this.#forward(watch, message.body)
    return true
  }

  /** A state change (305). False where nobody here began its run. */
  stateChange({ index, backend }: Placed, message: V1Message): boolean {
    const change = decodePayload(RunStateChangeMessageSchema, message.payload)
    const watch = change && this.#runs.get(change.run?.id ?? "")
    if (!change || !watch) return false
    const now = this.#options.now()
    const state = change.new
    const { client, onEvent } = this.#options
    onEvent({
      type: "message",
      from: backend.name,
      to: client.name,
      kind: `${RunState[state] ?? state} of ${watch.id}`,
    })
    const named = nameCarriers(message, backend.carriers)
    if (state !== RunState.DONE && state !== RunState.ERROR) {
      watch.sign(now)
      for (const body of named?.bodies ?? []) this.#mustForward(backend, watch, body)
      this.#tellBusy()
      return true
    }
    // Its losses first: a client stops listening at DONE.
    this.#report(watch, true)
    const verdict = watch.finished(index, state === RunState.DONE ? "done" : "error", now)
    // The first device's failure is the run's: what the others say of being stopped is no news.
    if (verdict === "ignored" && state === RunState.ERROR) return true
    for (const body of named?.bodies ?? []) this.#mustForward(backend, watch, body)
    if (verdict === "failed") {
      const carrier = backend.carriers[0] ? ` (carrier ${backend.carriers[0]})` : ""
      const text = `Run ${watch.id}: error on ${backend.name}${carrier}: ${change.reason || "no reason given"}`
      this.#forward(watch, encodeError(undefined, text))
      this.#over(watch, `error on ${backend.name}: ${change.reason || "no reason given"}`)
      this.#options.onStop(watch.pending.filter((other) => other !== index))
    } else if (verdict === "over") this.#over(watch, "done")
    return true
  }

  /** An error of a device that answers nothing. */
  complaint(backend: Backend, body: Uint8Array): void {
    this.#mustForward(backend, undefined, body)
  }

  /** A device is gone in the middle of runs. */
  withdrawn({ index, backend }: Placed): void {
    this.#held.forget(backend)
    for (const watch of this.#current()) {
      if (watch.withdrawn(index) === "over") this.#over(watch, `over without ${backend.name}`)
    }
  }

  /** The client has read some: devices that were held back go on. */
  progress(): void {
    this.#held.progress(this.#waiting)
  }

  /** Several times a second: losses to tell, runs that are overdue. `nameOf` names devices. */
  tick(nameOf: (index: number) => string): void {
    // Room may come of others' leaving as well.
    this.progress()
    const now = this.#options.now()
    for (const watch of this.#runs.values()) this.#report(watch, false)
    for (const watch of this.#current()) {
      const { deadline } = watch
      // A device that is held back cannot say that it has finished.
      if (deadline === undefined || now < deadline || this.#held.any) continue
      const { pending } = watch
      const who = pending.map(nameOf).join(", ")
      const text = `Run ${watch.id} did not end in time: no DONE from ${who}; it is being stopped`
      this.#forward(watch, encodeError(undefined, text))
      watch.end()
      this.#over(watch, `no DONE from ${who}`)
      this.#options.onStop(pending)
    }
  }

  /** The client is gone; true if a run was under way. */
  close(): boolean {
    const busy = this.busy
    this.#held.release()
    for (const watch of this.#current()) {
      watch.end()
      this.#over(watch, "left by its client")
    }
    this.#runs.clear()
    this.#early.clear()
    this.#earlyBytes = 0
    return busy
  }

  /** Bytes that wait for the client. */
  get #waiting(): number {
    return this.#options.client.backlog + this.#earlyBytes
  }

  #full(bytes: number): boolean {
    return this.#waiting + bytes > this.#options.bufferBytes()
  }

  /** Forwards what is no sample, and so has more room: a device that fills that too loses it. */
  #mustForward(backend: Backend, watch: RunWatch | undefined, body: Uint8Array): void {
    if (this.#full(body.length)) this.#held.hold(backend)
    if (this.#full(body.length - RESERVE_BYTES)) {
      const { client, onEvent } = this.#options
      onEvent({ type: "dropped", client: client.name, device: backend.name })
    } else if (watch) this.#forward(watch, body)
    else this.#options.client.send(body)
  }

  #forward(watch: RunWatch, body: Uint8Array): void {
    const early = watch.accepted ? undefined : this.#early.get(watch.id)
    if (!early) {
      this.#options.client.gather(body)
      return
    }
    early.push(body.slice())
    this.#earlyBytes += body.length
  }

  #report(watch: RunWatch, atOnce: boolean): void {
    // A datagram that was overtaken by others is given time to come.
    if (!atOnce && this.#options.now() - Math.max(this.#reportedAt, watch.lostSince) < REPORT_MS) return
    const losses = watch.takeLosses()
    if (losses.length === 0) return
    this.#reportedAt = this.#options.now()
    const { client, onEvent } = this.#options
    for (const { carrier, count, cause } of losses) {
      onEvent({ type: "lost", client: client.name, run: watch.id, carrier, count, cause })
      const why =
        cause === "gap" ? "they did not arrive from the device" : "the client reads too slowly and the buffer is full"
      this.#forward(
        watch,
        encodeError(undefined, `Run ${watch.id}: ${count} sample chunks of carrier ${carrier} lost: ${why}`),
      )
    }
  }

  #over(watch: RunWatch, how: string): void {
    for (const next of this.#current()) next.begins(this.#options.now())
    const { client, onEvent } = this.#options
    onEvent({
      type: "run-over",
      client: client.name,
      run: watch.id,
      how,
      chunks: watch.chunks,
      lost: watch.lostTotal,
    })
    this.#tellBusy()
  }

  #tellBusy(): void {
    // A run that says no end is kept alive by what comes of it.
    let until = 0
    for (const { deadline } of this.#current()) until = Math.max(until, deadline ?? 0)
    this.#options.onBusy(until)
  }

  #current(): RunWatch[] {
    return [...this.#runs.values()].filter(({ over }) => !over)
  }

  /** Forgets the oldest run that is over; false where none is. */
  #forgetOne(): boolean {
    for (const [id, { over }] of this.#runs) if (over) return this.#runs.delete(id)
    return false
  }
}
