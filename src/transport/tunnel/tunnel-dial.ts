/**
 * The client's end of the safe tunnel, kept up for ever: one connection that carries every application's link to every
 * board, and a session that goes on over the next when it breaks.
 */

import type { Channel } from "../../observe/events.ts"
import type { Observer } from "../../observe/observer.ts"
import type { Address } from "../address.ts"
import { Backoff, RETRY } from "../backoff.ts"
import { CarriedLink, type LinkCarrier, type Replay } from "../carried-link.ts"
import type { Clock, Timer } from "../clock.ts"
import type { CloseReason } from "../link.ts"
import { MuxConnection, type Notice } from "../mux-connection.ts"
import type { Random } from "../random.ts"
import type { TcpOwner } from "../tcp-port.ts"
import { type ClientKey, type GreetingOutcome, greet } from "./greeting.ts"
import { type MachineSenses, systemSenses, watchMachine } from "./machine-watch.ts"
import { type Reached, reach, type Way, wayName, waysTo } from "./reach.ts"
import type { SecurePort } from "./tls-port.ts"
import { TUNNEL_MAX_AGE_MS, TUNNEL_PING_MS } from "./tunnel-session.ts"

/** What a carrier needs from its owner. */
export interface TunnelDialOptions {
  /** What the server is called here. */
  readonly name: string
  /** Its addresses, the likeliest first; names are resolved again and again. */
  readonly addresses: readonly Address[]
  readonly key: ClientKey
  readonly clock: Clock
  readonly random: Random
  readonly observer: Observer
  /** The name, once it is known, of the board that links to no name go to: they are not to go to another later. */
  readonly firstBoard?: () => string
  readonly newReplay: (channel: Channel) => Replay | undefined
  readonly onNotice: (notice: Notice) => void
  /** There is a connection (again). */
  readonly onUp: (address: Address) => void
  /** An attempt has failed; "refused" if a server that answers does not let this key in. */
  readonly onDown?: (why: "failed" | "refused", detail: string) => void
  readonly senses?: MachineSenses
  readonly noWayTo?: (address: Address) => Promise<string | undefined>
}

/** A connection that lived this long makes the next wait a first one. */
const STABLE_MS = 5_000
/** Errors of this machine's own network, and the loss of a server that was just there, are retried at most this far apart. */
const SOON_CAP_MS = 1_000
/** A server that was there this recently counts as just there: as long as most wait for a client to come back, and the time to notice. */
const JUST_THERE_MS = 120_000

type State =
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "connecting" }
  | { readonly kind: "greeting"; readonly port: SecurePort }
  | { readonly kind: "up"; readonly port: SecurePort; readonly since: number }
  | { readonly kind: "closed" }

interface Session {
  readonly id: string
  readonly mux: MuxConnection
}

/** Keeps one session with a server and dials links over it. */
export class TunnelCarrier implements LinkCarrier {
  readonly #options: TunnelDialOptions
  readonly #links = new Map<number, CarriedLink>()
  /** Those that have never been on a connection. */
  readonly #fresh = new Set<CarriedLink>()
  readonly #backoff: Backoff
  readonly #soonBackoff: Backoff
  readonly #watch: Timer
  #ways: Way[]
  #state: State = { kind: "closed" }
  #session: Session | undefined
  #nextId = 1
  #startedAt: number

  constructor(options: TunnelDialOptions) {
    this.#options = options
    const { random, clock, observer, addresses } = options
    this.#ways = waysTo(addresses, { clock, observer, random })
    this.#backoff = new Backoff({ ...RETRY, random })
    this.#soonBackoff = new Backoff({ ...RETRY, capMs: SOON_CAP_MS, random })
    this.#startedAt = clock.now()
    this.#watch = watchMachine(clock, () => this.nudge(), options.senses)
    void this.#connect()
  }

  get target(): string {
    return this.#options.name
  }

  /** A dial to one service of one of the server's boards, by its name there; empty: the first that this key may use. */
  dialBoard(board: string, channel: Channel): (application: string) => CarriedLink {
    return (application) => {
      const replay = this.#options.newReplay(channel)
      const link = new CarriedLink(this.#nextId++, application, this, replay, this.#options, { board, channel })
      if (this.#state.kind === "closed") {
        link.finish({ code: "shutdown" })
        return link
      }
      this.#links.set(link.id, link)
      this.#fresh.add(link)
      if (this.#session) this.#open(link, this.#session.mux)
      if (this.#state.kind === "up") this.#online(link, false)
      return link
    }
  }

  /** Tells the server some news; false while there is no connection. */
  notify(notice: Notice): boolean {
    if (this.#state.kind !== "up" || !this.#session) return false
    this.#session.mux.notify(notice)
    return true
  }

  /** The machine has slept, or its network is another: what looks alive is asked, and what waits is tried now. */
  nudge(): void {
    this.#backoff.reset()
    this.#soonBackoff.reset()
    const state = this.#state
    if (state.kind === "up") {
      const { senses = systemSenses } = this.#options
      if (senses.has(state.port.localHost)) this.#session?.mux.probe()
      else {
        state.port.abort()
        this.#lost(state.port, "this machine has another address now")
      }
    }
    if (state.kind !== "waiting") return
    state.timer.cancel()
    for (const { resolver } of this.#ways) resolver.invalidate()
    void this.#connect()
  }

  /** Ends the session and every link. */
  close(): void {
    const state = this.#state
    if (state.kind === "closed") return
    this.#state = { kind: "closed" }
    this.#watch.cancel()
    if (state.kind === "waiting") state.timer.cancel()
    for (const link of [...this.#links.values()]) link.finish({ code: "shutdown" })
    this.#session?.mux.bye({ code: "shutdown" })
    this.#session?.mux.close({ code: "shutdown" })
    if ("port" in state) state.port.end()
    for (const { resolver } of this.#ways) resolver.close()
  }

  released(link: CarriedLink, reason: CloseReason): void {
    this.#links.delete(link.id)
    this.#fresh.delete(link)
    link.flow?.close(reason)
    link.flow = undefined
  }

  async #connect(): Promise<void> {
    this.#state = { kind: "connecting" }
    const { clock, noWayTo } = this.#options
    const result = await reach({
      ways: this.#ways,
      clock,
      ownerOf: (reached) => this.#reached(reached),
      ...(noWayTo && { noWayTo }),
    })
    if (!result.ok && this.#state.kind === "connecting") {
      const justThere = this.#session !== undefined && clock.now() - this.#startedAt < JUST_THERE_MS
      this.#retry("connect-failed", result.detail, result.ownNetwork || justThere)
      this.#options.onDown?.("failed", result.detail)
    }
  }

  #reached({ way, port }: Reached): TcpOwner {
    if (this.#state.kind !== "connecting") port.abort()
    else this.#state = { kind: "greeting", port }
    const { key, clock } = this.#options
    const resume = this.#session?.id
    const hello = resume === undefined ? {} : { resume }
    return greet({ port, key, hello, clock, onOutcome: (outcome) => this.#greeted(port, way, outcome) })
  }

  #greeted(port: SecurePort, way: Way, outcome: GreetingOutcome): TcpOwner | undefined {
    const state = this.#state
    if (state.kind !== "greeting" || state.port !== port) return undefined
    if (outcome.kind === "welcome") return this.#welcomed(port, way, outcome.welcome)
    port.abort()
    // Where another server answers, the next attempt begins elsewhere.
    this.#ways = [...this.#ways.filter((other) => other !== way), way]
    if (outcome.kind === "failed") {
      this.#retry("connect-failed", outcome.detail, false)
      this.#options.onDown?.("failed", outcome.detail)
      return undefined
    }
    const retryMs = this.#wait(this.#backoff)
    const proved = outcome.kind === "refused" && outcome.proved
    const detail = outcome.kind === "refused" ? outcome.detail : "it cannot prove that it knows the key"
    this.#options.observer.event({ type: "tunnel-not-let-in", target: wayName(way), detail, proved, retryMs })
    this.#options.onDown?.("refused", detail)
    return undefined
  }

  #welcomed(
    port: SecurePort,
    way: Way,
    welcome: { readonly session: string; readonly resumed: boolean; readonly name: string },
  ): TcpOwner {
    const { clock, observer } = this.#options
    this.#ways = [way, ...this.#ways.filter((other) => other !== way)]
    this.#state = { kind: "up", port, since: clock.now() }
    this.#backoff.reset()
    const resumed = welcome.resumed && this.#session?.id === welcome.session
    const again = this.#session !== undefined
    if (!resumed) this.#renew(welcome.session, port)
    const afterMs = clock.now() - this.#startedAt
    observer.event({ type: "tunnel-up", target: wayName(way), name: welcome.name, resumed, afterMs })
    // A session that goes on first says which flows it still has.
    if (resumed) this.#session?.mux.attach(port)
    for (const link of [...this.#links.values()]) this.#online(link, again && !resumed)
    this.#options.onUp({ host: way.resolver.name, port: way.port })
    return {
      onData: (chunk) => {
        if (this.#isOn(port)) this.#session?.mux.received(chunk)
      },
      onDrain: () => {
        if (this.#isOn(port)) this.#session?.mux.drained()
      },
      onClose: (detail) => this.#lost(port, detail),
    }
  }

  #isOn(port: SecurePort): boolean {
    return this.#state.kind === "up" && this.#state.port === port
  }

  /** The server knows nothing of an older session: all links open their flows anew. */
  #renew(id: string, port: SecurePort): void {
    const { clock, observer, name } = this.#options
    const old = this.#session
    const mux = new MuxConnection({
      port,
      peer: name,
      clock,
      drops: observer,
      maxAgeMs: TUNNEL_MAX_AGE_MS,
      pingEveryMs: TUNNEL_PING_MS,
      onNotice: (notice) => this.#options.onNotice(notice),
      onBye: (reason) => this.#ended(reason),
      onDead: (detail) => {
        const state = this.#state
        if (state.kind !== "up") return
        state.port.abort()
        this.#lost(state.port, detail)
      },
    })
    this.#session = { id, mux }
    for (const link of this.#links.values()) {
      link.offline()
      this.#open(link, mux)
    }
    old?.mux.close({ code: "failed" })
  }

  #open(link: CarriedLink, mux: MuxConnection): void {
    const { channel, board: named } = link.service
    const board = named || this.#options.firstBoard?.() || ""
    const flow = mux.open(channel, board, link.application, {
      onDatagram: (datagram) => link.deliver(datagram),
      onTagged: (tagged) => link.deliverTagged(tagged),
      onClose: (reason) => {
        if (link.flow !== flow) return
        link.flow = undefined
        link.finish(reason)
      },
    })
    link.flow = flow
  }

  #online(link: CarriedLink, renewed: boolean): void {
    const { flow } = link
    if (!flow) return
    const fresh = this.#fresh.delete(link)
    link.online((datagram) => flow.send(datagram), !fresh, renewed && !fresh)
  }

  /** The server has ended the session: the next is a new one. */
  #ended(reason: CloseReason): void {
    const state = this.#state
    if (state.kind !== "up") return
    state.port.abort()
    this.#lost(state.port, reason.detail || `the server has ended the session (${reason.code})`)
  }

  #lost(port: SecurePort, detail: string): void {
    const state = this.#state
    if (state.kind !== "up" || state.port !== port) return
    const { clock } = this.#options
    this.#startedAt = clock.now()
    for (const link of this.#links.values()) link.pause()
    this.#session?.mux.detach()
    if (clock.now() - state.since >= STABLE_MS) this.#soonBackoff.reset()
    this.#retry("connection-lost", detail, true)
  }

  #retry(type: "connect-failed" | "connection-lost", detail: string, soon: boolean): void {
    if (!soon) this.#soonBackoff.reset()
    const retryMs = this.#wait(soon ? this.#soonBackoff : this.#backoff)
    this.#options.observer.event({ type, target: this.target, detail, retryMs })
  }

  #wait(backoff: Backoff): number {
    const retryMs = backoff.next()
    this.#state = { kind: "waiting", timer: this.#options.clock.after(retryMs, () => void this.#connect()) }
    return retryMs
  }
}
