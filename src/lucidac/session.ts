/** The time for which one client has the computer: its requests go to the devices, its runs to it, and what it leaves running is stopped. */
import type { Clock } from "../transport/clock.ts"
import { ARM } from "./arm.ts"
import type { Backend } from "./backend.ts"
import type { Client, Request } from "./client.ts"
import { encodeError, encodeV1, peekEnvelope, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { encodeReset, REQUEST_TIMEOUT_MS } from "./greet-device.ts"
import type { JsonEnvelope } from "./json-lines.ts"
import { JsonSession } from "./json-session.ts"
import { decodePayload } from "./payload.ts"
import { StartRunCommandSchema } from "./proto/lucidac_pb.ts"
import { type Answer, type Assembly, askMany, serveRequest } from "./requests.ts"
import { type Placed, RunDesk } from "./run-desk.ts"

/** What a session works with. */
export interface SessionOptions {
  readonly client: Client
  readonly assembly: Assembly
  readonly clock: Clock
  /** Bytes of samples that may wait for the client now. */
  readonly bufferBytes: () => number
  readonly onEvent: (event: ProxyEvent) => void
  /** A request is on its way to the devices; the function is called with its answer. */
  readonly onRequest: () => () => void
  /** Until when runs count as traffic; 0 while there is none. */
  readonly onBusy: (until: number) => void
}

/** A stopped device's word is awaited for so long before the next client gets it. */
const STOP_LIMIT_MS = 1_000

/** The session. */
export class Session {
  readonly client: Client
  readonly #options: SessionOptions
  readonly #desk: RunDesk
  /** Made with the first request: only then the client's language is known. */
  #json: JsonSession | undefined

  constructor(options: SessionOptions) {
    const { client, assembly, clock, bufferBytes, onEvent } = options
    this.client = client
    this.#options = options
    this.#desk = new RunDesk({
      client: client.connection,
      bufferBytes,
      now: () => clock.now(),
      onEvent,
      onBusy: (until) => this.#busy(until),
      onStop: (backends) => stopRuns(backends.map((index) => assembly.backends[index]!)),
    })
  }

  /** Serves a request of the client's. */
  serve(request: Request): void {
    this.client.begun()
    const over = this.#options.onRequest()
    const answered = (): void => {
      over()
      this.client.answered()
    }
    if (request.language === "json") {
      this.#json ??= this.#newJsonSession()
      this.#json.serve(request.envelope, answered)
      return
    }
    const answer: Answer = (body) => {
      this.client.connection.send(body)
      answered()
    }
    if (request.message.arm === ARM.startRun) this.#startRun(request.message, answer, answered)
    else serveRequest(this.#options.assembly, request.message, answer)
  }

  /** What a device says unasked; false where it is of a run that this client did not begin. */
  message(placed: Placed, message: V1Message): boolean {
    switch (message.arm) {
      case ARM.runData:
      case ARM.runDataEnd:
        return this.#desk.samples(placed, message, message.arm === ARM.runDataEnd)
      case ARM.runStateChange:
        return this.#desk.stateChange(placed, message)
      case ARM.error:
        this.#desk.complaint(placed.backend, message.body)
        return true
      default:
        return true
    }
  }

  /** The same of a device of the older generation. */
  jsonMessage(backend: Backend, envelope: JsonEnvelope, object: Uint8Array): boolean {
    return this.#json?.message(backend, envelope, object) ?? false
  }

  /** A device is gone. */
  withdrawn(placed: Placed): void {
    this.#desk.withdrawn(placed)
    this.#json?.withdrawn(placed.backend)
  }

  /** The client has read some. */
  progress(): void {
    this.#desk.progress()
    this.#json?.progress()
  }

  /** Several times a second. */
  tick(): void {
    const { backends } = this.#options.assembly
    this.#desk.tick((index) => backends[index]!.name)
    this.#json?.progress()
  }

  /** The client is gone: stops what it has left running; `done` is called once the devices are free for the next one. */
  close(done: () => void): void {
    const { assembly, clock } = this.#options
    let over = false
    const finish = (): void => {
      if (over) return
      over = true
      timer.cancel()
      // A login is the connection's, and the connection would be the next client's.
      if (this.#json?.personal) {
        for (const backend of assembly.present("json")) backend.reconnect("to log its last user out")
      }
      done()
    }
    const timer = clock.after(STOP_LIMIT_MS, finish)
    const running = this.#desk.close()
    for (const backend of assembly.backends) backend.busy = false
    if (this.#json) this.#json.close(finish)
    else if (running) stopRuns(assembly.present("protobuf"), finish)
    else finish()
  }

  #busy(until: number): void {
    this.#options.onBusy(until)
    const busy = this.#desk.busy || (this.#json?.busy ?? false)
    for (const backend of this.#options.assembly.backends) backend.busy = busy
  }

  #startRun(message: V1Message, answer: Answer, answered: () => void): void {
    const { assembly } = this.#options
    const command = decodePayload(StartRunCommandSchema, message.payload)
    if (!command) {
      answer(encodeError(message.id, "Cannot read the run"))
      return
    }
    const there = [...assembly.backends.keys()].filter((index) => assembly.backends[index]!.up)
    const begun = this.#desk.begin(command, there)
    if (!begun.ok) {
      answer(encodeError(message.id, begun.text))
      return
    }
    serveRequest(assembly, message, (body) => {
      const said = peekEnvelope(body)
      if (said?.kind === "v1" && said.arm === ARM.startRunResponse) this.#desk.accepted(begun.run, body)
      else this.#desk.refused(begun.run, body)
      answered()
    })
  }

  #newJsonSession(): JsonSession {
    const { assembly, clock, bufferBytes, onEvent } = this.#options
    return new JsonSession({
      client: this.client.connection,
      backends: () => assembly.present("json"),
      bufferBytes,
      now: () => clock.now(),
      newRunId: () => crypto.randomUUID(),
      onEvent,
      onBusy: (until) => this.#busy(until),
    })
  }
}

/** Ends runs: by the command for it, and by the reset that devices that do not know it do know. */
function stopRuns(backends: readonly Backend[], done: () => void = () => {}): void {
  for (const backend of backends) {
    backend.request(
      (id) => encodeV1(id, ARM.stopRun),
      REQUEST_TIMEOUT_MS,
      () => {},
    )
  }
  askMany(backends, (_backend, id) => encodeReset(id), REQUEST_TIMEOUT_MS, done)
}
