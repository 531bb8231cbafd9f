/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from "../../src/transport/clock.ts"

interface Entry {
  at: number
  order: number
  run: () => void
  cancelled: boolean
}

/** Timers fire in order of time, then of creation, as the test advances. */
export class FakeClock implements Clock {
  #now = 0
  #order = 0
  #heap: Entry[] = []

  now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run, cancelled: false }
    this.#push(entry)
    return {
      cancel: () => {
        entry.cancelled = true
      },
    }
  }

  /** Timers waiting, cancelled ones not counted. */
  get pending(): number {
    return this.#heap.filter((entry) => !entry.cancelled).length
  }

  /** Moves time on by `ms`, running every timer that falls due, also those that timers set. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (let next = this.#heap[0]; next && next.at <= until; next = this.#heap[0]) {
      this.#pop()
      if (next.cancelled) continue
      this.#now = next.at
      next.run()
    }
    this.#now = until
  }

  #before(a: Entry, b: Entry): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++
      if (!this.#before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
