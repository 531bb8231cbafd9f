/**
 * In UDP mode, the mux connection beside the client's UDP flows: IP tags need a server that knows whose they are, and
 * beacons, further boards and the BMP need a way that UDP has not. Where nobody answers in kind (a Python proxy, or a
 * firewall), that is said once, and tag requests go as all others do.
 */

import type { Channel, Event } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import type { Timer } from "../transport/clock.ts"
import type { Dial, Link } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import type { TaggedPath } from "../transport/tagged-path.ts"
import { TcpCarrier, type TcpDialOptions } from "../transport/tcp-dial.ts"

/** A server that has not answered in this time is taken for one that cannot: rig waits 2.5 s in all, SpiNNMan 4. */
export const TUNNEL_PATIENCE_MS = 2_000
/** After that it is tried again for the next tag, but not sooner than this, milliseconds. */
export const TUNNEL_AGAIN_MS = 30_000

/** What connects, but for what the tunnel sees to itself. */
export type TagTunnelOptions = Omit<TcpDialOptions, "onState" | "matcher" | "channel">

/** The connection of one client. */
export class TagTunnel {
  readonly #options: TagTunnelOptions
  #carrier: TcpCarrier | undefined
  #timer: Timer | undefined
  #retry: Timer | undefined
  #everMux = false
  #kept = false
  /** A program has asked for what only this connection can do. */
  #wanted = false
  #notBefore = Number.NEGATIVE_INFINITY
  #told = false
  #closed = false

  constructor(options: TagTunnelOptions) {
    this.#options = options
  }

  /**
   * A link for an application's tag requests to `board` (empty: the server's first), connected or still connecting;
   * undefined where there is no way. It closes if none is found.
   */
  dial(application: string, board = ""): (Link & TaggedPath) | undefined {
    const { clock } = this.#options
    this.#wanted = true
    if (this.#closed || (!this.#carrier && clock.now() < this.#notBefore)) return undefined
    this.#carrier ??= this.#connect()
    return this.#carrier.dialBoard(board)(application)
  }

  /** Opens the connection now, and again whenever there is none: the server has news to tell. */
  keepOpen(): void {
    this.#kept = true
    if (!this.#closed) this.#carrier ??= this.#connect()
  }

  /** A dial to one service of another board of the server. */
  dialBoard(board: string, channel: Channel): Dial {
    return (application) => {
      this.#carrier ??= this.#connect()
      return this.#carrier.dialBoard(board, channel)(application)
    }
  }

  /** Asks something of the server, if it is there. */
  notify(notice: Notice): void {
    this.#carrier?.notify(notice)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#retry?.cancel()
    this.#carrier?.close()
    this.#carrier = undefined
  }

  #connect(): TcpCarrier {
    const { clock, observer } = this.#options
    this.#everMux = false
    const carrier = new TcpCarrier({
      ...this.#options,
      channel: "scp",
      observer: this.#quietUntilMux(observer),
      matcher: { requested() {}, ownerOf: () => undefined, forget() {} },
      onState: (state) => {
        if (this.#carrier !== carrier && this.#carrier !== undefined) return
        if (state === "mux") {
          this.#everMux = true
          this.#told = false
          this.#timer?.cancel()
        } else if (state === "not-ours" || !this.#everMux) this.#noWay(carrier, state === "not-ours")
      },
    })
    this.#timer = clock.after(TUNNEL_PATIENCE_MS, () => this.#noWay(carrier))
    return carrier
  }

  /** `surely`: what answers is none of ours; else there is only no connection, which may be for now. */
  #noWay(carrier: TcpCarrier, surely = false): void {
    const { clock, observer } = this.#options
    const tell = this.#wanted || surely
    this.#timer?.cancel()
    this.#carrier = undefined
    this.#notBefore = clock.now() + TUNNEL_AGAIN_MS
    if (this.#kept && !this.#closed) {
      this.#retry?.cancel()
      this.#retry = clock.after(TUNNEL_AGAIN_MS, () => this.keepOpen())
    }
    if (tell && !this.#told && !this.#closed) {
      observer.event({ type: "tags-not-passing", peer: carrier.target, side: "server" })
    }
    this.#told ||= tell
    carrier.close()
  }

  /** Nobody has asked for this connection: its failures to begin are the one line above. */
  #quietUntilMux(observer: Observer): Observer {
    return {
      drop: (reason, where, count) => observer.drop(reason, where, count),
      event: (event: Event) => {
        if (this.#everMux || event.type === "internal-error") observer.event(event)
      },
    }
  }
}
