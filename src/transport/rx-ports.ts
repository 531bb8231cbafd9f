/**
 * Local ports that stand for a board's reverse IP tags: programs send there as they would to the board, and what comes
 * back goes to whoever sent last. A port that two reverse tags want belongs to the later one.
 */
import type { Drops } from "../observe/observer.ts"
import { formatAddress } from "./address.ts"
import type { ReceiveTuning } from "./receive-tuning.ts"
import { errorCode, type OpenSocket, openSocket, type RawSocket, SENT_DROP, trySend } from "./udp-socket.ts"

/** Whoever a port is open for. */
export interface RxUser {
  /** May this host, an IP literal, send here? */
  admits(host: string): boolean
  onDatagram(datagram: Uint8Array): void
}

/** Ports at once: eight tags of a board, for each of 32 programs. */
export const RX_PORT_LIMIT = 256

interface RxPort {
  readonly opening: Promise<string | undefined>
  socket: RawSocket | undefined
  user: RxUser
  last: { readonly host: string; readonly port: number } | undefined
  over: boolean
}

/** What the ports need. */
export interface RxPortsOptions {
  readonly drops: Drops
  readonly receiveTuning: ReceiveTuning
  readonly openSocket?: OpenSocket
}

/** All such ports of a client or server. */
export class RxPorts {
  readonly #options: RxPortsOptions
  readonly #ports = new Map<string, RxPort>()
  #closed = false

  constructor(options: RxPortsOptions) {
    this.#options = options
  }

  /** Ports open now. */
  get count(): number {
    return this.#ports.size
  }

  /** Opens `port` of `host` for `user`, or takes it over; resolves to the error's code where that fails. */
  claim(host: string, port: number, user: RxUser): Promise<string | undefined> {
    const key = formatAddress({ host, port })
    const known = this.#ports.get(key)
    if (known) {
      if (known.user !== user) known.last = undefined
      known.user = user
      return known.opening
    }
    if (port === 0) return Promise.resolve("EINVAL")
    if (this.#closed || this.#ports.size >= RX_PORT_LIMIT) return Promise.resolve("EMFILE")
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const rx: RxPort = { opening: promise, socket: undefined, user, last: undefined, over: false }
    this.#ports.set(key, rx)
    this.#open(host, port, key, rx).then(resolve)
    return promise
  }

  /** `user` needs the port no more. */
  release(host: string, port: number, user: RxUser): void {
    const key = formatAddress({ host, port })
    const rx = this.#ports.get(key)
    if (rx?.user === user) this.#shut(key, rx)
  }

  /** Sends to whoever sent last to `user`'s port. */
  reply(host: string, port: number, user: RxUser, datagram: Uint8Array): void {
    const where = formatAddress({ host, port })
    const rx = this.#ports.get(where)
    if (rx?.user !== user || !rx.last || !rx.socket) {
      this.#options.drops.drop("tag-stray", where)
      return
    }
    const sent = trySend(rx.socket, datagram, rx.last.port, rx.last.host)
    if (sent !== "sent") this.#options.drops.drop(SENT_DROP[sent], where)
  }

  close(): void {
    this.#closed = true
    for (const [key, rx] of [...this.#ports]) this.#shut(key, rx)
  }

  async #open(host: string, port: number, key: string, rx: RxPort): Promise<string | undefined> {
    const { drops, receiveTuning, openSocket: open = openSocket } = this.#options
    try {
      const socket = await open(
        { host, port },
        {
          onDatagram: (datagram, fromPort, fromHost) => {
            if (!rx.user.admits(fromHost)) {
              drops.drop("not-allowed", fromHost)
              return
            }
            if (rx.last?.port !== fromPort || rx.last.host !== fromHost) rx.last = { host: fromHost, port: fromPort }
            rx.user.onDatagram(datagram)
          },
          onError: () => drops.drop("unreachable", key),
          onDrain() {},
        },
      )
      if (rx.over) {
        socket.close()
        return "ECANCELED"
      }
      receiveTuning.tune(socket)
      rx.socket = socket
      return undefined
    } catch (error) {
      if (this.#ports.get(key) === rx) this.#ports.delete(key)
      return errorCode(error)
    }
  }

  #shut(key: string, rx: RxPort): void {
    rx.over = true
    rx.socket?.close()
    this.#ports.delete(key)
  }
}
