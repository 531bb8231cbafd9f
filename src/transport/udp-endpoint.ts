/**
 * One local address of a UDP listener: its socket, opened again whenever the system takes it away, and a link for
 * every sender. Links outlive sockets, so a flow survives both a reopened socket and an address that went and came.
 */
import type { Channel } from "../observe/events.ts"
import type { DropReason, Observer } from "../observe/observer.ts"
import { type Address, formatAddress, unmapHost } from "./address.ts"
import { Backoff, RETRY } from "./backoff.ts"
import type { Clock, Timer } from "./clock.ts"
import { DatagramQueue, type QueueLimits } from "./datagram-queue.ts"
import { BaseLink, type CloseReason, type Link } from "./link.ts"
import { isLinkLocal } from "./local-addresses.ts"
import type { Random } from "./random.ts"
import type { ReceiveTuning } from "./receive-tuning.ts"
import type { AsidePath } from "./tagged-path.ts"
import { Burst } from "./udp-burst.ts"
import type { Segmentation } from "./udp-segment.ts"
import {
  errorCode,
  type OpenSocket,
  type RawSocket,
  SEND_AGAIN_MS,
  SENT_DROP,
  type SocketOwner,
  trySend,
} from "./udp-socket.ts"

/** What waits while the system's send buffer is full or the socket is being opened again. */
export const SEND_QUEUE: QueueLimits = { datagrams: 64, bytes: 256 << 10, ageMs: 1_000 }

/** What an endpoint needs from its listener. */
export interface EndpointContext {
  readonly clock: Clock
  readonly observer: Observer
  readonly random: Random
  readonly open: OpenSocket
  readonly receiveTuning: ReceiveTuning
  readonly segmentation: Segmentation
  readonly role: string
  readonly channel: Channel | "board"
  /** Programs that ask for the same may bind the port beside this socket. */
  readonly shared: boolean
  /** May this sender have a link? Counts and reports the refusal. */
  admits(host: string, port: number): boolean
  arrived(link: Link): void
  ended(): void
}

/** Life of the socket: wanted ones go opening -> open, or wait for another try. */
type State = "idle" | "opening" | "open" | "waiting" | "away" | "closed"

/** Somebody to send to. */
interface Receiver {
  readonly host: string
  readonly port: number
  /** For the counters. */
  readonly peer: string
}

/** One sender's link. */
class UdpLink extends BaseLink implements AsidePath {
  readonly peer: string
  #aside: Receiver | undefined

  constructor(
    private readonly endpoint: UdpEndpoint,
    readonly host: string,
    readonly port: number,
    observer: Observer,
  ) {
    super(observer)
    this.peer = formatAddress({ host: unmapHost(host), port })
  }

  get localHost(): string {
    return this.endpoint.host
  }

  receive(datagram: Uint8Array): void {
    this.deliver(datagram)
  }

  sendAside(datagram: Uint8Array, host: string, port: number): void {
    if (this.closed) {
      this.drops.drop("closed", this.peer)
      return
    }
    // One object for a run of datagrams, so that they can go in one call.
    if (this.#aside?.host !== host || this.#aside.port !== port) {
      this.#aside = { host, port, peer: formatAddress({ host, port }) }
    }
    this.endpoint.send(datagram, this.#aside)
  }

  protected override transmit(datagram: Uint8Array): void {
    this.endpoint.send(datagram, this)
  }

  protected override release(_reason: CloseReason): void {
    this.endpoint.forget(this)
  }
}

/** One local address and everything that comes to it. */
export class UdpEndpoint implements SocketOwner {
  readonly #context: EndpointContext
  readonly #backoff: Backoff
  readonly #queue: DatagramQueue<Receiver>
  readonly #burst: Burst<Receiver>
  readonly #senders = new Map<string, Map<number, UdpLink>>()
  /** Whose datagram came last: the next is his too, more often than not. */
  #latest: UdpLink | undefined
  #state: State = "idle"
  #socket: RawSocket | undefined
  #retry: Timer | undefined
  #sendAgain: Timer | undefined
  #complained = false

  constructor(
    readonly host: string,
    public port: number,
    context: EndpointContext,
  ) {
    this.#context = context
    this.#backoff = new Backoff({ ...RETRY, random: context.random })
    this.#burst = new Burst({
      clock: context.clock,
      sendOne: (datagram, link) => this.#sendOne(datagram, link),
      sendMany: (datagrams, links) => this.#sendMany(datagrams, links),
    })
    this.#queue = new DatagramQueue(SEND_QUEUE, context.clock, (reason, link) =>
      // With a socket there, it is the system that did not take them.
      this.#drop(reason === "queue-full" && this.#socket ? "send-buffer-full" : reason, link),
    )
  }

  get open(): boolean {
    return this.#state === "open"
  }

  /** True while somebody may still come back for a link. */
  get inUse(): boolean {
    return this.#senders.size > 0
  }

  /** Opens the socket. Resolves to the error's code where that fails, and then nothing more is tried. */
  async start(): Promise<string | undefined> {
    this.#state = "opening"
    let socket: RawSocket
    try {
      socket = await this.#context.open({ host: this.host, port: this.port, shared: this.#context.shared }, this)
    } catch (error) {
      if (this.#state === "opening") this.#state = "idle"
      return errorCode(error)
    }
    // Closed or gone away while opening.
    if (this.#state !== "opening") {
      socket.close()
      return undefined
    }
    this.#state = "open"
    this.#socket = socket
    this.port = socket.address.port
    this.#context.receiveTuning.tune(socket)
    this.#backoff.reset()
    this.#complained = false
    this.onDrain()
    return undefined
  }

  /** Opens the socket, and keeps trying until it is open; one log line for the trouble. */
  async keepTrying(event: "listening" | "listen-reopened" = "listening"): Promise<void> {
    const detail = await this.start()
    if (detail === undefined) {
      if (this.#state === "open") this.announce(event)
    } else this.waitAfter(detail, event)
  }

  /** Tries again later because of `detail`. */
  waitAfter(detail: string, event: "listening" | "listen-reopened" = "listening"): void {
    if (this.#state !== "idle") return
    const { clock, observer } = this.#context
    const retryMs = this.#backoff.next()
    // Not every system lets a link-local address be bound, and nobody misses it.
    if (!this.#complained && !(isLinkLocal(this.host) && detail !== "EADDRINUSE")) {
      observer.event({ type: "listen-waiting", address: this.#address, detail, retryMs })
    }
    this.#complained = true
    this.#state = "waiting"
    this.#retry = clock.after(retryMs, () => this.keepTrying(event))
  }

  /** Says that the address is open. */
  announce(event: "listening" | "listen-reopened" = "listening"): void {
    const { observer, role, channel } = this.#context
    if (event === "listening") observer.event({ type: event, role, channel, carrier: "udp", address: this.#address })
    else observer.event({ type: event, address: this.#address })
  }

  /** Notices a socket that the system closed; called about every 50 ms and after a failed send. */
  check(): void {
    if (this.#queue.length > 0) this.#queue.expire()
    if (this.#state !== "open" || !this.#socket?.closed) return
    this.#socket = undefined
    this.keepTrying("listen-reopened")
  }

  /** The machine has this address no longer: the socket goes, the links stay for when it comes back. */
  leave(): void {
    if (this.#state === "away" || this.#state === "closed") return
    this.#letGo("away")
    this.#queue.clear("unreachable")
  }

  /** The machine has this address (again). */
  comeBack(): void {
    if (this.#state === "away") this.keepTrying()
  }

  /** Ends every link that came to this address. */
  close(reason: CloseReason): void {
    this.#letGo("closed")
    for (const ports of [...this.#senders.values()]) for (const link of [...ports.values()]) link.close(reason)
  }

  onDatagram(datagram: Uint8Array, port: number, host: string): void {
    try {
      let link = this.#latest
      if (link?.port !== port || link.host !== host) {
        link = this.#senders.get(host)?.get(port) ?? this.#meet(host, port)
        // Whoever it arrived at may have closed it already.
        this.#latest = link?.closed ? undefined : link
      }
      link?.receive(datagram)
    } catch (error) {
      const where = `datagram from ${formatAddress({ host, port })}`
      this.#context.observer.event({ type: "internal-error", where, detail: String(error) })
    }
  }

  /** An application that has gone: its system says so for a datagram sent to it. No other flow is concerned. */
  onError(_code: string): void {
    this.#context.observer.drop("unreachable", this.#address)
    this.check()
  }

  onDrain(): void {
    this.#queue.flush((datagram, link) => {
      const sent = this.#socket ? trySend(this.#socket, datagram, link.port, link.host) : "closed"
      if (sent === "full" || sent === "closed") return false
      if (sent !== "sent") this.#drop(SENT_DROP[sent], link)
      return true
    })
    if (this.#socket && this.#queue.length > 0) this.#trySoon()
  }

  /** Sends from this address; what cannot go now waits a little, what cannot go at all is counted. */
  send(datagram: Uint8Array, link: Receiver): void {
    if (this.#socket && this.#queue.length === 0) this.#burst.push(datagram, link)
    else this.#sendOne(datagram, link)
  }

  /** Sends to whoever listens at a broadcast address; what cannot go at once is dropped and counted. */
  broadcast(datagram: Uint8Array, to: Address): void {
    const socket = this.#socket
    const where = formatAddress(to)
    if (!socket) {
      this.#context.observer.drop("closed", where)
      return
    }
    try {
      socket.setBroadcast?.(true)
    } catch {
      // Then the send itself says why it cannot.
    }
    const sent = trySend(socket, datagram, to.port, to.host)
    if (sent !== "sent") this.#context.observer.drop(SENT_DROP[sent], where)
  }

  #sendOne(datagram: Uint8Array, link: Receiver): void {
    if (!this.#socket || this.#queue.length > 0) {
      if (this.#state === "away") this.#drop("unreachable", link)
      else this.#queue.push(datagram, link)
      return
    }
    const sent = trySend(this.#socket, datagram, link.port, link.host)
    if (sent === "sent") return
    if (sent === "full" || sent === "closed") {
      this.#queue.push(datagram, link)
      this.#trySoon()
      this.check()
    } else this.#drop(SENT_DROP[sent], link)
  }

  /** The link is over: its sender is a stranger again. */
  forget(link: UdpLink): void {
    const ports = this.#senders.get(link.host)
    if (!ports?.delete(link.port)) return
    if (this.#latest === link) this.#latest = undefined
    this.#burst.flush()
    if (ports.size === 0) this.#senders.delete(link.host)
    if (this.#queue.length > 0) this.#queue.clear("closed", link)
    this.#context.ended()
  }

  get #address(): string {
    return formatAddress({ host: this.host, port: this.port })
  }

  #meet(host: string, port: number): UdpLink | undefined {
    if (!this.#context.admits(host, port)) return undefined
    const link = new UdpLink(this, host, port, this.#context.observer)
    let ports = this.#senders.get(host)
    if (!ports) {
      ports = new Map()
      this.#senders.set(host, ports)
    }
    ports.set(port, link)
    this.#context.arrived(link)
    return link
  }

  /** Several datagrams, to whomever, in one call. */
  #sendMany(datagrams: readonly Uint8Array[], links: readonly Receiver[]): number {
    if (!this.#socket || this.#queue.length > 0) return 0
    return this.#context.segmentation.sendMany(this.#socket, datagrams, links)
  }

  #letGo(state: "away" | "closed"): void {
    this.#burst.flush()
    this.#state = state
    this.#retry?.cancel()
    this.#sendAgain?.cancel()
    this.#sendAgain = undefined
    this.#socket?.close()
    this.#socket = undefined
  }

  #trySoon(): void {
    this.#sendAgain ??= this.#context.clock.after(SEND_AGAIN_MS, () => {
      this.#sendAgain = undefined
      if (this.#queue.length > 0) this.onDrain()
    })
  }

  #drop(reason: DropReason, link: Receiver): void {
    this.#context.observer.drop(reason, link.peer)
  }
}
