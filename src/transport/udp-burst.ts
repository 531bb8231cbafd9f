/**
 * Gathers datagrams that come in a burst into one system call: a call costs more than the copying, and a relay under
 * load is little but calls. A lone datagram goes at once, so nothing waits that has nothing to wait for.
 */
import { BurstPace } from "./burst-pace.ts"
import type { Clock } from "./clock.ts"

/** Datagrams in one call: half of what one would take, so that the next hop works on them while the rest are gathered. */
export const BURST_LIMIT = 32

/** What a burst needs from its owner. */
export interface BurstOptions<For> {
  readonly clock: Clock
  /** Sends one datagram, and does what must be done where that fails; never throws. */
  readonly sendOne: (datagram: Uint8Array, target: For) => void
  /** Sends several in one call; how many went, from the first on. May throw if none did. */
  readonly sendMany: (datagrams: readonly Uint8Array[], targets: readonly For[]) => number
  /** Runs a function at the end of this turn of the event loop; setImmediate unless told. */
  readonly endOfTurn?: (run: () => void) => void
}

/** The datagrams of one socket that go out together. Order is kept. */
export class Burst<For> {
  readonly #options: BurstOptions<For>
  readonly #endOfTurn: (run: () => void) => void
  readonly #flush = (): void => this.flush()
  #datagrams: Uint8Array[] = []
  #targets: For[] = []
  readonly #pace = new BurstPace()

  constructor(options: BurstOptions<For>) {
    this.#options = options
    this.#endOfTurn = options.endOfTurn ?? setImmediate
  }

  /** Sends now, or with the burst that is gathering. */
  push(datagram: Uint8Array, target: For): void {
    const { clock, sendOne } = this.#options
    if (this.#datagrams.length === 0) {
      if (this.#pace.isLone(clock.now())) {
        sendOne(datagram, target)
        this.#pace.sent(1, clock.now())
        return
      }
      this.#endOfTurn(this.#flush)
    }
    this.#datagrams.push(datagram)
    this.#targets.push(target)
    if (this.#datagrams.length >= BURST_LIMIT) this.flush()
  }

  /** Sends what has gathered. */
  flush(): void {
    const datagrams = this.#datagrams
    if (datagrams.length === 0) return
    const targets = this.#targets
    this.#datagrams = []
    this.#targets = []
    let sent = 0
    try {
      if (datagrams.length > 1) sent = this.#options.sendMany(datagrams, targets)
    } catch {
      // An earlier datagram's ICMP error, told to this call: none went. One by one each has its own second try.
    }
    for (let i = Math.max(0, sent); i < datagrams.length; i++) this.#options.sendOne(datagrams[i]!, targets[i]!)
    this.#pace.sent(datagrams.length, this.#options.clock.now())
  }
}
