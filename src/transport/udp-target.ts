/**
 * What the UDP links to one target share: its name, whether it is there, and this machine's way to it. A laptop that
 * changes from cable to wireless keeps sockets that are bound to an address it no longer has; they are found here.
 */
import type { Observer } from "../observe/observer.ts"
import { formatAddress } from "./address.ts"
import { type Clock, every, type Timer } from "./clock.ts"
import type { Random } from "./random.ts"
import { ReceiveTuning } from "./receive-tuning.ts"
import type { Resolver } from "./resolver.ts"
import { TargetHealth } from "./target-health.ts"
import { Segmentation } from "./udp-segment.ts"
import { type OpenSocket, openFiltered, openSocket, type RawSocket, type SocketOwner } from "./udp-socket.ts"

/** How often sockets are looked at, in milliseconds. */
export const LINK_CHECK_MS = 50
/** How often links that send without an answer make name and way be looked at again, in milliseconds. */
export const SILENCE_CHECK_MS = 5_000
/** Least time between two such looks when sends fail, in milliseconds: this machine's network comes back suddenly. */
export const TROUBLE_CHECK_MS = 1_000

/** How to dial. */
export interface UdpDialOptions {
  /** The target's name. */
  readonly resolver: Resolver
  readonly port: number
  readonly clock: Clock
  readonly observer: Observer
  /** Spreads the tries to open a socket. */
  readonly random?: Random
  /** Called with the error's code when the system says that a datagram did not arrive. */
  readonly onIcmp?: (code: string) => void
  readonly receiveTuning?: ReceiveTuning
  readonly openSocket?: OpenSocket
}

/** A link as its target sees it. */
export interface TargetLink {
  /** Opens a socket to `host`, an IP literal, in place of the one there is. */
  connect(host: string): void
  /** The target is at `host` now, and this machine reaches it from its address `source`. */
  follow(host: string, source: string): void
  /** Notices a socket that the system closed. */
  check(): void
  /** True if it has sent since the last question, and heard nothing. */
  wasSilent(): boolean
}

/** One target and the links to it. */
export class UdpTarget {
  readonly health: TargetHealth
  readonly segmentation = new Segmentation()
  readonly #receiveTuning: ReceiveTuning
  readonly #open: OpenSocket
  readonly #links = new Set<TargetLink>()
  /** Links that wait for an address. */
  readonly #seeking = new Set<TargetLink>()
  #asking = false
  #looking = false
  #lookAgainAt = Number.NEGATIVE_INFINITY
  #timers: Timer[] = []

  constructor(readonly options: UdpDialOptions) {
    const { resolver, port, observer } = options
    this.health = new TargetHealth({ host: resolver.name, port }, observer)
    this.#receiveTuning = options.receiveTuning ?? new ReceiveTuning(observer)
    this.#open = options.openSocket ?? (process.platform === "win32" ? openFiltered : openSocket)
  }

  /** The name as it was given, and the port. */
  get name(): string {
    return formatAddress({ host: this.options.resolver.name, port: this.options.port })
  }

  /** From now on the link is looked after. */
  add(link: TargetLink): void {
    const { clock } = this.options
    this.#links.add(link)
    if (this.#timers.length > 0) return
    this.#timers = [
      every(clock, LINK_CHECK_MS, () => {
        for (const each of this.#links) each.check()
      }),
      every(clock, SILENCE_CHECK_MS, () => this.#checkSilence()),
    ]
  }

  /** The link is over. */
  remove(link: TargetLink): void {
    this.#links.delete(link)
    this.#seeking.delete(link)
    if (this.#links.size > 0) return
    for (const timer of this.#timers.splice(0)) timer.cancel()
  }

  /** Calls `link.connect` with an address of the target, as soon as there is one. */
  seek(link: TargetLink): void {
    this.#seeking.add(link)
    // One question for all links, so that a name that stays unknown costs nothing a link.
    if (this.#asking) return
    this.#asking = true
    this.options.resolver.resolve().then((host) => {
      this.#asking = false
      const seeking = [...this.#seeking]
      this.#seeking.clear()
      for (const each of seeking) each.connect(host)
    })
  }

  /** Opens a socket to the target at `host`; rejects with an Error that has a `code`. */
  async open(host: string, owner: SocketOwner): Promise<RawSocket> {
    const socket = await this.#connected(host, owner)
    this.#receiveTuning.tune(socket)
    return socket
  }

  /** The system says that the target cannot be reached. */
  unreachable(code: string): void {
    const { clock, resolver, onIcmp } = this.options
    this.health.unreachable(code, clock.now())
    resolver.invalidate()
    onIcmp?.(code)
  }

  /** A send failed: perhaps this machine has another address now. */
  sendFailed(): void {
    const now = this.options.clock.now()
    if (now < this.#lookAgainAt) return
    this.#lookAgainAt = now + TROUBLE_CHECK_MS
    this.#look()
  }

  #checkSilence(): void {
    let silent = this.health.down
    for (const link of this.#links) if (link.wasSilent()) silent = true
    if (silent) this.#look()
  }

  /** Finds out where the target is and from which address this machine reaches it, and tells all links. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const host = await this.options.resolver.resolve()
    try {
      const socket = await this.#connected(host, NOBODY)
      const source = socket.address.address
      socket.close()
      for (const link of this.#links) link.follow(host, source)
    } catch {
      // No way there now. The links' sockets stay: their address may come back.
    }
    this.#looking = false
  }

  #connected(host: string, owner: SocketOwner): Promise<RawSocket> {
    const any = host.includes(":") ? "::" : "0.0.0.0"
    return this.#open({ host: any, port: 0, connect: { host, port: this.options.port } }, owner)
  }
}

const NOBODY: SocketOwner = { onDatagram() {}, onError() {}, onDrain() {} }
