/** Who has a beacon to send: told once when a board begins, not every four seconds, and bounded whoever sends them. */

/** A board that has been silent for this long, three beacons, is news when it is heard again. */
export const BEACON_NEWS_MS = 15_000
/** Beacons of one board nearer together than this are forwarded once: real ones come every 4.1 s. */
export const BEACON_GAP_MS = 1_000
/** Boards remembered; a stranger may invent any number. */
const MAX_REMEMBERED = 64

/** What a beacon is. */
export interface Heard {
  /** The board was not known to be unbooted. */
  readonly news: boolean
  /** Worth passing on. */
  readonly forward: boolean
}

/** Remembers beacons by the board's address. */
export class UnbootedBoards {
  readonly #lastAt = new Map<string, number>()

  /** A beacon has come from `address`. */
  heard(address: string, now: number): Heard {
    const last = this.#lastAt.get(address)
    if (last !== undefined && now - last < BEACON_GAP_MS) return { news: false, forward: false }
    if (last === undefined && this.#lastAt.size >= MAX_REMEMBERED) this.#forgetOldest()
    this.#lastAt.delete(address)
    this.#lastAt.set(address, now)
    return { news: last === undefined || now - last >= BEACON_NEWS_MS, forward: true }
  }

  /** The board answers as a booted one: its next beacon is news. */
  booted(address: string): void {
    this.#lastAt.delete(address)
  }

  #forgetOldest(): void {
    for (const oldest of this.#lastAt.keys()) {
      this.#lastAt.delete(oldest)
      return
    }
  }
}
