/** One application's link over a carrier that comes and goes: what it sends meanwhile waits, or is sent again. */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import type { TaggedDatagram } from "../protocol/mux.ts"
import type { Clock } from "./clock.ts"
import { BaseLink, type CloseReason } from "./link.ts"
import type { MuxFlow } from "./mux-connection.ts"
import type { TaggedPath } from "./tagged-path.ts"

/** Remembers what a link sent that a lost connection may have swallowed, to send it again over the next one. */
export interface Replay {
  /** A datagram has been handed over; true if it need not also wait in the link's own queue while there is no connection. */
  sent(datagram: Uint8Array, now: number): boolean
  /** What to send first on a new connection. */
  afterReconnect(now: number): readonly Uint8Array[]
}

/** What carries links. */
export interface LinkCarrier {
  /** `name:port` of the far end. */
  readonly target: string
  /** A link has ended. */
  released(link: CarriedLink, reason: CloseReason): void
}

/** What a link keeps while there is no connection. */
export const OFFLINE_LIMIT = { datagrams: 64, bytes: 64 << 10, ageMs: 1_000 } as const

/** One application's link; it outlives connections. */
export class CarriedLink extends BaseLink implements TaggedPath {
  readonly #waiting: { datagram: Uint8Array; at: number }[] = []
  #waitingBytes = 0
  /** Datagrams that only the replay has so far: no connection has been there to take them. */
  #remembered = 0
  #route: ((datagram: Uint8Array) => void) | undefined

  constructor(
    readonly id: number,
    readonly application: string,
    private readonly carrier: LinkCarrier,
    private readonly replay: Replay | undefined,
    private readonly context: { readonly clock: Clock; readonly observer: Observer },
    /** What it is to reach: a service of the board of that name at a server of ours; empty: the server's first. */
    readonly service: { readonly board: string; readonly channel: Channel },
  ) {
    super(context.observer)
  }

  get peer(): string {
    return this.carrier.target
  }

  /** Its channel on a mux connection, while there is one. */
  flow: MuxFlow | undefined

  #onTagged: ((tagged: TaggedDatagram) => void) | undefined
  #onRenewed: (() => void) | undefined

  set onTagged(handler: (tagged: TaggedDatagram) => void) {
    this.#onTagged = handler
  }

  set onRenewed(handler: () => void) {
    this.#onRenewed = handler
  }

  /** Without a mux connection a tagged datagram has nowhere to go: it is live data, stale by the time there is one. */
  sendTagged(tagged: TaggedDatagram): void {
    if (this.flow && !this.closed) this.flow.sendTagged(tagged)
    else this.drops.drop("tag-stray", this.peer)
  }

  /** A tagged datagram has come. */
  deliverTagged(tagged: TaggedDatagram): void {
    if (this.#onTagged && !this.closed) this.#onTagged(tagged)
    else this.drops.drop("tag-stray", this.peer)
  }

  /**
   * There is a connection: what is remembered goes first, then what waited. `renewed` if its far end knows nothing of
   * what was set up over the last.
   */
  online(route: (datagram: Uint8Array) => void, again: boolean, renewed = again): void {
    this.#route = route
    if (renewed) this.#onRenewed?.()
    const now = this.context.clock.now()
    const replayed = this.replay?.afterReconnect(now) ?? []
    if (again && replayed.length > 0) {
      this.context.observer.event({ type: "boot-resent", target: this.peer, datagrams: replayed.length })
    }
    for (const datagram of replayed) route(datagram)
    let stale = Math.max(0, this.#remembered - replayed.length)
    this.#remembered = 0
    for (const { datagram, at } of this.#waiting.splice(0)) {
      if (now - at > OFFLINE_LIMIT.ageMs) stale++
      else route(datagram)
    }
    this.#waitingBytes = 0
    if (stale > 0) this.drops.drop("queue-old", this.peer, stale)
  }

  /** The connection is gone, and its session is not: the flow stays. */
  pause(): void {
    this.#route = undefined
  }

  /** The connection is gone. */
  offline(): void {
    this.#route = undefined
    this.flow = undefined
  }

  protected override transmit(datagram: Uint8Array): void {
    const { clock } = this.context
    const remembered = this.replay?.sent(datagram, clock.now()) ?? false
    if (this.#route) this.#route(datagram)
    else if (remembered) this.#remembered++
    else this.#wait(datagram, clock.now())
  }

  #wait(datagram: Uint8Array, now: number): void {
    this.#waiting.push({ datagram, at: now })
    this.#waitingBytes += datagram.length
    while (this.#waiting.length > OFFLINE_LIMIT.datagrams || this.#waitingBytes > OFFLINE_LIMIT.bytes) {
      this.#waitingBytes -= this.#waiting.shift()?.datagram.length ?? 0
      this.drops.drop("queue-full", this.peer)
    }
  }

  protected override release(reason: CloseReason): void {
    const lost = this.#waiting.length + this.#remembered
    this.#waiting.length = 0
    this.#remembered = 0
    if (lost > 0) this.drops.drop("closed", this.peer, lost)
    this.carrier.released(this, reason)
  }

  /** A fault in whoever takes the datagram must not cost the other links of the connection. */
  override deliver(datagram: Uint8Array): void {
    try {
      super.deliver(datagram)
    } catch (error) {
      const where = `datagram from ${this.peer}`
      this.context.observer.event({ type: "internal-error", where, detail: String(error) })
    }
  }

  override finish(reason: CloseReason): void {
    super.finish(reason)
  }
}
