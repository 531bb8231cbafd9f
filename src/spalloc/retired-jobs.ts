/** The last so many destroyed jobs and why they ended; older ones are forgotten. */

/** Reasons by job id, oldest first. */
export class RetiredJobs {
  readonly #reasons = new Map<number, string | null>()

  constructor(private limit: number) {}

  /** Remembers a job; returns those that are forgotten for it. */
  add(id: number, reason: string | null): number[] {
    this.#reasons.set(id, reason)
    return this.#trim()
  }

  /** Remembers another number of jobs from now on; returns those that are forgotten. */
  setLimit(limit: number): number[] {
    this.limit = limit
    return this.#trim()
  }

  /** The reason, null if none was given; undefined for a job that is not remembered. */
  reasonOf(id: number): string | null | undefined {
    return this.#reasons.get(id)
  }

  #trim(): number[] {
    const forgotten: number[] = []
    for (const id of this.#reasons.keys()) {
      if (this.#reasons.size <= this.limit) break
      this.#reasons.delete(id)
      forgotten.push(id)
    }
    return forgotten
  }
}
