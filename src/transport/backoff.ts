/**
 * How long to wait before trying again: doubling, with full jitter, so that many clients that lost the same server
 * do not come back in step.
 */
import type { Random } from "./random.ts"

/** Bounds of a `Backoff`, in milliseconds. */
export interface BackoffOptions {
  /** Upper bound of the first wait. */
  readonly firstMs: number
  /** Upper bound that doubling stops at. */
  readonly capMs: number
  readonly random: Random
}

/**
 * What the relay retries with. Full jitter: a wait is uniform in [0, bound], with bounds 250 ms, 500 ms ... 15 s.
 */
export const RETRY = { firstMs: 250, capMs: 15_000 } as const

/** A sequence of waits. */
export class Backoff {
  #boundMs: number

  constructor(private readonly options: BackoffOptions) {
    this.#boundMs = Math.min(options.firstMs, options.capMs)
  }

  /** The next wait in whole milliseconds, at least 1 so that a retry never becomes a busy loop. */
  next(): number {
    const { capMs, random } = this.options
    const waitMs = Math.max(1, Math.round(random() * this.#boundMs))
    this.#boundMs = Math.min(this.#boundMs * 2, capMs)
    return waitMs
  }

  /** The trouble is over: the next wait is a first one again. */
  reset(): void {
    this.#boundMs = Math.min(this.options.firstMs, this.options.capMs)
  }
}
