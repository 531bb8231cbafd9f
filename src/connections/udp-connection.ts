/** `UDPConnection`, the base of all connections to a board: one UDP socket, bound always, connected where a remote is named. */
import type { Observer } from "../observe/observer.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { openSocket, type RawSocket, type SocketOwner, trySend } from "../transport/udp-socket.ts"
import { SpinnmanEOFException, SpinnmanIOException } from "./exceptions.ts"
import { messages } from "./messages.ts"
import { type OpenedUdp, openUdp, resolveHost, type UDPConnectionOptions, wildcard } from "./open-udp.ts"
import type { ReceivedDatagram } from "./receive-queue.ts"

/** How long a send waits for room in the system's buffer, in milliseconds: the time-out of SpiNNMan's sockets. */
export const SEND_TIMEOUT_MS = 1000
/** Bun's `drain` may never come after a refused send, so a waiting send asks again this often. */
const SEND_POLL_MS = 5
/** Runs of `ping` before `isConnected` says no, as in SpiNNMan. */
const PING_TRIES = 5

/** A method that receives for a connection; what `getReceiveMethod` returns. Milliseconds, `Infinity` to wait for ever. */
export type ReceiveMethod<T> = (timeoutMs?: number, signal?: AbortSignal) => Promise<T>

/**
 * What a connection's receive method gives: SDP messages of an SDPConnection. Of a plain UDPConnection it is not known,
 * since any of its subclasses may stand behind that name; `receive` is the way there.
 */
export type MessageOf<Connection> = Connection extends { getReceiveMethod(): ReceiveMethod<infer Message> }
  ? Message
  : never

/**
 * A connection that routes messages by UDP to one remote host, or listens.
 *
 * Datagrams may be lost, reordered or duplicated, and nothing but an occasional message shows that the other end
 * exists. A connection keeps up to `RECEIVE_QUEUE_LIMIT` datagrams for a caller that is busy and drops the oldest then.
 *
 * Where SpiNNMan cuts a datagram after 300 bytes without a word (so that it cannot receive a boot block), this one
 * hands over all of it.
 */
export class UDPConnection implements AsyncDisposable {
  readonly #opened: OpenedUdp
  #helper: Promise<RawSocket> | undefined
  #closed = false

  /**
   * Opens a connection. Python's constructors bind and connect; here that takes a promise, so there is no public one.
   * Rejects with SpinnmanIOException if it cannot bind, resolve or connect.
   */
  static async open(options: UDPConnectionOptions = {}): Promise<UDPConnection> {
    return new UDPConnection(await openUdp(options))
  }

  protected constructor(opened: OpenedUdp) {
    this.#opened = opened
  }

  /** Time as this connection measures it. */
  protected get clock(): Clock {
    return this.#opened.context.clock
  }

  /** Who hears of losses. */
  protected get observer(): Observer {
    return this.#opened.context.observer
  }

  /** The address bound to: "0.0.0.0" for all interfaces, and of a connected one the address that it sends from. */
  get localIpAddress(): string {
    return this.#opened.local.host
  }

  /** The local UDP port. */
  get localPort(): number {
    return this.#opened.local.port
  }

  /** The remote IP address, resolved; undefined if not connected. */
  get remoteIpAddress(): string | undefined {
    return this.#opened.remote?.host
  }

  /** The remote UDP port; undefined if not connected. */
  get remotePort(): number | undefined {
    return this.#opened.remote?.port
  }

  /** True once `close` has been called. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Sends one datagram to the remote; an empty one too (SpiNNMan never returns from that, and floods).
   * Rejects with SpinnmanEOFException if closed; with SpinnmanIOException if not connected, if the system refuses, and,
   * once for each, if an earlier datagram was answered by ICMP (`code` ECONNREFUSED: nobody listens on that port).
   */
  async send(data: Uint8Array): Promise<void> {
    const { remote, socket, faults } = this.#opened
    if (this.#closed) throw new SpinnmanEOFException()
    if (!remote) throw new SpinnmanIOException("Remote host and/or port not set: data cannot be sent")
    const code = faults.code
    faults.code = undefined
    if (code) throw sendError(remote, code)
    await this.#transmit(socket, data, remote, undefined)
  }

  /**
   * Sends one datagram to any address, names included. Rejects like `send`.
   * A connected socket of Bun takes no other destination than its own, so from a connected connection this leaves by
   * a socket with another local port; answers to it are not received, just as SpiNNMan's connected socket never sees them.
   */
  async sendTo(data: Uint8Array, address: Address): Promise<void> {
    if (this.#closed) throw new SpinnmanEOFException()
    const to = { host: await resolveHost(address.host), port: address.port }
    const { remote, socket } = this.#opened
    if (!remote) return this.#transmit(socket, data, to, to)
    if (remote.host === to.host && remote.port === to.port) return this.send(data)
    this.#helper ??= openSocket({ host: wildcard(to.host), port: 0 }, silentOwner)
    await this.#transmit(await this.#helper, data, to, to)
  }

  /**
   * The next datagram. `timeoutMs` is in milliseconds: `Infinity` waits for ever, 0 only takes what has come already.
   * Rejects with SpinnmanTimeoutException if nothing came in time and with SpinnmanEOFException if the connection is
   * closed, or is closed meanwhile (at once; SpiNNMan notices only when its wait ends, and says EBADF).
   * `signal` calls the wait off; it then rejects with the signal's reason.
   */
  async receive(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.receiveWithAddress(timeoutMs, signal)).data
  }

  /** As `receive`, with the address that the datagram came from. */
  receiveWithAddress(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<ReceivedDatagram> {
    return this.#opened.queue.take(timeoutMs, signal)
  }

  /**
   * True as soon as a receive would not wait, false after `timeoutMs` milliseconds. True for a closed connection, so
   * that a loop goes on to receive and learns of its end.
   */
  isReadyToReceive(timeoutMs = 0): Promise<boolean> {
    return this.#opened.queue.ready(timeoutMs)
  }

  /**
   * Whether the remote's host answers a ping, of up to five. False if closed or not connected. Needs the system's
   * `ping`; rejects with SpinnmanIOException if there is none. (SpiNNMan adds a fixed 1.2 s to every ping.)
   */
  async isConnected(): Promise<boolean> {
    const { remote, context } = this.#opened
    if (this.#closed || !remote) return false
    for (let attempt = 0; attempt < PING_TRIES; attempt++) {
      if (await context.ping(remote.host)) return true
    }
    return false
  }

  /** The method that receives what this kind of connection carries; a ConnectionListener calls it. */
  getReceiveMethod(): ReceiveMethod<unknown> {
    return (timeoutMs, signal) => this.receive(timeoutMs, signal)
  }

  /** Everything that `getReceiveMethod` receives, until the connection is closed; see `messages`. */
  [Symbol.asyncIterator](): AsyncGenerator<MessageOf<this>, void, void> {
    return messages(this.getReceiveMethod() as ReceiveMethod<MessageOf<this>>, undefined, this.observer)
  }

  /** Closes the socket; whoever waits gets SpinnmanEOFException. A second call does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#opened.queue.close()
    this.#opened.socket.close()
    this.#helper?.then(
      (helper) => helper.close(),
      () => {},
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** `UDPConnection(local=0.0.0.0:4000, remote=undefined)`, for logs. */
  toString(): string {
    return `${this.constructor.name}(${this.describeEnds()})`
  }

  /** The two ends, for `toString`. */
  protected describeEnds(): string {
    const { local, remote } = this.#opened
    return `local=${formatAddress(local)}, remote=${remote ? formatAddress(remote) : undefined}`
  }

  async #transmit(socket: RawSocket, data: Uint8Array, to: Address, unconnected: Address | undefined): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += SEND_POLL_MS) {
      let code: string | undefined
      const sent = trySend(socket, data, unconnected?.port, unconnected?.host, (said) => {
        code = said
      })
      if (sent === "sent") return
      if (this.#closed || sent === "closed") throw new SpinnmanEOFException()
      if (sent !== "full") throw sendError(to, code ?? (sent === "oversize" ? "EMSGSIZE" : sent))
      if (waitedMs >= SEND_TIMEOUT_MS) throw sendError(to, "ENOBUFS")
      await new Promise<void>((resolve) => this.clock.after(SEND_POLL_MS, resolve))
    }
  }
}

const silentOwner: SocketOwner = { onDatagram() {}, onError() {}, onDrain() {} }

function sendError(to: Address, code: string): SpinnmanIOException {
  return new SpinnmanIOException(`Error sending to ${formatAddress(to)}: ${code}`, { code })
}
