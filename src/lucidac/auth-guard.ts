/** Who knows the secret: compared in constant time, and guessing gets slower with every miss. Pure but for its memory. */
import { createHash, timingSafeEqual } from "node:crypto"

/** The first miss is answered after this long, each further one of the same address after twice as long. */
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 8_000
/** An address without a miss for this long starts afresh. */
const FORGET_MS = 60_000
/** Addresses remembered; the oldest goes. */
const MAX_HOSTS = 1024

/** Holds the secret. */
export class AuthGuard {
  readonly #digest: Uint8Array
  readonly #misses = new Map<string, { count: number; at: number; until: number }>()

  constructor(secret: string) {
    this.#digest = digestOf(secret)
  }

  /**
   * Whether `token` is the secret, and how long to wait before saying so. While an address waits to hear that it was
   * wrong, it waits to hear that it is right too: else no answer at once would mean "wrong", and a guesser need not wait.
   */
  check(host: string, token: string, now: number): { ok: boolean; delayMs: number } {
    const before = this.#misses.get(host)
    if (timingSafeEqual(digestOf(token), this.#digest)) {
      return { ok: true, delayMs: Math.max(0, (before?.until ?? now) - now) }
    }
    const count = before && now - before.at < FORGET_MS ? before.count + 1 : 1
    const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (count - 1))
    this.#misses.delete(host)
    this.#misses.set(host, { count, at: now, until: now + delayMs })
    if (this.#misses.size > MAX_HOSTS) this.#misses.delete(this.#misses.keys().next().value!)
    return { ok: false, delayMs }
  }
}

/** Of one length whatever the token's, as the comparison needs. */
function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest()
}
