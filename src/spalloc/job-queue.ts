/** First in, first out, of jobs that may leave from anywhere: a job that started on another machine, or was destroyed. */

/** Entries that have left and are still in the list before it is made anew. */
const MAX_LEFT = 64

/** Job ids in order of arrival. */
export class JobQueue {
  #ids: number[] = []
  #head = 0
  readonly #members = new Set<number>()

  get length(): number {
    return this.#members.size
  }

  add(id: number): void {
    if (this.#members.has(id)) return
    this.#members.add(id)
    this.#ids.push(id)
  }

  /** True if the job was in the queue. */
  remove(id: number): boolean {
    if (!this.#members.delete(id)) return false
    const left = this.#ids.length - this.#members.size
    // Made anew only after as many have left as stay, so that leaving costs the same however long the queue is.
    if (left > MAX_LEFT && left > this.#members.size) {
      this.#ids = [...this.#members]
      this.#head = 0
    }
    return true
  }

  /** The job whose turn it is. */
  get first(): number | undefined {
    while (this.#head < this.#ids.length && !this.#members.has(this.#ids[this.#head]!)) this.#head++
    return this.#ids[this.#head]
  }

  clear(): void {
    this.#ids = []
    this.#head = 0
    this.#members.clear()
  }
}
