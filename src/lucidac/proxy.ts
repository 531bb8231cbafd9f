/** The proxy: clients come to it as to a device, it gives one after the other all of the devices behind it. */

import { type Clock, every, type Timer } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { ARM } from "./arm.ts"
import type { AuthGuard } from "./auth-guard.ts"
import type { Backend, DeviceNetwork } from "./backend.ts"
import { Client, type Request } from "./client.ts"
import { type ClientConnection, LINGER_MS } from "./client-connection.ts"
import { type AssemblyOptions, DeviceAssembly } from "./device-assembly.ts"
import { encodeBusy, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { type JsonEnvelope, jsonReply } from "./json-lines.ts"
import { mergedEntities } from "./json-session.ts"
import { answerFromCache } from "./requests.ts"
import type { Placed } from "./run-desk.ts"
import { peekRunData } from "./run-header.ts"
import { Session } from "./session.ts"
import { type QueueAction, type QueueLimits, SessionQueue } from "./session-queue.ts"

/** What a proxy is to do. */
export interface ProxyOptions extends AssemblyOptions {
  readonly limits: QueueLimits
  /** Bytes of samples that may wait for a client. */
  readonly bufferBytes: number
  /** Present if clients must show a secret. */
  readonly auth: AuthGuard | undefined
  readonly allowWrites: boolean
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
/** Clients that are told why they are refused, in the time that one may take to read it; the rest are just closed. */
const MAX_REFUSED = 64
/** What devices say of runs. */
const OF_RUNS: ReadonlySet<number> = new Set<number>([ARM.runData, ARM.runDataEnd, ARM.runStateChange])
/** How often idle times, losses and overdue runs are looked at. */
const TICK_MS = 100

/** The proxy, without its sockets. */
export class DeviceProxy {
  readonly #assembly: DeviceAssembly
  readonly #options: ProxyOptions
  readonly #context: ProxyContext
  readonly #queue: SessionQueue
  readonly #clients = new Map<number, Client>()
  /** Of the client that has the computer. */
  #session: Session | undefined
  /** Clients on their way out, which still read what waits for them. */
  readonly #parting = new Set<ClientConnection>()
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
    this.#assembly = new DeviceAssembly(options, {
      clock,
      random,
      network,
      onEvent,
      onChange: (placed, lost) => this.#changed(placed, lost),
      onMessage: (placed, message) => this.#fromDevice(placed, message),
      onJson: (backend, envelope, object) => this.#fromJsonDevice(backend, envelope, object),
    })
    this.#ticker = every(clock, TICK_MS, () => this.#tick())
  }

  get backends(): readonly Backend[] {
    return this.#assembly.backends
  }

  /** Clients connected now. */
  get clientCount(): number {
    return this.#clients.size
  }

  /** Bytes that wait for clients to read. */
  get waitingBytes(): number {
    let bytes = this.#partingBytes
    for (const { connection } of this.#clients.values()) bytes += connection.backlog
    return bytes
  }

  get #partingBytes(): number {
    let bytes = 0
    for (const connection of this.#parting) {
      bytes += connection.backlog
      if (connection.gone) this.#parting.delete(connection)
    }
    return bytes
  }

  /** Begins to connect to the devices, all at once. */
  start(): void {
    this.#assembly.start()
  }

  /** Ends everything: runs are stopped, clients told why. */
  close(reason = "the proxy ends"): void {
    this.#closed = true
    this.#ticker.cancel()
    this.#session?.close(() => {})
    for (const client of [...this.#clients.values()]) client.dismiss(`Released: ${reason}`)
    this.#assembly.close()
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
    const assembly = this.#assembly
    if (!assembly.available || assembly.strangeTo(request.language) !== undefined) return false
    if (request.language === "protobuf") client.connection.send(answerFromCache(assembly, request.message))
    else {
      const entities = mergedEntities(assembly.present("json"))
      // A device that wants a login first has told nothing: it is asked again by who has logged in.
      if (Object.keys(entities).length === 0) return false
      client.connection.sendRaw(jsonReply(request.envelope, { entities }))
    }
    return true
  }

  #request(client: Client, request: Request): void {
    // No turn would change that the devices do not understand it.
    const stranger = this.#assembly.strangeTo(request.language)
    if (stranger !== undefined && this.#assembly.available) {
      client.fail(request, stranger)
      return
    }
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

  #serve(client: Client, request: Request): void {
    const assembly = this.#assembly
    const refusal = assembly.available ? assembly.strangeTo(request.language) : assembly.missingText
    if (refusal !== undefined) {
      client.fail(request, refusal)
      return
    }
    this.#session?.serve(request)
  }

  #fromJsonDevice(backend: Backend, envelope: JsonEnvelope, object: Uint8Array): void {
    const session = this.#session
    if (session?.jsonMessage(backend, envelope, object)) this.#queue.traffic(session.client.id, this.#now)
    else if (envelope.msg.id !== undefined) this.#foreign(backend, String(envelope.msg.id))
  }

  #fromDevice(placed: Placed, message: V1Message): void {
    const session = this.#session
    if (session?.message(placed, message)) this.#queue.traffic(session.client.id, this.#now)
    else if (OF_RUNS.has(message.arm)) {
      this.#foreign(placed.backend, peekRunData(message.payload)?.runId ?? "")
    }
  }

  /** A message of a run that the client who has the computer did not begin: it gets none of it. */
  #foreign(backend: Backend, run: string): void {
    if (run === this.#foreignRun) return
    this.#foreignRun = run
    this.#context.onEvent({ type: "run-foreign", device: backend.name, run, chunks: 1 })
  }

  #changed(placed: Placed, lost: string | undefined): void {
    if (this.#closed) return
    const session = this.#session
    if (lost !== undefined && session) {
      const { backend } = placed
      session.withdrawn(placed)
      const carrier = backend.carriers[0] ? ` (carrier ${backend.carriers[0]})` : ""
      const text = `Cluster degraded: lost ${backend.name}${carrier}: ${lost}`
      if (backend.rebooting) {
        // As it was told to.
      } else if (this.#options.require === "all") this.#release(session.client, text)
      else session.client.notify(text)
    }
    this.#ready()
    if (this.#assembly.available) for (const one of [...this.#clients.values()]) this.#serveCached(one)
  }

  /** Requests that waited for the devices to tell what they are. */
  #serveCached(client: Client): void {
    for (const request of client.takeCacheable()) {
      if (!this.#cached(client, request)) this.#request(client, request)
    }
  }

  #ready(): void {
    this.#act(this.#queue.ready(this.#assembly.available && !this.#cleaning, this.#now))
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
    this.#session = new Session({
      client,
      assembly: this.#assembly,
      clock,
      bufferBytes: () => this.#options.bufferBytes - this.#partingBytes,
      onEvent,
      onRequest: () => {
        this.#queue.begun(client.id)
        return () => this.#queue.answered(client.id, this.#now)
      },
      onBusy: (until) => this.#queue.running(client.id, until, this.#now),
    })
    client.activate()
    client.serveHeld((request) => this.#serve(client, request))
  }

  /** Held requests have waited for as long as their client will. */
  #answerHeld(client: Client): void {
    const down = this.#queue.active === undefined && !this.#assembly.available
    const place = this.#queue.place(client.id)
    if (!down) this.#context.onEvent({ type: "answered-busy", client: client.name, place, holder: this.#holder })
    client.serveHeld((request) => {
      if (down) client.fail(request, this.#assembly.missingText)
      else if (request.language === "protobuf") client.connection.send(encodeBusy(request.message.id))
      // The older protocol has no word for busy, and its programs wait for as long as it takes.
      else client.hold(request)
    })
  }

  #release(client: Client, text: string): void {
    this.#context.onEvent({ type: "released", client: client.name, detail: text })
    // What waits for it counts in the next one's buffer: of more than half it gets none, for the other must get some.
    const { connection } = client
    if (this.#partingBytes + connection.backlog > this.#options.bufferBytes / 2) connection.abort()
    else {
      this.#parting.add(connection)
      client.dismiss(text)
    }
    this.#gone(client, "released")
  }

  #gone(client: Client, detail: string): void {
    if (!this.#clients.delete(client.id)) return
    this.#context.onEvent({ type: "client-gone", client: client.name, detail, sessions: this.#clients.size })
    if (this.#session?.client === client) this.#clean(this.#session)
    this.#act(this.#queue.leave(client.id, this.#now))
  }

  /** What the last client has left running is stopped before the next one gets the devices. */
  #clean(session: Session): void {
    this.#session = undefined
    this.#cleaning = true
    this.#ready()
    session.close(() => {
      this.#cleaning = false
      if (!this.#closed) this.#ready()
    })
  }

  #progress(client: Client): void {
    this.#queue.traffic(client.id, this.#now)
    if (this.#session?.client === client) this.#session.progress()
  }

  #tick(): void {
    this.#act(this.#queue.tick(this.#now))
    this.#session?.tick()
  }
}
