/** Opens TCP listeners on the addresses asked for, patiently: an address that the machine does not have yet is retried. */
import type { Channel } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { formatAddress } from "../transport/address.ts"
import type { AllowList } from "../transport/allow.ts"
import { Backoff, RETRY } from "../transport/backoff.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { PortTakenError } from "../transport/port-taken.ts"
import type { Random } from "../transport/random.ts"
import type { TaggedQueueLimits } from "../transport/tagged-queue.ts"
import { TcpListener } from "../transport/tcp-listener.ts"
import { errorCode } from "../transport/udp-socket.ts"

/** What to listen on and who wants the links. */
export interface BindOptions {
  port: number
  /** Addresses; empty = all. */
  bind: readonly string[]
  channel: Channel
  role: string
  allow: AllowList | undefined
  clock: Clock
  random: Random
  observer: Observer
  onLink: (link: Link, channel: Channel, board: string) => void
  onNotice?: (notice: Notice, answer: (notice: Notice) => void) => void
  onPeer?: (host: string) => (how: "clean" | "lost") => void
  taggedQueue?: TaggedQueueLimits
}

/** All TCP listeners of one tunnel port. */
export class TcpBinding {
  readonly #options: BindOptions
  readonly #listeners: TcpListener[] = []
  readonly #retries = new Set<Timer>()

  /** Throws PortTakenError if the port is taken on any of the addresses; every other trouble is waited out. */
  constructor(options: BindOptions) {
    this.#options = options
    try {
      if (options.bind.length === 0) this.#openAll()
      else for (const host of options.bind) this.#open(host, true)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The port that is bound: the one asked for, or the system's choice. */
  get port(): number {
    return this.#listeners[0]?.address.port ?? this.#options.port
  }

  /** TCP peers connected now. */
  get peerCount(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.peerCount, 0)
  }

  /** Tells every connected relay some news. */
  notify(notice: Notice): void {
    for (const listener of this.#listeners) listener.notify(notice)
  }

  /** The same to those from one host. */
  notifyHost(host: string, notice: Notice): void {
    for (const listener of this.#listeners) listener.notifyHost(host, notice)
  }

  close(): void {
    for (const timer of this.#retries) timer.cancel()
    this.#retries.clear()
    for (const listener of this.#listeners.splice(0)) listener.close()
  }

  /** `::` takes IPv4 too where the machine has IPv6; where it has not, 0.0.0.0. */
  #openAll(): void {
    if (this.#tryOpen("::", true) !== undefined) this.#open("0.0.0.0", true)
  }

  #open(host: string, first: boolean, backoff = new Backoff({ ...RETRY, random: this.#options.random })): void {
    const detail = this.#tryOpen(host, first)
    if (detail === undefined) return
    const { clock, observer, port } = this.#options
    const retryMs = backoff.next()
    if (first) {
      observer.event({ type: "listen-waiting", address: formatAddress({ host, port }), detail, retryMs })
    }
    const timer = clock.after(retryMs, () => {
      this.#retries.delete(timer)
      this.#open(host, false, backoff)
    })
    this.#retries.add(timer)
  }

  /** Undefined if it is open now, else the system's code for why not. */
  #tryOpen(host: string, first: boolean): string | undefined {
    const { clock, observer, allow, channel, onLink, onNotice, onPeer, role, taggedQueue } = this.#options
    // With port 0 the first listener chooses for all.
    const port = this.port
    try {
      const more = { ...(onNotice && { onNotice }), ...(onPeer && { onPeer }), ...(taggedQueue && { taggedQueue }) }
      const peers = { channel, clock, observer, onLink, ...more }
      const listener = new TcpListener({ address: { host, port }, allow, ...peers })
      this.#listeners.push(listener)
      observer.event({ type: "listening", role, channel, carrier: "tcp", address: formatAddress(listener.address) })
      return undefined
    } catch (error) {
      const code = errorCode(error)
      if (first && code === "EADDRINUSE") throw new PortTakenError(host, port, { cause: error })
      return code
    }
  }
}
