/** Which senders a UDP listener gives a link to: those on the allow list, and no more than it can remember. */
import type { Observer } from "../observe/observer.ts"
import { formatAddress, unmapHost } from "./address.ts"
import type { AllowList } from "./allow.ts"
import type { Clock } from "./clock.ts"

/** Senders that one listener remembers at most, whatever the relay's own limit is. */
export const SENDER_LIMIT = 4096
/** Hosts whose refusal is remembered, so that each gets one log line. */
export const REFUSED_REMEMBERED = 256
/** Least time between two lines about refused hosts, in milliseconds: sender addresses can be forged. */
export const REFUSED_QUIET_MS = 1_000

/** Decides about a sender's first datagram; only refused senders come here a second time. */
export class Admission {
  #senders = 0
  #refused = new Set<string>()
  #quietUntil = Number.NEGATIVE_INFINITY

  constructor(
    private readonly options: {
      readonly allow: AllowList | undefined
      readonly clock: Clock
      readonly observer: Observer
      readonly senderLimit?: number
    },
  ) {}

  /** True: a link may be made, and `ended` must be called when it is over. Refused datagrams are counted. */
  admits(host: string, port: number): boolean {
    const { allow, observer, senderLimit = SENDER_LIMIT } = this.options
    const where = unmapHost(host)
    if (allow && !allow.allows(host)) {
      observer.drop("not-allowed", where)
      this.#tell(where, port)
      return false
    }
    if (port === 0) {
      // Nobody can be answered there; only forged datagrams come from port 0.
      observer.drop("malformed", where)
      return false
    }
    if (this.#senders >= senderLimit) {
      observer.drop("flow-limit", where)
      return false
    }
    this.#senders++
    return true
  }

  /** A link that was admitted is over. */
  ended(): void {
    this.#senders--
  }

  #tell(host: string, port: number): void {
    const now = this.options.clock.now()
    if (this.#refused.has(host) || now < this.#quietUntil) return
    this.#quietUntil = now + REFUSED_QUIET_MS
    if (this.#refused.size >= REFUSED_REMEMBERED) {
      for (const oldest of this.#refused) {
        this.#refused.delete(oldest)
        break
      }
    }
    this.#refused.add(host)
    this.options.observer.event({ type: "peer-refused", peer: formatAddress({ host, port }), detail: "not in --allow" })
  }
}
