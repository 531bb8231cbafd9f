/** One session of a server: a proved user's flows, over one connection after another. */
import type { Channel } from "../../observe/events.ts"
import type { DropReason, Observer } from "../../observe/observer.ts"
import { formatAddress } from "../address.ts"
import type { Clock, Timer } from "../clock.ts"
import type { CloseReason, Link } from "../link.ts"
import { MAX_AGE_MS, MuxConnection, type MuxMeasures, type Notice } from "../mux-connection.ts"
import { MuxPeerLink, ownerOf } from "../peer-link.ts"
import type { TaggedQueueLimits } from "../tagged-queue.ts"
import type { TcpOwner } from "../tcp-port.ts"
import type { TunnelKey } from "./keys.ts"
import type { SecurePort } from "./tls-port.ts"

/** How a session ended: the client said so, or never came back; or the server ended it. */
export type SessionEnd = "clean" | "lost" | "ended"

/** What a session needs. */
export interface SessionOptions {
  readonly id: string
  readonly key: TunnelKey
  readonly clock: Clock
  readonly observer: Observer
  readonly resumeMs: number
  readonly taggedQueue: TaggedQueueLimits | undefined
  /** A flow has arrived; its `owner` is the user. */
  readonly onLink: (link: Link, channel: Channel, board: string, session: TunnelSession) => void
  readonly onNotice: (notice: Notice, session: TunnelSession) => void
  /** Called once. */
  readonly onEnd: (session: TunnelSession, how: SessionEnd) => void
}

/** SCP clients ask again after half a second at the latest; a boot is worth finishing. */
export const TUNNEL_MAX_AGE_MS = { ...MAX_AGE_MS, scp: 250 } as const
/** The round-trip time is measured this often. */
export const TUNNEL_PING_MS = 10_000

/** A session, with or without a connection. */
export class TunnelSession {
  readonly id: string
  readonly key: TunnelKey
  readonly since: number
  /** Datagrams lost, by reason. */
  readonly drops = new Map<DropReason, number>()
  /** How often it went on over another connection. */
  reconnects = 0
  readonly #options: SessionOptions
  readonly #mux: MuxConnection
  #port: SecurePort | undefined
  /** Runs while there is no connection. */
  #timer: Timer | undefined
  #over = false

  constructor(options: SessionOptions, port: SecurePort) {
    this.#options = options
    this.id = options.id
    this.key = options.key
    this.since = options.clock.now()
    this.#port = port
    this.#mux = new MuxConnection({
      port,
      peer: options.key.user,
      clock: options.clock,
      drops: { drop: (reason, where, count = 1) => this.#dropped(reason, where, count) },
      maxAgeMs: TUNNEL_MAX_AGE_MS,
      pingEveryMs: TUNNEL_PING_MS,
      onOpen: (flow, { application, channel, board }) => {
        const name = `${application} via ${options.key.user}`
        const link = new MuxPeerLink(name, options.observer, flow, this, options.key.user)
        options.onLink(link, channel, board, this)
        return ownerOf(link)
      },
      onNotice: (notice) => options.onNotice(notice, this),
      onBye: () => this.#end("clean", { code: "peer-closed" }),
      onDead: (detail) => {
        const dead = this.#port
        dead?.abort()
        if (dead) this.#lost(dead, detail)
      },
      ...(options.taggedQueue && { taggedQueue: options.taggedQueue }),
    })
    options.observer.event({ type: "user-connected", user: this.user, peer: this.peer! })
  }

  get user(): string {
    return this.key.user
  }

  /** Where its client is, while it is there. */
  get peer(): string | undefined {
    return this.#port && formatAddress(this.#port.peer)
  }

  get flowCount(): number {
    return this.#mux.flowCount
  }

  get measures(): MuxMeasures {
    return this.#mux.measures
  }

  /** Hears what comes on its present connection; what comes late on an older one is nobody's. */
  ownerOf(port: SecurePort): TcpOwner {
    return {
      onData: (chunk) => {
        if (this.#port === port) this.#mux.received(chunk)
      },
      onDrain: () => {
        if (this.#port === port) this.#mux.drained()
      },
      onClose: (detail) => this.#lost(port, detail),
    }
  }

  /** The client is back, on another connection, perhaps before the last one was known to be dead. */
  resume(port: SecurePort): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#port?.abort()
    this.#port = port
    this.reconnects++
    this.#mux.attach(port)
    this.#options.observer.event({ type: "user-back", user: this.user, peer: formatAddress(port.peer) })
  }

  notify(notice: Notice): void {
    this.#mux.notify(notice)
  }

  /** Ends it from this side; the client is told why. */
  end(reason: CloseReason): void {
    this.#mux.bye(reason)
    this.#end("ended", reason)
  }

  #lost(port: SecurePort, detail: string): void {
    if (this.#port !== port || this.#over) return
    const { clock, observer, resumeMs } = this.#options
    this.#port = undefined
    this.#mux.detach()
    observer.event({ type: "user-lost", user: this.user, detail, waitMs: resumeMs })
    this.#timer = clock.after(resumeMs, () => this.#end("lost", { code: "failed", detail: "it did not come back" }))
  }

  #end(how: SessionEnd, reason: CloseReason): void {
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    const port = this.#port
    this.#port = undefined
    this.#mux.close(reason)
    port?.end()
    // That a lost one did not come back is said already.
    const detail = how === "lost" ? "" : (reason.detail ?? "")
    this.#options.observer.event({ type: "user-left", user: this.user, how, detail })
    this.#options.onEnd(this, how)
  }

  #dropped(reason: DropReason, where: string, count: number): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + count)
    this.#options.observer.drop(reason, where, count)
  }
}
