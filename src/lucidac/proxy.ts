/** The proxy: clients come to it as to a device, it gives one after the other all of the devices behind it. */
import type { Address } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { ARM } from "./arm.ts"
import type { AuthGuard } from "./auth-guard.ts"
import { Backend, type DeviceNetwork } from "./backend.ts"
import { Client, type Request } from "./client.ts"
import { LINGER_MS } from "./client-connection.ts"
import { encodeError, encodeV1, peekEnvelope, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import type { CarrierLocation, ExtractWire } from "./extract.ts"
import { encodeReset, REQUEST_TIMEOUT_MS } from "./greet-device.ts"
import { type JsonEnvelope, jsonReply } from "./json-lines.ts"
import { JsonSession, mergedEntities } from "./json-session.ts"
import { decodePayload } from "./payload.ts"
import { StartRunCommandSchema } from "./proto/lucidac_pb.ts"
import { type Answer, type Assembly, answerFromCache, askMany, serveRequest } from "./requests.ts"
import { RouteTable } from "./route-table.ts"
import { RunDesk } from "./run-desk.ts"
import { peekRunData } from "./run-header.ts"
import { type QueueAction, type QueueLimits, SessionQueue } from "./session-queue.ts"

/** One device of the backend list. */
export interface ListedBackend {
  readonly address: Address
  readonly location: CarrierLocation | undefined
}

/** One end of a wire of the backend list, by its carrier line. */
export interface ListedWireEnd {
  readonly backend: number
  readonly pin: number | string
}

/** What a proxy is to do. */
export interface ProxyOptions {
  readonly backends: readonly ListedBackend[]
  readonly wires: readonly { readonly source: ListedWireEnd; readonly target: ListedWireEnd }[]
  readonly limits: QueueLimits
  /** Bytes of samples that may wait for a client. */
  readonly bufferBytes: number
  /** Nobody is served unless all devices are there, or one suffices. */
  readonly require: "all" | "any"
  /** Present if clients must show a secret. */
  readonly auth: AuthGuard | undefined
  readonly allowWrites: boolean
  readonly noUdp: boolean
}

/** What it works with. */
export interface ProxyContext {
  readonly clock: Clock
  readonly random: Random
  readonly network: DeviceNetwork
  readonly onEvent: (event: ProxyEvent) => void
}

/** Clients that have not shown the secret yet, beside those in the queue. */
const MAX_STRANGERS = 32
/** Clients that are told within a second why they are refused; the rest are just closed. */
const MAX_REFUSED = 64
/** How often idle times, losses and overdue runs are looked at. */
const TICK_MS = 100
/** A stopped device's word is awaited for so long before the next client gets it. */
const STOP_LIMIT_MS = 1_000

/** The proxy, without its sockets. */
export class DeviceProxy implements Assembly {
  readonly backends: readonly Backend[]
  readonly #options: ProxyOptions
  readonly #context: ProxyContext
  readonly #queue: SessionQueue
  readonly #clients = new Map<number, Client>()
  #desk: RunDesk | undefined
  #json: JsonSession | undefined
  #routes: RouteTable
  #nextId = 1
  #cleaning = false
  #refused = 0
  #closed = false
  readonly #ticker: Timer
  /** The last stranger's run that was told of. */
  #foreignRun = ""

  constructor(options: ProxyOptions, context: ProxyContext) {
    this.#options = options
    this.#context = context
    this.#queue = new SessionQueue(options.limits)
    const { clock, random, network, onEvent } = context
    this.backends = options.backends.map(
      ({ address, location }, index) =>
        new Backend({
          address,
          location,
          noUdp: options.noUdp,
          clock,
          random,
          network,
          onEvent,
          onChange: (backend, lost) => this.#changed({ index, backend }, lost),
          onMessage: (backend, message) => this.#fromDevice({ index, backend }, message),
          onJson: (backend, envelope, object) => this.#fromJsonDevice(backend, envelope, object),
        }),
    )
    this.#routes = new RouteTable([])
    this.#ticker = every(clock, TICK_MS, () => this.#tick())
  }

  get routes(): RouteTable {
    return this.#routes
  }

  /** The wires between carriers that have told who they are. */
  get wires(): readonly ExtractWire[] {
    const end = ({ backend, pin }: ListedWireEnd) => ({ carrier: this.backends[backend]?.carriers[0] ?? "", pin })
    return this.#options.wires
      .map(({ source, target }) => ({ source: end(source), target: end(target) }))
      .filter(({ source, target }) => source.carrier !== "" && target.carrier !== "")
  }

  /** Clients connected now. */
  get clientCount(): number {
    return this.#clients.size
  }

  /** Begins to connect to the devices, all at once. */
  start(): void {
    for (const backend of this.backends) backend.start()
  }

  /** Ends everything. */
  close(reason = "the proxy ends"): void {
    this.#closed = true
    this.#ticker.cancel()
    for (const client of [...this.#clients.values()]) client.dismiss(`Released: ${reason}`)
    for (const backend of this.backends) backend.close()
  }

  /** A client has connected. */
  accept(port: PausablePort): TcpOwner | undefined {
    const { clock, onEvent } = this.#context
    const { auth, allowWrites, bufferBytes } = this.#options
    const id = this.#nextId++
    const client = new Client(
      { id, port, clock, auth, allowWrites, bufferBytes, onEvent },
      {
        enter: (one) => this.#enter(one),
        cached: (one, request) => this.#cached(one, request),
        request: (one, request) => this.#request(one, request),
        traffic: (one) => this.#queue.traffic(one.id, this.#now),
        progress: (one) => this.#progress(one),
        gone: (one, detail) => this.#gone(one, detail),
      },
    )
    this.#clients.set(id, client)
    const strangers = this.#clients.size - this.#queue.size
    if (auth && strangers > MAX_STRANGERS) {
      this.#refuse(client, "too many clients that have not shown the secret")
    } else if (!auth && !this.#enter(client)) {
      return client.connection
    } else onEvent({ type: "client-connected", client: client.name, sessions: this.#clients.size })
    return client.connection
  }

  get #now(): number {
    return this.#context.clock.now()
  }

  /** A client wants a place among the sessions; false where there is none. */
  #enter(client: Client): boolean {
    if (this.#queue.connect(client.id, this.#now)) return true
    const { maxSessions } = this.#options.limits
    this.#refuse(client, `Server overloaded: ${maxSessions} clients are connected already, try again later`)
    return false
  }

  #refuse(client: Client, text: string): void {
    const { onEvent, clock } = this.#context
    onEvent({ type: "client-refused", client: client.name, detail: text })
    this.#clients.delete(client.id)
    // A flood gets no words.
    if (this.#refused >= MAX_REFUSED) {
      client.connection.abort()
      return
    }
    this.#refused++
    clock.after(LINGER_MS, () => {
      this.#refused--
    })
    client.dismiss(text)
  }

  /** What needs no device, as long as there is something to answer it with. */
  #cached(client: Client, request: Request): boolean {
    if (!this.#available() || this.#strange(request) !== undefined) return false
    if (request.language === "protobuf") client.connection.send(answerFromCache(this, request.message))
    else {
      const entities = mergedEntities(this.#present("json"))
      // A device that wants a login first has told nothing: it is asked again by who has logged in.
      if (Object.keys(entities).length === 0) return false
      client.connection.sendRaw(jsonReply(request.envelope, { entities }))
    }
    return true
  }

  #present(language: "protobuf" | "json"): Backend[] {
    return this.backends.filter((backend) => backend.up && backend.language === language)
  }

  /** Why devices cannot understand a client: they are of the other generation. */
  #strange({ language }: Request): string | undefined {
    const other = this.backends.find((backend) => backend.up && backend.language !== language)
    if (!other) return undefined
    return language === "json"
      ? `${other.name} speaks the newer protocol, protobuf; this client speaks JSON lines: use pybrid with it`
      : `${other.name} speaks the older protocol of JSON lines; this client speaks protobuf: use lucipy with it`
  }

  #request(client: Client, request: Request): void {
    const before = this.#queue.place(client.id)
    const { verdict, actions } = this.#queue.request(client.id, this.#now)
    this.#act(actions)
    if (verdict === "serve") {
      this.#serve(client, request)
      return
    }
    client.hold(request)
    const place = this.#queue.place(client.id)
    if (before === 0 && place > 0) {
      this.#context.onEvent({ type: "waiting", client: client.name, place, holder: this.#holder })
    }
  }

  get #holder(): string | undefined {
    const { active } = this.#queue
    return active === undefined ? undefined : this.#clients.get(active)?.name
  }

  #available(): boolean {
    if (this.#options.require === "any") return this.backends.some(({ up }) => up)
    return this.backends.every(({ up }) => up)
  }

  #serve(client: Client, request: Request): void {
    const refusal = this.#available() ? this.#strange(request) : this.#missingText()
    if (refusal !== undefined) {
      client.fail(request, refusal)
      return
    }
    client.begun()
    if (request.language === "json") {
      this.#jsonSessionOf(client).serve(request.envelope, () => client.answered())
      return
    }
    const { message } = request
    const answer: Answer = (body) => {
      client.answered()
      client.connection.send(body)
    }
    if (message.arm === ARM.startRun) this.#startRun(client, message, answer)
    else serveRequest(this, message, answer)
  }

  #startRun(client: Client, message: V1Message, answer: Answer): void {
    const desk = this.#desk
    const command = decodePayload(StartRunCommandSchema, message.payload)
    const there = [...this.backends.keys()].filter((index) => this.backends[index]!.up)
    if (!command || !desk) {
      answer(encodeError(message.id, "Cannot read the run"))
      return
    }
    const begun = desk.begin(command, there)
    if (!begun.ok) {
      answer(encodeError(message.id, begun.text))
      return
    }
    for (const backend of this.backends) backend.busy = true
    serveRequest(this, message, (body) => {
      client.answered()
      const said = peekEnvelope(body)
      if (said?.kind === "v1" && said.arm === ARM.startRunResponse) desk.accepted(begun.run, body)
      else desk.refused(begun.run, body)
    })
  }

  /** Made with the first request: only then the client's language is known. */
  #jsonSessionOf(client: Client): JsonSession {
    const { clock, onEvent } = this.#context
    this.#json ??= new JsonSession({
      client: client.connection,
      backends: () => this.#present("json"),
      bufferBytes: this.#options.bufferBytes,
      now: () => clock.now(),
      newRunId: () => crypto.randomUUID(),
      onEvent,
      onBusy: (until) => {
        this.#queue.running(client.id, until, this.#now)
        const busy = this.#json?.busy ?? false
        for (const backend of this.backends) backend.busy = busy
      },
    })
    return this.#json
  }

  #fromJsonDevice(backend: Backend, envelope: JsonEnvelope, object: Uint8Array): void {
    const { active } = this.#queue
    if (active !== undefined && this.#json?.message(backend, envelope, object)) this.#queue.traffic(active, this.#now)
    else if (envelope.msg.id !== undefined) this.#foreign(backend, String(envelope.msg.id))
  }

  #fromDevice(placed: { index: number; backend: Backend }, message: V1Message): void {
    const { active } = this.#queue
    const client = active === undefined ? undefined : this.#clients.get(active)
    switch (message.arm) {
      case ARM.runData:
      case ARM.runDataEnd:
        if (client && this.#desk?.samples(placed, message, message.arm === ARM.runDataEnd)) {
          this.#queue.traffic(client.id, this.#now)
        } else this.#foreign(placed.backend, peekRunData(message.payload)?.runId ?? "")
        return
      case ARM.runStateChange:
        if (client && this.#desk?.stateChange(placed, message)) this.#queue.traffic(client.id, this.#now)
        else this.#foreign(placed.backend, peekRunData(message.payload)?.runId ?? "")
        return
      case ARM.error:
        client?.connection.send(message.body)
        return
      default:
    }
  }

  /** A message of a run that the client who has the computer did not begin: it gets none of it. */
  #foreign(backend: Backend, run: string): void {
    if (run === this.#foreignRun) return
    this.#foreignRun = run
    this.#context.onEvent({ type: "run-foreign", device: backend.name, run, chunks: 1 })
  }

  #changed(placed: { index: number; backend: Backend }, lost: string | undefined): void {
    if (this.#closed) return
    this.#routes = new RouteTable(this.backends.map(({ up, specification }) => (up ? specification : undefined)))
    for (const { carrier, kept, ignored } of this.#routes.duplicates) {
      const name = (index: number) => this.backends[index]!.name
      this.#context.onEvent({ type: "duplicate-carrier", carrier, kept: name(kept), ignored: name(ignored) })
    }
    const { active } = this.#queue
    const client = active === undefined ? undefined : this.#clients.get(active)
    if (lost !== undefined && client) {
      const { backend } = placed
      this.#desk?.withdrawn(placed)
      const carrier = backend.carriers[0] ? ` (carrier ${backend.carriers[0]})` : ""
      const text = `Cluster degraded: lost ${backend.name}${carrier}: ${lost}`
      if (backend.rebooting) {
        // As it was told to.
      } else if (this.#options.require === "all") this.#release(client, text)
      else client.notify(text)
    }
    this.#ready()
    if (this.#available()) for (const one of [...this.#clients.values()]) this.#serveCached(one)
  }

  /** Requests that waited for the devices to tell what they are. */
  #serveCached(client: Client): void {
    for (const request of client.takeCacheable()) {
      if (!this.#cached(client, request)) this.#request(client, request)
    }
  }

  #ready(): void {
    this.#act(this.#queue.ready(this.#available() && !this.#cleaning, this.#now))
  }

  #act(actions: readonly QueueAction[]): void {
    for (const action of actions) {
      const client = this.#clients.get(action.session)
      if (!client) continue
      switch (action.do) {
        case "activate":
          this.#activate(client)
          break
        case "answer-held":
          this.#answerHeld(client)
          break
        case "release":
          this.#release(client, this.#whyReleased(action.why))
          break
      }
    }
  }

  #whyReleased(why: "idle" | "max-hold"): string {
    const { idleMs, maxHoldMs = 0 } = this.#options.limits
    return why === "idle"
      ? `Session released: no traffic for ${idleMs / 1000} s (--session-timeout)`
      : `Session released: others wait, and you have had the computer for ${maxHoldMs / 1000} s (--max-hold)`
  }

  #activate(client: Client): void {
    const { onEvent, clock } = this.#context
    onEvent({ type: "active", client: client.name, waiting: this.#queue.waiting })
    this.#desk = new RunDesk({
      client: client.connection,
      bufferBytes: this.#options.bufferBytes,
      now: () => clock.now(),
      onEvent,
      onBusy: (until) => {
        this.#queue.running(client.id, until, this.#now)
        const busy = this.#desk?.busy ?? false
        for (const backend of this.backends) backend.busy = busy
      },
      onStop: (backends) => this.#stop(backends.map((index) => this.backends[index]!)),
    })
    for (const request of client.takeHeld()) this.#serve(client, request)
  }

  /** Held requests have waited for as long as their client will. */
  #answerHeld(client: Client): void {
    const down = this.#queue.active === undefined && !this.#available()
    const place = this.#queue.place(client.id)
    if (!down) this.#context.onEvent({ type: "answered-busy", client: client.name, place, holder: this.#holder })
    for (const request of client.takeHeld()) {
      if (down) client.fail(request, this.#missingText())
      else if (request.language === "protobuf") client.connection.send(encodeV1(request.message.id, ARM.busy))
      // The older protocol has no word for busy, and its programs wait for as long as it takes.
      else client.hold(request)
    }
  }

  #missingText(): string {
    const missing = this.backends.filter(({ up }) => !up).map(({ name, trouble }) => `${name} (${trouble})`)
    return `Cluster degraded: not connected to ${missing.join(", ")}`
  }

  #release(client: Client, text: string): void {
    this.#context.onEvent({ type: "released", client: client.name, detail: text })
    client.dismiss(text)
    this.#gone(client, "released")
  }

  #gone(client: Client, detail: string): void {
    if (!this.#clients.delete(client.id)) return
    this.#context.onEvent({ type: "client-gone", client: client.name, detail, sessions: this.#clients.size })
    if (this.#queue.active === client.id && this.#desk) this.#clean(this.#desk, this.#json)
    this.#act(this.#queue.leave(client.id, this.#now))
  }

  /** Stops what the last client has left running before the next one gets the devices. */
  #clean(desk: RunDesk, json: JsonSession | undefined): void {
    this.#desk = undefined
    this.#json = undefined
    const over = (): void => {
      if (!this.#cleaning) return
      this.#cleaning = false
      timer.cancel()
      if (!this.#closed) this.#ready()
    }
    // A login is the connection's, and the connection would be the next client's.
    const logOut = (): void => {
      if (!this.#cleaning) return
      if (json?.personal) for (const backend of this.#present("json")) backend.reconnect("to log its last user out")
      over()
    }
    this.#cleaning = true
    this.#ready()
    const timer = this.#context.clock.after(STOP_LIMIT_MS, logOut)
    const running = desk.close()
    for (const backend of this.backends) backend.busy = false
    if (json) {
      if (!json.close(logOut)) logOut()
    } else if (running) this.#stop(this.#present("protobuf"), over)
    else over()
  }

  /** Ends runs: by the command for it, and by the reset that devices that do not know it do know. */
  #stop(backends: readonly Backend[], done: () => void = () => {}): void {
    for (const backend of backends) {
      backend.request(
        (id) => encodeV1(id, ARM.stopRun),
        REQUEST_TIMEOUT_MS,
        () => {},
      )
    }
    askMany(backends, (_backend, id) => encodeReset(id), REQUEST_TIMEOUT_MS, done)
  }

  #progress(client: Client): void {
    this.#queue.traffic(client.id, this.#now)
    if (client.id !== this.#queue.active) return
    this.#desk?.progress()
    this.#json?.progress()
  }

  #tick(): void {
    this.#act(this.#queue.tick(this.#now))
    this.#desk?.tick((index) => this.backends[index]!.name)
  }
}
