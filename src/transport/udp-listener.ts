/**
 * Listens for datagrams: one socket for each local address, because a wildcard socket on a machine with two networks
 * answers from the wrong one, and a link for each sender.
 */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import type { Address } from "./address.ts"
import type { AllowList } from "./allow.ts"
import { type Clock, every, type Timer } from "./clock.ts"
import type { CloseReason, Link, Listener } from "./link.ts"
import { localAddresses } from "./local-addresses.ts"
import { PortTakenError } from "./port-taken.ts"
import type { Random } from "./random.ts"
import { ReceiveTuning } from "./receive-tuning.ts"
import { Admission } from "./udp-admission.ts"
import { type EndpointContext, UdpEndpoint } from "./udp-endpoint.ts"
import { Segmentation } from "./udp-segment.ts"
import { type OpenSocket, openSocket } from "./udp-socket.ts"

/** How often sockets are looked at, in milliseconds, so that one closed by the system is open again within 100. */
export const SOCKET_CHECK_MS = 50
/**
 * How often the machine's addresses are read again, in milliseconds. While a cable is out its address is not listed and
 * has no socket, so this is how long applications wait after it is back; a reading takes 0.14 ms.
 */
export const ADDRESSES_AGAIN_MS = 1_000
/** Links that wait for `onLink` to be set. */
export const WAITING_LINKS = 64
/** Tries to find one port that is free on every address when any port will do. */
const ANY_PORT_TRIES = 10

/** How to listen. */
export interface UdpListenOptions {
  /** 0 takes any that is free on all addresses. */
  readonly port: number
  /** IP literals; none means every address of the machine, also those that come later. */
  readonly bind: readonly string[]
  /** Who may use it; undefined for everybody. */
  readonly allow: AllowList | undefined
  readonly clock: Clock
  readonly observer: Observer
  readonly random: Random
  /** For the log line: what listens here, for which service. */
  readonly role: string
  readonly channel: Channel | "board"
  /** The machine's addresses, where `bind` is empty. */
  readonly localAddresses?: () => readonly string[]
  readonly senderLimit?: number
  readonly receiveTuning?: ReceiveTuning
  readonly openSocket?: OpenSocket
  /** Programs that ask for the same may bind the port beside this one (SO_REUSEADDR); one that is taken is refused. */
  readonly shared?: boolean
}

/** A listener on one or more local addresses; `address.host` is 0.0.0.0 when they are several. */
export interface UdpListener extends Listener {
  /** Where it listens now, one for each socket. */
  readonly addresses: readonly Address[]
  /** Sends to a broadcast address from each socket here; what cannot go at once is dropped and counted. */
  broadcast(datagram: Uint8Array, to: Address): void
}

/**
 * Resolves when every address that can be bound is; rejects with a PortTakenError if another program has one of
 * them. An address that cannot be bound yet is tried again with backoff (event "listen-waiting"). While all of them
 * wait there is no socket, and so nothing here that keeps the process alive.
 */
export async function listenUdp(options: UdpListenOptions): Promise<UdpListener> {
  const listener = new SocketPerAddress(options)
  await listener.start()
  return listener
}

class SocketPerAddress implements UdpListener {
  readonly #options: UdpListenOptions
  readonly #context: EndpointContext
  readonly #endpoints = new Map<string, UdpEndpoint>()
  #port: number
  #timers: Timer[] = []
  #onLink: ((link: Link) => void) | undefined
  #waiting: Link[] = []

  constructor(options: UdpListenOptions) {
    const { clock, observer, random, role, channel } = options
    const admission = new Admission(options)
    this.#options = options
    this.#port = options.port
    this.#context = {
      clock,
      observer,
      random,
      role,
      channel,
      shared: options.shared ?? false,
      open: options.openSocket ?? openSocket,
      receiveTuning: options.receiveTuning ?? new ReceiveTuning(observer),
      segmentation: new Segmentation(),
      admits: (host, port) => this.#hasRoom() && admission.admits(host, port),
      arrived: (link) => this.#arrived(link),
      ended: () => admission.ended(),
    }
  }

  get address(): Address {
    const { bind } = this.#options
    return { host: bind.length === 1 ? bind[0]! : "0.0.0.0", port: this.#port }
  }

  get addresses(): readonly Address[] {
    return [...this.#endpoints.values()].filter(({ open }) => open).map(({ host, port }) => ({ host, port }))
  }

  set onLink(handler: (link: Link) => void) {
    this.#onLink = handler
    for (const link of this.#waiting.splice(0)) handler(link)
  }

  broadcast(datagram: Uint8Array, to: Address): void {
    for (const endpoint of this.#endpoints.values()) if (endpoint.open) endpoint.broadcast(datagram, to)
  }

  async start(): Promise<void> {
    for (let tries = ANY_PORT_TRIES; ; tries--) {
      const taken = await this.#openAll()
      if (!taken) break
      this.#closeAll({ code: "shutdown" })
      if (this.#options.port !== 0 || tries <= 1) throw taken
      this.#port = 0
    }
    for (const endpoint of this.#endpoints.values()) if (endpoint.open) endpoint.announce()
    const { clock, bind } = this.#options
    this.#timers.push(every(clock, SOCKET_CHECK_MS, () => this.#check()))
    if (bind.length === 0) this.#timers.push(every(clock, ADDRESSES_AGAIN_MS, () => this.#readAddresses()))
  }

  close(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel()
    this.#closeAll({ code: "shutdown" })
    this.#waiting = []
  }

  /** Tries each address once. */
  async #openAll(): Promise<PortTakenError | undefined> {
    for (const host of this.#wanted()) {
      const endpoint = new UdpEndpoint(host, this.#port, this.#context)
      const code = await endpoint.start()
      if (code === "EADDRINUSE") {
        if (this.#coveredByWildcard()) continue
        return new PortTakenError(host, endpoint.port)
      }
      this.#endpoints.set(host, endpoint)
      if (code === undefined) this.#port = endpoint.port
      else endpoint.waitAfter(code)
    }
    return undefined
  }

  /** Wildcards first, since the port of an address that they cover is then our own. */
  #wanted(): string[] {
    const { bind } = this.#options
    const hosts = [...new Set(bind.length > 0 ? bind : this.#localAddresses())]
    return hosts.sort((a, b) => Number(isWildcard(b)) - Number(isWildcard(a)))
  }

  #coveredByWildcard(): boolean {
    return [...this.#endpoints.values()].some(({ host, open }) => open && isWildcard(host))
  }

  #localAddresses(): readonly string[] {
    return (this.#options.localAddresses ?? localAddresses)()
  }

  #readAddresses(): void {
    const present = new Set(this.#localAddresses())
    for (const [host, endpoint] of this.#endpoints) {
      if (present.has(host)) endpoint.comeBack()
      else endpoint.leave()
      if (!present.has(host) && !endpoint.inUse) this.#endpoints.delete(host)
    }
    for (const host of present) {
      if (this.#endpoints.has(host)) continue
      const endpoint = new UdpEndpoint(host, this.#port, this.#context)
      this.#endpoints.set(host, endpoint)
      endpoint.keepTrying()
    }
  }

  #check(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.check()
  }

  #closeAll(reason: CloseReason): void {
    for (const endpoint of this.#endpoints.values()) endpoint.close(reason)
    this.#endpoints.clear()
  }

  #hasRoom(): boolean {
    if (this.#onLink || this.#waiting.length < WAITING_LINKS) return true
    this.#options.observer.drop("hold-full", this.#options.role)
    return false
  }

  #arrived(link: Link): void {
    if (this.#onLink) this.#onLink(link)
    else this.#waiting.push(link)
  }
}

/** True for the addresses that stand for all. */
function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::"
}
