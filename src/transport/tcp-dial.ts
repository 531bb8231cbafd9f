/**
 * The client's one TCP connection to a tunnel port, kept up for ever: it greets as one of ours, falls back to Python's
 * framing when nobody answers in kind, and carries every application's link across its reconnects.
 */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { decodePreface, encodePreface, MUX_PREFACE, startsLikePreface } from "../protocol/mux.ts"
import { type Address, formatAddress } from "./address.ts"
import { Backoff, RETRY } from "./backoff.ts"
import { CarriedLink, type LinkCarrier, type Replay } from "./carried-link.ts"
import type { Clock, Timer } from "./clock.ts"
import { FramedConnection } from "./framed-connection.ts"
import type { CloseReason } from "./link.ts"
import { MAX_AGE_MS, MuxConnection, type Notice } from "./mux-connection.ts"
import type { Random } from "./random.ts"
import type { Resolver } from "./resolver.ts"
import { connectTcp, type TcpOwner, type TcpPort } from "./tcp-port.ts"

/** Tells whose a reply is, where one connection serves several applications (a Python server). */
export interface ReplyMatcher {
  /** Flow `flow` has sent `datagram`. */
  requested(flow: number, datagram: Uint8Array, now: number): void
  /** The flow that `datagram` answers, or undefined if nobody waits for it. */
  ownerOf(datagram: Uint8Array, now: number): number | undefined
  /** The flow is over. */
  forget(flow: number): void
}

/** What a carrier needs from its owner. */
export interface TcpDialOptions {
  resolver: Resolver
  port: number
  channel: Channel
  clock: Clock
  random: Random
  observer: Observer
  /** Made for each link; none where nothing is worth sending twice. */
  newReplay?: (channel: Channel) => Replay | undefined
  matcher: ReplyMatcher
  /** A mux server brings news. */
  onNotice?: (notice: Notice) => void
  /** There is a mux connection (again): what is to be asked of the server may be asked now, with `notify`. */
  onMux?: () => void
  /** Seen connection attempts fail for want of a network of one's own: retry at most this far apart. */
  ownNetworkCapMs?: number
  /** Tells why this machine has no way to an address, if it has none; else the system is asked. */
  noWayTo?: (address: Address) => Promise<string | undefined>
  /**
   * For owners that have no use for Python's framing: told of a mux connection, of a server that speaks none (which the
   * owner must answer by closing the carrier) and of a failed attempt.
   */
  onState?: (state: "mux" | "not-ours" | "failed") => void
}

/** A connection attempt is given up after this. */
export const CONNECT_TIMEOUT_MS = 5_000
/** A server that has not answered the greeting in this time (or three connect times, on a slow path) is a Python one. */
export const GREETING_TIMEOUT_MS = 1_000
/** How long a server that did not answer the greeting may take to end that connection on its side. */
export const PARTING_TIMEOUT_MS = 5_000
/** A connection that lived this long resets the backoff. */
export const STABLE_MS = 5_000
const OWN_NETWORK_CAP_MS = 1_000

type State =
  | { kind: "waiting"; timer: Timer }
  | { kind: "connecting" }
  | { kind: "greeting"; port: TcpPort; timer: Timer; bytes: Uint8Array }
  | { kind: "parting"; port: TcpPort; timer: Timer; bytes: Uint8Array }
  | { kind: "mux"; port: TcpPort; connection: MuxConnection; since: number }
  | { kind: "framed"; port: TcpPort; connection: FramedConnection; since: number }
  | { kind: "closed" }

/** Keeps one connection to a server's tunnel port and dials links over it. */
export class TcpCarrier implements LinkCarrier {
  readonly #options: TcpDialOptions
  readonly #links = new Map<number, CarriedLink>()
  readonly #backoff: Backoff
  /** Of its own, so that a network that was away does not make the server's next trouble last longer. */
  readonly #ownNetworkBackoff: Backoff
  #state: State = { kind: "closed" }
  #nextId = 1
  /** The last server closed the connection, or stayed silent, when greeted. */
  #plainNext = false
  #everConnected = false
  #warnedShared = false
  #startedAt: number
  #host = ""

  constructor(options: TcpDialOptions) {
    this.#options = options
    const { random, ownNetworkCapMs = OWN_NETWORK_CAP_MS } = options
    this.#backoff = new Backoff({ ...RETRY, random })
    this.#ownNetworkBackoff = new Backoff({ ...RETRY, capMs: ownNetworkCapMs, random })
    this.#startedAt = options.clock.now()
    this.#connect()
  }

  /** `name:port` of the server, for logs. */
  get target(): string {
    return formatAddress({ host: this.#options.resolver.name, port: this.#options.port })
  }

  /** Opens a link for an application; it works at once, connected or not. */
  readonly dial = (application: string): CarriedLink => this.#dial(application, "", this.#options.channel)

  /** The same to one of several boards of a server of ours, by its name there. A Python server has the one. */
  dialBoard(board: string, channel: Channel = this.#options.channel): (application: string) => CarriedLink {
    return (application) => this.#dial(application, board, channel)
  }

  #dial(application: string, board: string, channel: Channel): CarriedLink {
    const replay = this.#options.newReplay?.(channel)
    const link = new CarriedLink(this.#nextId++, application, this, replay, this.#options, { board, channel })
    if (this.#state.kind === "closed") {
      link.finish({ code: "shutdown" })
      return link
    }
    this.#links.set(link.id, link)
    this.#attach(link, false)
    return link
  }

  /** Tells a mux server some news; false while there is none. */
  notify(notice: Notice): boolean {
    if (this.#state.kind !== "mux") return false
    this.#state.connection.notify(notice)
    return true
  }

  /** Ends the connection and every link. */
  close(): void {
    const state = this.#state
    this.#state = { kind: "closed" }
    if (state.kind === "waiting" || state.kind === "greeting" || state.kind === "parting") state.timer.cancel()
    for (const link of [...this.#links.values()]) link.finish({ code: "shutdown" })
    this.#links.clear()
    if (state.kind === "mux") state.connection.close({ code: "shutdown" })
    if (state.kind === "framed") state.connection.close()
    if ("port" in state) state.port.end()
  }

  /** A link has ended; its flow on the connection goes too. */
  released(link: CarriedLink, reason: CloseReason): void {
    this.#links.delete(link.id)
    this.#options.matcher.forget(link.id)
    link.flow?.close(reason)
    link.flow = undefined
  }

  async #connect(): Promise<void> {
    this.#state = { kind: "connecting" }
    const { resolver, port, clock, noWayTo } = this.#options
    const host = await resolver.resolve()
    if (this.#is("closed")) return
    this.#host = host
    const begun = clock.now()
    const result = await connectTcp({
      address: { host, port },
      timeoutMs: CONNECT_TIMEOUT_MS,
      clock,
      ownerOf: (opened) => this.#opened(opened, clock.now() - begun),
      ...(noWayTo ? { noWayTo } : {}),
    })
    if (!result.ok && !this.#is("closed")) this.#retry("connect-failed", result.detail, result.ownNetwork)
  }

  /** A guard that the compiler does not narrow away: the state changes while we wait. */
  #is(kind: State["kind"]): boolean {
    return this.#state.kind === kind
  }

  #opened(port: TcpPort, connectMs: number): TcpOwner {
    if (this.#is("closed")) {
      port.abort()
    } else if (this.#plainNext) {
      this.#becomeFramed(port)
    } else {
      const waitMs = Math.max(GREETING_TIMEOUT_MS, 3 * connectMs)
      const timer = this.#options.clock.after(waitMs, () => this.#notOurs(port))
      this.#state = { kind: "greeting", port, timer, bytes: new Uint8Array(0) }
      port.write(encodePreface())
    }
    return {
      onData: (chunk) => this.#received(chunk),
      onDrain: () => {
        if (this.#state.kind === "mux" || this.#state.kind === "framed") this.#state.connection.drained()
      },
      onClose: (detail) => this.#lost(detail),
    }
  }

  /**
   * The server does not answer our greeting: it is a Python one. A reset would end its process, and a next connection
   * that it finds together with this one's end makes it wait for bytes on the new one, deaf to all else: so it is told
   * the end, and called again when it has ended its side.
   */
  #notOurs(port: TcpPort): void {
    if (this.#options.onState) {
      this.#options.onState("not-ours")
      return
    }
    if (this.#state.kind === "greeting") this.#state.timer.cancel()
    this.#plainNext = true
    const timer = this.#options.clock.after(PARTING_TIMEOUT_MS, () => {
      port.abort()
      this.#connect()
    })
    this.#state = { kind: "parting", port, timer, bytes: new Uint8Array(0) }
    port.endSending()
  }

  #received(chunk: Uint8Array): void {
    const state = this.#state
    switch (state.kind) {
      case "greeting":
        this.#greeted(state, chunk)
        return
      case "parting":
        this.#answeredLate(state, chunk)
        return
      case "mux":
      case "framed":
        state.connection.received(chunk)
        return
      case "waiting":
      case "connecting":
      case "closed":
        return
    }
  }

  #greeted(state: Extract<State, { kind: "greeting" }>, chunk: Uint8Array): void {
    const bytes = state.bytes.length === 0 ? chunk : Buffer.concat([state.bytes, chunk])
    if (!startsLikePreface(bytes)) {
      // A Python server forwards whatever the board says, also before it is asked.
      this.#notOurs(state.port)
      return
    }
    if (bytes.length < MUX_PREFACE) {
      this.#state = { ...state, bytes }
      return
    }
    state.timer.cancel()
    if (decodePreface(bytes.subarray(0, MUX_PREFACE)) === undefined) {
      this.#notOurs(state.port)
      return
    }
    this.#becomeMux(state.port)
    if (bytes.length > MUX_PREFACE) this.#received(bytes.subarray(MUX_PREFACE))
  }

  /** A server of ours that was slow to answer is greeted again. */
  #answeredLate(state: Extract<State, { kind: "parting" }>, chunk: Uint8Array): void {
    if (state.bytes.length >= MUX_PREFACE) return
    const bytes = Buffer.concat([state.bytes, chunk])
    this.#state = { ...state, bytes }
    if (bytes.length < MUX_PREFACE) return
    if (startsLikePreface(bytes) && decodePreface(bytes.subarray(0, MUX_PREFACE)) !== undefined) this.#plainNext = false
  }

  #becomeMux(port: TcpPort): void {
    const { clock, observer } = this.#options
    const connection = new MuxConnection({
      port,
      peer: this.target,
      clock,
      drops: observer,
      onNotice: (notice) => this.#options.onNotice?.(notice),
      onDead: (detail) => {
        port.abort()
        this.#lost(detail)
      },
    })
    this.#state = { kind: "mux", port, connection, since: clock.now() }
    this.#options.onState?.("mux")
    this.#up("mux")
    this.#options.onMux?.()
  }

  #becomeFramed(port: TcpPort): void {
    const { clock, observer, channel, matcher } = this.#options
    const connection = new FramedConnection({
      port,
      peer: this.target,
      clock,
      drops: observer,
      maxAgeMs: MAX_AGE_MS[channel],
      onDatagram: (datagram) => {
        const owner = matcher.ownerOf(datagram, clock.now())
        const link = owner === undefined ? undefined : this.#links.get(owner)
        if (link) link.deliver(datagram)
        else observer.drop("unmatched", this.target)
      },
      onDead: (detail) => {
        port.end()
        this.#lost(detail)
      },
    })
    this.#state = { kind: "framed", port, connection, since: clock.now() }
    // The next connection is greeted again: by then one of ours may serve there.
    this.#plainNext = false
    this.#up("framed")
    if (!this.#warnedShared) observer.event({ type: "python-shared", target: this.target })
    this.#warnedShared = true
  }

  #up(protocol: "mux" | "framed"): void {
    const { observer, clock } = this.#options
    observer.event({ type: "connected", target: this.target, protocol, afterMs: clock.now() - this.#startedAt })
    const again = this.#everConnected
    this.#everConnected = true
    for (const link of [...this.#links.values()]) this.#attach(link, again)
  }

  #attach(link: CarriedLink, again: boolean): void {
    const state = this.#state
    if (state.kind === "mux") {
      const flow = state.connection.open(link.service.channel, link.service.board, link.application, {
        onDatagram: (datagram) => link.deliver(datagram),
        onTagged: (tagged) => link.deliverTagged(tagged),
        onClose: (reason) => {
          if (link.flow === flow) link.flow = undefined
          // A flow that ends with its connection is opened again on the next one.
          if (this.#state === state) link.finish(reason)
        },
      })
      link.flow = flow
      link.online((datagram) => flow.send(datagram), again)
    }
    if (state.kind === "framed" && link.service.board === "") {
      const { matcher, clock } = this.#options
      link.online((datagram) => {
        matcher.requested(link.id, datagram, clock.now())
        state.connection.send(datagram)
      }, again)
    }
  }

  #lost(detail: string): void {
    const state = this.#state
    const { clock } = this.#options
    if (state.kind === "greeting") {
      state.timer.cancel()
      if (this.#options.onState) {
        this.#options.onState("not-ours")
        return
      }
      this.#plainNext = true
      this.#connect()
      return
    }
    if (state.kind === "parting") {
      state.timer.cancel()
      this.#connect()
      return
    }
    if (state.kind !== "mux" && state.kind !== "framed") return
    this.#startedAt = clock.now()
    this.#state = { kind: "connecting" }
    for (const link of this.#links.values()) link.offline()
    if (state.kind === "mux") state.connection.close({ code: "failed", detail })
    else state.connection.close()
    if (clock.now() - state.since >= STABLE_MS) this.#backoff.reset()
    this.#retry("connection-lost", detail, false)
  }

  #retry(type: "connect-failed" | "connection-lost", detail: string, ownNetwork: boolean): void {
    const { observer, clock, resolver } = this.#options
    resolver.invalidate()
    if (!ownNetwork) this.#ownNetworkBackoff.reset()
    const retryMs = ownNetwork ? this.#ownNetworkBackoff.next() : this.#backoff.next()
    this.#plainNext = false
    observer.event({ type, target: this.target, detail: `${detail}${this.#via()}`, retryMs })
    this.#state = { kind: "waiting", timer: clock.after(retryMs, () => this.#connect()) }
    if (type === "connect-failed") this.#options.onState?.("failed")
  }

  #via(): string {
    return this.#host && this.#host !== this.#options.resolver.name ? ` (${this.#host})` : ""
  }
}
