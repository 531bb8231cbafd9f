/** Work that can wait: a little of it each time round the event loop, so that whoever asks little is answered soon. */
import type { Clock } from "../transport/clock.ts"

/** First come, first served. */
export class Turns {
  readonly #waiting = new Set<() => void>()
  #isDue = false

  /** After `budgetMs` of work in one time round the loop, the rest has to wait for the next. */
  constructor(
    private readonly clock: Clock,
    private readonly budgetMs: number,
  ) {}

  /** Calls `run` when it is its turn, never at once. */
  add(run: () => void): void {
    this.#waiting.add(run)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#round()
    })
  }

  #round(): void {
    const begun = this.clock.now()
    // What is added meanwhile stands behind, and is for the next time round.
    let left = this.#waiting.size
    for (const run of this.#waiting) {
      this.#waiting.delete(run)
      run()
      if (--left === 0 || this.clock.now() - begun >= this.budgetMs) break
    }
    if (this.#waiting.size > 0) this.#schedule()
  }
}
