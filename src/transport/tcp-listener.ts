/** Accepts TCP peers on a tunnel port, as many as there is room for, and parts with those that waste it. */
import type { TCPSocketListener } from "bun"
import { type Address, peerHost } from "./address.ts"
import type { AllowList } from "./allow.ts"
import { every, type Timer } from "./clock.ts"
import { directWriter } from "./direct-send.ts"
import type { Notice } from "./mux-connection.ts"
import { TcpPeer, type TcpPeerOptions } from "./tcp-peer.ts"
import { portOf, type TcpOwner, type TcpPort, type TcpState, tcpHandlers } from "./tcp-port.ts"

/** TCP peers that a listener takes. */
export interface TcpPeerLimits {
  readonly total: number
  readonly perHost: number
}

/** 256 peers, 32 from one address: beyond a lab's needs, below a flood's. */
export const TCP_PEER_LIMITS: TcpPeerLimits = { total: 256, perHost: 32 }
/** A peer that has begun a frame (or a preface) must finish it in this time. */
export const FRAME_DEADLINE_MS = 10_000

/** What a listener needs from its owner. */
export interface TcpListenOptions extends TcpPeerOptions {
  /** One address; the caller opens one listener for each. */
  address: Address
  allow: AllowList | undefined
  limits?: TcpPeerLimits
  /** IPv6 only; without it `::` takes IPv4 too. */
  ipv6Only?: boolean
}

/** A bound TCP port. */
export class TcpListener {
  readonly address: Address
  readonly #options: TcpListenOptions
  readonly #limits: TcpPeerLimits
  readonly #server: TCPSocketListener<TcpState>
  readonly #peers = new Set<TcpPeer>()
  readonly #perHost = new Map<string, number>()
  readonly #timer: Timer

  /** Binds at once; throws Bun's error with its `code` (EADDRINUSE, EADDRNOTAVAIL ...) when it cannot. */
  constructor(options: TcpListenOptions) {
    this.#options = options
    this.#limits = options.limits ?? TCP_PEER_LIMITS
    this.#server = Bun.listen<TcpState>({
      hostname: options.address.host,
      port: options.address.port,
      ...(options.ipv6Only ? { ipv6Only: true } : {}),
      socket: {
        ...tcpHandlers,
        open: (socket) => {
          socket.data = { owner: undefined, over: false }
          this.#accept(portOf(socket, directWriter(socket)), (owner) => {
            socket.data.owner = owner
          })
        },
      },
    })
    this.address = { host: options.address.host, port: this.#server.port }
    this.#timer = every(options.clock, 1000, () => this.#sweep())
  }

  /** Peers connected now. */
  get peerCount(): number {
    return this.#peers.size
  }

  /** Tells every peer of ours some news. */
  notify(notice: Notice): void {
    for (const peer of this.#peers) peer.notify(notice)
  }

  /** The same to those from one host, as `peerHost` writes it. */
  notifyHost(host: string, notice: Notice): void {
    for (const peer of this.#peers) if (peerHost(peer.name) === host) peer.notify(notice)
  }

  /** Stops listening and ends every connection. */
  close(): void {
    this.#timer.cancel()
    this.#server.stop()
    for (const peer of [...this.#peers]) peer.drop({ code: "shutdown" })
  }

  #accept(port: TcpPort, own: (owner: TcpOwner) => void): void {
    const { allow, observer } = this.#options
    const { host } = port.peer
    const peer = new TcpPeer(port, this.#options, (gone) => this.#forget(gone))
    if (allow && !allow.allows(host)) {
      observer.drop("not-allowed", host)
      peer.refuse("its address is not in --allow")
      return
    }
    if ((this.#perHost.get(host) ?? 0) >= this.#limits.perHost && !this.#makeRoom(host)) {
      peer.refuse(`${host} has ${this.#limits.perHost} connections already`)
      return
    }
    if (this.#peers.size >= this.#limits.total && !this.#makeRoom(undefined)) {
      peer.refuse(`there are ${this.#limits.total} connections already`)
      return
    }
    this.#peers.add(peer)
    this.#perHost.set(host, (this.#perHost.get(host) ?? 0) + 1)
    own(peer)
  }

  /** A connection that has never said anything whole gives way to a new one: silence must not fill the house. */
  #makeRoom(host: string | undefined): boolean {
    for (const peer of this.#peers) {
      if (peer.spoken || (host !== undefined && peer.port.peer.host !== host)) continue
      peer.refuse("it made room for another, having said nothing")
      return true
    }
    return false
  }

  #forget(peer: TcpPeer): void {
    if (!this.#peers.delete(peer)) return
    const { host } = peer.port.peer
    const left = (this.#perHost.get(host) ?? 1) - 1
    if (left > 0) this.#perHost.set(host, left)
    else this.#perHost.delete(host)
  }

  #sweep(): void {
    const now = this.#options.clock.now()
    for (const peer of [...this.#peers]) {
      if (peer.unfinishedSince !== undefined && now - peer.unfinishedSince >= FRAME_DEADLINE_MS) {
        peer.refuse(`it did not finish a frame in ${FRAME_DEADLINE_MS / 1000} s`)
      }
    }
  }
}
