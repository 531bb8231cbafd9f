/** How long the answer to a wrong proof is held back: longer with each from the same place. Right proofs never wait. */
import { groupOf } from "./admission.ts"

/** First delay, the longest, and how long a failure counts, milliseconds; places remembered. */
export const FAILURE_DELAY = { firstMs: 250, capMs: 5_000, forgetMs: 60_000, places: 1024 } as const

/** Remembers failures by address, or /64. */
export class FailureDelay {
  readonly #places = new Map<string, { count: number; at: number }>()

  /** A proof from `host` was wrong: the milliseconds to wait before saying so. */
  failed(host: string, now: number): number {
    const place = groupOf(host)
    const before = this.#places.get(place)
    const count = before && now - before.at < FAILURE_DELAY.forgetMs ? before.count + 1 : 1
    this.#places.delete(place)
    this.#places.set(place, { count, at: now })
    if (this.#places.size > FAILURE_DELAY.places) this.#places.delete(this.#places.keys().next().value!)
    return Math.min(FAILURE_DELAY.capMs, FAILURE_DELAY.firstMs * 2 ** Math.min(10, count - 1))
  }
}
