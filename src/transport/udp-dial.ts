/**
 * Links onward over UDP, each with a connected socket of its own, so that replies and ICMP errors belong to exactly
 * one flow. A link has no carrier to lose: it opens another socket when the system takes the one it has, and follows
 * the target's name to another address.
 */
import type { DropReason } from "../observe/observer.ts"
import { Backoff } from "./backoff.ts"
import type { Timer } from "./clock.ts"
import { DatagramQueue, type QueueLimits } from "./datagram-queue.ts"
import { BaseLink, type CloseReason, type Dial } from "./link.ts"
import { Burst } from "./udp-burst.ts"
import { errorCode, type RawSocket, SEND_AGAIN_MS, SENT_DROP, type SocketOwner, trySend } from "./udp-socket.ts"
import { type TargetLink, type UdpDialOptions, UdpTarget } from "./udp-target.ts"

/** What a link holds while its name is looked up or its socket opened: four boots, as long as a program waits. */
export const DIAL_HOLD: QueueLimits = { datagrams: 256, bytes: 256 << 10, ageMs: 5_000 }
/** Waits between tries to open a socket; this machine's own trouble ends suddenly, so never more than a second. */
export const OPEN_RETRY = { firstMs: 250, capMs: 1_000 } as const

/** Makes links to one target. They never fail: a target that is not there is an event and a counter. */
export function dialUdp(options: UdpDialOptions): Dial {
  const target = new UdpTarget(options)
  return () => new UdpDialLink(target)
}

/** What a send says when the socket itself is of no more use. */
const LOST_SOCKET: ReadonlySet<string> = new Set(["ENOTCONN", "EDESTADDRREQ", "EBADF", "EPIPE"])

class UdpDialLink extends BaseLink implements TargetLink {
  readonly peer: string
  readonly #target: UdpTarget
  readonly #backoff: Backoff
  readonly #queue: DatagramQueue<undefined>
  readonly #burst: Burst<undefined>
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
  readonly #onSendError = (code: string): void => {
    this.#target.unreachable(code)
    this.#suspect = true
    if (LOST_SOCKET.has(code)) this.#reopen()
    else this.#target.sendFailed()
  }
  #retry: Timer | undefined
  #sendAgain: Timer | undefined
  #sent = false
  #heard = false
  /** Nothing has come for a while, or a send failed: the socket may be bound to an address of the past. */
  #suspect = false

  constructor(target: UdpTarget) {
    const { clock, observer, random = Math.random } = target.options
    super(observer)
    this.peer = target.name
    this.#target = target
    this.#backoff = new Backoff({ ...OPEN_RETRY, random })
    this.#queue = new DatagramQueue(DIAL_HOLD, clock, (reason) =>
      // With a socket there, it is the system that did not take them.
      this.#drop(reason === "queue-full" && this.#socket ? "send-buffer-full" : reason),
    )
    this.#burst = new Burst({
      clock,
      sendOne: (datagram) => this.#sendOne(datagram),
      sendMany: (datagrams) => this.#sendMany(datagrams),
    })
    target.add(this)
    target.seek(this)
  }

  async connect(host: string): Promise<void> {
    const generation = this.#letGo()
    this.#host = host
    try {
      const socket = await this.#target.open(host, this.#owner)
      if (generation !== this.#generation) {
        socket.close()
        return
      }
      this.#socket = socket
      this.#suspect = false
      this.#backoff.reset()
      this.#drained()
    } catch (error) {
      if (generation !== this.#generation) return
      this.#target.unreachable(errorCode(error))
      this.#retry = this.#target.options.clock.after(this.#backoff.next(), () => this.#target.seek(this))
    }
  }

  follow(host: string, source: string): void {
    if (!this.#socket) return
    // A socket that works keeps its port: boards send tagged data to it.
    const moved = this.#suspect && this.#socket.address.address !== source
    if (moved || this.#host !== host) this.connect(host)
  }

  check(): void {
    if (this.#queue.length > 0) this.#queue.expire()
    if (this.#socket?.closed) this.#reopen()
  }

  wasSilent(): boolean {
    const silent = this.#sent && !this.#heard
    if (silent) this.#suspect = true
    this.#sent = false
    this.#heard = false
    return silent
  }

  #received(datagram: Uint8Array): void {
    this.#heard = true
    this.#suspect = false
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
    if (this.#socket && this.#queue.length === 0) this.#burst.push(datagram, undefined)
    else this.#sendOne(datagram)
  }

  #sendOne(datagram: Uint8Array): void {
    const sent = this.#queue.length > 0 ? "closed" : this.#trySend(datagram)
    if (sent === "sent") return
    if (sent === "full" || sent === "closed") {
      this.#queue.push(datagram, undefined)
      if (sent === "full") this.#trySoon()
      this.check()
    } else this.#drop(SENT_DROP[sent])
  }

  #sendMany(datagrams: readonly Uint8Array[]): number {
    if (!this.#socket || this.#queue.length > 0) return 0
    this.#sent = true
    return this.#target.segmentation.sendMany(this.#socket, datagrams)
  }

  protected override release(_reason: CloseReason): void {
    this.#burst.flush()
    this.#letGo()
    this.#queue.clear("closed")
    this.#target.remove(this)
  }

  #trySend(datagram: Uint8Array) {
    if (!this.#socket) return "closed"
    this.#sent = true
    return trySend(this.#socket, datagram, undefined, undefined, this.#onSendError)
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
