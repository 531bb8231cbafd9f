/** Who knows the secret: compared in constant time, and guessing gets slower with every miss. Pure but for its memory. */
import { createHash, timingSafeEqual } from "node:crypto"

/** Wrong tokens on one connection before it is closed. */
export const MAX_ATTEMPTS = 5
/** A connection must show the secret within this time. */
export const AUTH_DEADLINE_MS = 10_000
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
  readonly #misses = new Map<string, { count: number; at: number }>()

  constructor(secret: string) {
    this.#digest = digestOf(secret)
  }

  /** True at once, or how long to wait before saying that `token` is wrong. */
  check(host: string, token: string, now: number): { ok: true } | { ok: false; delayMs: number } {
    if (timingSafeEqual(digestOf(token), this.#digest)) return { ok: true }
    const before = this.#misses.get(host)
    const count = before && now - before.at < FORGET_MS ? before.count + 1 : 1
    this.#misses.delete(host)
    this.#misses.set(host, { count, at: now })
    if (this.#misses.size > MAX_HOSTS) this.#misses.delete(this.#misses.keys().next().value!)
    return { ok: false, delayMs: Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (count - 1)) }
  }
}

/** Of one length whatever the token's, as the comparison needs. */
function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest()
}
