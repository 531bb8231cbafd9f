/**
 * Links onward over UDP, each with a connected socket of its own, so that replies and ICMP errors belong to exactly
 * one flow. A link has no carrier to lose: it opens another socket when the system takes the one it has, and follows
 * the target's name to another address.
 */
import type { DropReason, Observer } from "../observe/observer.ts"
import { formatAddress } from "./address.ts"
import { Backoff } from "./backoff.ts"
import { type Clock, every, type Timer } from "./clock.ts"
import { DatagramQueue, type QueueLimits } from "./datagram-queue.ts"
import { BaseLink, type CloseReason, type Dial } from "./link.ts"
import type { Random } from "./random.ts"
import { ReceiveBuffers } from "./receive-buffer.ts"
import type { Resolver } from "./resolver.ts"
import { TargetHealth } from "./target-health.ts"
import {
  errorCode,
  type OpenSocket,
  openSocket,
  type RawSocket,
  SENT_DROP,
  type SocketOwner,
  trySend,
} from "./udp-socket.ts"

/** What a link holds while its name is looked up or its socket opened: four boots, as long as a program waits. */
export const DIAL_HOLD: QueueLimits = { datagrams: 256, bytes: 256 << 10, ageMs: 5_000 }
/** Waits between tries to open a socket; this machine's own trouble ends suddenly, so never more than a second. */
export const OPEN_RETRY = { firstMs: 250, capMs: 1_000 } as const
/** How often sockets are looked at, in milliseconds. */
const SOCKET_CHECK_MS = 50
/** How often flows that send without an answer make the target's name be looked at again, in milliseconds. */
export const NAME_CHECK_MS = 5_000
/** A full send buffer is tried again after this, should Bun never say that it drained. */
const SEND_AGAIN_MS = 5

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
  readonly receiveBuffers?: ReceiveBuffers
  readonly openSocket?: OpenSocket
}

/** Makes links to one target. They never fail: a target that is not there is an event and a counter. */
export function dialUdp(options: UdpDialOptions): Dial {
  const target = new UdpTarget(options)
  return () => new UdpDialLink(target)
}

/** What the links to one target share. */
class UdpTarget {
  readonly health: TargetHealth
  readonly receiveBuffers: ReceiveBuffers
  readonly open: OpenSocket
  readonly #links = new Set<UdpDialLink>()
  /** Links that wait for an address. */
  readonly #seeking = new Set<UdpDialLink>()
  #asking = false
  #timers: Timer[] = []

  constructor(readonly options: UdpDialOptions) {
    const { resolver, port, observer } = options
    this.health = new TargetHealth({ host: resolver.name, port }, observer)
    this.receiveBuffers = options.receiveBuffers ?? new ReceiveBuffers(observer)
    this.open = options.openSocket ?? openSocket
  }

  get name(): string {
    return formatAddress({ host: this.options.resolver.name, port: this.options.port })
  }

  add(link: UdpDialLink): void {
    const { clock } = this.options
    this.#links.add(link)
    if (this.#timers.length > 0) return
    this.#timers = [
      every(clock, SOCKET_CHECK_MS, () => {
        for (const each of this.#links) each.check()
      }),
      every(clock, NAME_CHECK_MS, () => this.#checkName()),
    ]
  }

  remove(link: UdpDialLink): void {
    this.#links.delete(link)
    this.#seeking.delete(link)
    if (this.#links.size > 0) return
    for (const timer of this.#timers.splice(0)) timer.cancel()
  }

  /** Calls `link.connect` with an address of the target, as soon as there is one. */
  seek(link: UdpDialLink): void {
    this.#seeking.add(link)
    this.#ask()
  }

  unreachable(code: string): void {
    const { clock, resolver, onIcmp } = this.options
    this.health.unreachable(code, clock.now())
    resolver.invalidate()
    onIcmp?.(code)
  }

  /** One question for all links, so that a name that stays unknown costs nothing a link. */
  #ask(): void {
    if (this.#asking) return
    this.#asking = true
    this.options.resolver.resolve().then((host) => {
      this.#asking = false
      const seeking = [...this.#seeking]
      this.#seeking.clear()
      for (const link of seeking) link.connect(host)
      for (const link of this.#links) link.follow(host)
    })
  }

  #checkName(): void {
    let silent = this.health.down
    for (const link of this.#links) if (link.wasSilent()) silent = true
    if (silent) this.#ask()
  }
}

class UdpDialLink extends BaseLink {
  readonly peer: string
  readonly #target: UdpTarget
  readonly #backoff: Backoff
  readonly #queue: DatagramQueue<undefined>
  #socket: RawSocket | undefined
  /** The address that the socket is, or is being, connected to. */
  #host: string | undefined
  /** Counts sockets, so that one that opens late is known to be stale. */
  #generation = 0
  readonly #owner: SocketOwner = {
    onDatagram: (datagram) => this.#received(datagram),
    onError: (code) => this.#failed(code),
    onDrain: () => this.#drained(),
  }
  #retry: Timer | undefined
  #sendAgain: Timer | undefined
  #sent = false
  #heard = false

  constructor(target: UdpTarget) {
    const { clock, observer, random = Math.random } = target.options
    super(observer)
    this.peer = target.name
    this.#target = target
    this.#backoff = new Backoff({ ...OPEN_RETRY, random })
    this.#queue = new DatagramQueue(DIAL_HOLD, clock, (reason) => this.#drop(reason))
    target.add(this)
    target.seek(this)
  }

  /** Opens a socket to `host` in place of the one there is. */
  async connect(host: string): Promise<void> {
    const generation = this.#letGo()
    const { clock, port } = this.#target.options
    this.#host = host
    try {
      const any = host.includes(":") ? "::" : "0.0.0.0"
      const socket = await this.#target.open({ host: any, port: 0, connect: { host, port } }, this.#owner)
      if (generation !== this.#generation) {
        socket.close()
        return
      }
      this.#socket = socket
      this.#target.receiveBuffers.enlarge(socket)
      this.#backoff.reset()
      this.#drained()
    } catch (error) {
      if (generation !== this.#generation) return
      this.#target.unreachable(errorCode(error))
      this.#retry = clock.after(this.#backoff.next(), () => this.#target.seek(this))
    }
  }

  /** The target's name means `host` now. */
  follow(host: string): void {
    if (this.#host !== undefined && this.#host !== host) this.connect(host)
  }

  /** Notices a socket that the system closed. */
  check(): void {
    if (this.#queue.length > 0) this.#queue.expire()
    if (this.#socket?.closed) this.#reopen()
  }

  /** True if it has sent since the last question, and heard nothing. */
  wasSilent(): boolean {
    const silent = this.#sent && !this.#heard
    this.#sent = false
    this.#heard = false
    return silent
  }

  #received(datagram: Uint8Array): void {
    this.#heard = true
    if (this.#target.health.down) this.#target.health.heard()
    try {
      this.deliver(datagram)
    } catch (error) {
      const where = `datagram from ${this.peer}`
      this.#target.options.observer.event({ type: "internal-error", where, detail: String(error) })
    }
  }

  #failed(code: string): void {
    this.#drop("unreachable")
    this.#target.unreachable(code)
    this.check()
  }

  #drained(): void {
    this.#queue.flush((datagram) => {
      const sent = this.#trySend(datagram)
      if (sent === "full" || sent === "closed") return false
      if (sent !== "sent") this.#drop(SENT_DROP[sent])
      return true
    })
    if (this.#socket && this.#queue.length > 0) this.#trySoon()
  }

  protected override transmit(datagram: Uint8Array): void {
    const sent = this.#queue.length > 0 ? "closed" : this.#trySend(datagram)
    if (sent === "sent") return
    if (sent === "full" || sent === "closed") {
      this.#queue.push(datagram, undefined)
      if (sent === "full") this.#trySoon()
      this.check()
    } else this.#drop(SENT_DROP[sent])
  }

  protected override release(_reason: CloseReason): void {
    this.#letGo()
    this.#queue.clear("closed")
    this.#target.remove(this)
  }

  #trySend(datagram: Uint8Array) {
    if (!this.#socket) return "closed"
    this.#sent = true
    return trySend(this.#socket, datagram, undefined, undefined, (code) => {
      this.#target.unreachable(code)
      // The address that the socket is bound to has gone from this machine: only another socket can send.
      if (LOST_SOURCE.has(code)) this.#reopen()
    })
  }

  #reopen(): void {
    this.#letGo()
    this.#target.seek(this)
  }

  /** Gives up the socket there is, also one that is still being opened. */
  #letGo(): number {
    this.#retry?.cancel()
    this.#sendAgain?.cancel()
    this.#sendAgain = undefined
    this.#socket?.close()
    this.#socket = undefined
    this.#host = undefined
    return ++this.#generation
  }

  #trySoon(): void {
    this.#sendAgain ??= this.#target.options.clock.after(SEND_AGAIN_MS, () => {
      this.#sendAgain = undefined
      if (this.#queue.length > 0) this.#drained()
    })
  }

  #drop(reason: DropReason): void {
    this.drops.drop(reason, this.peer)
  }
}

/** What a send says when the socket's own address is no longer this machine's. */
const LOST_SOURCE: ReadonlySet<string> = new Set(["EINVAL", "EADDRNOTAVAIL", "ENOTCONN"])
