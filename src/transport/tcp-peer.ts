/**
 * One accepted TCP connection, from its first byte to its end. Its first four bytes tell what it is: `SPIN` opens a
 * mux connection of ours, anything else is a frame of Python's proxy.
 */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { decodePreface, encodePreface, MUX_PREFACE, MUX_VERSION, startsLikePreface } from "../protocol/mux.ts"
import { formatAddress, peerHost } from "./address.ts"
import type { Clock } from "./clock.ts"
import { FramedConnection } from "./framed-connection.ts"
import type { CloseReason, Link } from "./link.ts"
import { MAX_AGE_MS, MuxConnection, type MuxFlow, type MuxFlowOwner, type Notice } from "./mux-connection.ts"
import { MuxPeerLink, ownerOf, PeerLink } from "./peer-link.ts"
import type { TaggedQueueLimits } from "./tagged-queue.ts"
import { CLOSED_BY_PEER, type TcpOwner, type TcpPort } from "./tcp-port.ts"

/** What a peer needs from its listener. */
export interface TcpPeerOptions {
  /** The service that plain frames are for; mux flows name theirs. */
  readonly channel: Channel
  readonly clock: Clock
  readonly observer: Observer
  /** A flow has arrived. */
  readonly onLink: (link: Link, channel: Channel, board: string) => void
  /** A mux connection brings news; `answer` tells it some. */
  readonly onNotice?: (notice: Notice, answer: (notice: Notice) => void) => void
  /** A peer has begun to speak; what is returned is called when it has gone: by itself, or its connection was lost. */
  readonly onPeer?: (host: string) => (how: "clean" | "lost") => void
  /** What may wait of the datagrams that a board sends by IP tag. */
  readonly taggedQueue?: TaggedQueueLimits
}

/** A connection in Python's framing; its one flow begins with a datagram, and again after it has ended. */
interface Framed {
  readonly kind: "framed"
  readonly connection: FramedConnection
  link: PeerLink | undefined
}

/** One accepted connection, from its first byte to its end. */
export class TcpPeer implements TcpOwner {
  readonly name: string
  /** Called once when the peer has gone, if it has ever spoken. */
  #gone: ((how: "clean" | "lost") => void) | undefined
  /** Since when something incomplete has been waiting for its rest; undefined while nothing is. */
  unfinishedSince: number | undefined
  spoken = false
  #over = false
  #state: { kind: "sniffing"; bytes: Uint8Array } | { kind: "mux"; connection: MuxConnection } | Framed = {
    kind: "sniffing",
    bytes: new Uint8Array(0),
  }

  constructor(
    readonly port: TcpPort,
    private readonly options: TcpPeerOptions,
    private readonly forget: (peer: TcpPeer) => void,
  ) {
    this.name = formatAddress(port.peer)
  }

  onData(chunk: Uint8Array): void {
    const state = this.#state
    switch (state.kind) {
      case "sniffing":
        this.#sniff(state.bytes, chunk)
        break
      case "mux":
        state.connection.received(chunk)
        break
      case "framed":
        state.connection.received(chunk)
        break
    }
    this.#noteUnfinished()
  }

  onDrain(): void {
    if (this.#state.kind !== "sniffing") this.#state.connection.drained()
  }

  onClose(detail: string): void {
    this.forget(this)
    if (this.#state.kind !== "sniffing") this.options.observer.event({ type: "peer-lost", peer: this.name, detail })
    this.#endLinks({ code: "peer-closed", detail })
    this.#leave(detail === CLOSED_BY_PEER ? "clean" : "lost")
  }

  /** Tells the peer some news, if it can hear any. */
  notify(notice: Notice): void {
    if (this.#state.kind === "mux") this.#state.connection.notify(notice)
  }

  /** Closes the connection from this side. */
  drop(reason: CloseReason): void {
    this.forget(this)
    this.#endLinks(reason)
    this.#leave("clean")
    this.port.end()
  }

  /** The peer has done something wrong: it is told nothing and cut off. */
  refuse(detail: string): void {
    this.options.observer.event({ type: "peer-refused", peer: this.name, detail })
    this.forget(this)
    this.#endLinks({ code: "refused", detail })
    this.#leave("lost")
    this.port.abort()
  }

  #arrive(): void {
    this.#gone = this.options.onPeer?.(peerHost(this.name))
  }

  #leave(how: "clean" | "lost"): void {
    const gone = this.#gone
    this.#gone = undefined
    gone?.(how)
  }

  #endLinks(reason: CloseReason): void {
    this.#over = true
    const state = this.#state
    if (state.kind === "mux") state.connection.close(reason)
    if (state.kind === "framed") {
      const { connection, link } = state
      connection.close()
      state.link = undefined
      link?.finish(reason)
    }
  }

  #sniff(before: Uint8Array, chunk: Uint8Array): void {
    const bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk])
    if (!startsLikePreface(bytes)) {
      this.#becomeFramed()
      this.onData(bytes)
      return
    }
    if (bytes.length < MUX_PREFACE) {
      this.#state = { kind: "sniffing", bytes }
      return
    }
    const version = decodePreface(bytes.subarray(0, MUX_PREFACE))
    if (version === undefined || version < 1) {
      this.refuse(`it speaks version ${version} of the relay protocol, this server speaks ${MUX_VERSION}`)
      return
    }
    this.#becomeMux()
    if (bytes.length > MUX_PREFACE) this.onData(bytes.subarray(MUX_PREFACE))
  }

  #becomeMux(): void {
    const { clock, observer } = this.options
    this.spoken = true
    this.port.write(encodePreface())
    const connection = new MuxConnection({
      port: this.port,
      peer: this.name,
      clock,
      drops: observer,
      onOpen: (flow, about) => this.#openFlow(flow, about),
      onNotice: (notice) => this.options.onNotice?.(notice, (answer) => connection.notify(answer)),
      onFrame: () => {
        this.unfinishedSince = undefined
      },
      onDead: (detail) => this.refuse(detail),
      ...(this.options.taggedQueue && { taggedQueue: this.options.taggedQueue }),
    })
    this.#state = { kind: "mux", connection }
    this.#arrive()
    observer.event({ type: "peer-connected", peer: this.name, protocol: "mux" })
  }

  #openFlow(flow: MuxFlow, about: { channel: Channel; board: string; application: string }): MuxFlowOwner {
    const link = new MuxPeerLink(`${about.application} via ${this.name}`, this.options.observer, flow, this)
    this.options.onLink(link, about.channel, about.board)
    return ownerOf(link)
  }

  #becomeFramed(): void {
    const { clock, observer, channel } = this.options
    const connection = new FramedConnection({
      port: this.port,
      peer: this.name,
      clock,
      drops: observer,
      maxAgeMs: MAX_AGE_MS[channel],
      onDatagram: (datagram) => {
        // The rest of a chunk whose first datagram ended the connection.
        if (this.#over) {
          observer.drop("closed", this.name)
          return
        }
        this.spoken = true
        this.unfinishedSince = undefined
        const link = state.link ?? this.#beginFlow(state)
        link.deliver(datagram)
      },
      onDead: (detail) => this.refuse(detail),
    })
    const state: Framed = { kind: "framed", connection, link: undefined }
    this.#state = state
    this.#arrive()
    observer.event({ type: "peer-connected", peer: this.name, protocol: "framed" })
  }

  #beginFlow(state: Framed): PeerLink {
    const link = new PeerLink(this.name, this.options.observer)
    state.link = link
    link.onTransmit = (datagram) => state.connection.send(datagram)
    link.onRelease = (reason) => {
      if (state.link !== link) return
      state.link = undefined
      // A Python client ends for good when its connection does. So a flow that ends for want of traffic or room, or by
      // the board's end, leaves it open: its next datagram begins a new flow.
      if (reason.code === "closed" || reason.code === "shutdown") this.drop(reason)
    }
    this.options.onLink(link, this.options.channel, "")
    return link
  }

  #noteUnfinished(): void {
    const state = this.#state
    const waiting = state.kind === "sniffing" ? state.bytes.length : state.connection.pendingBytes
    if (waiting === 0) this.unfinishedSince = undefined
    else this.unfinishedSince ??= this.options.clock.now()
  }
}
