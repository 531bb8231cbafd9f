/** Holds back what would fill a log: of many lines alike a few are told at once, and the rest as one with a count. */

/** Lines of one kind about one party that are told in a row before counting begins. */
export const BURST = 10
/** Parties that are told apart; all others share one count for each kind. */
const MAX_PARTIES = 256

/** Events that were counted and not told: how many, and the last of them. */
export interface Untold<E> {
  readonly count: number
  readonly last: E
}

/** Counts events by kind and party, from one report to the next. */
export class Repeats<E extends { readonly type: string }> {
  #seen = new Map<string, { count: number; last: E }>()

  /** Counts an event of the party that `key` names; true if there have been enough like it to tell no more of them now. */
  hold(key: string, event: E): boolean {
    const known = this.#seen.has(key) || this.#seen.size < MAX_PARTIES ? key : event.type
    const seen = this.#seen.get(known) ?? { count: 0, last: event }
    seen.count++
    seen.last = event
    this.#seen.set(known, seen)
    return seen.count > BURST
  }

  /** What has been held back since the last call, and begins anew. */
  take(): Untold<E>[] {
    const seen = [...this.#seen.values()]
    this.#seen.clear()
    return seen.filter(({ count }) => count > BURST).map(({ count, last }) => ({ count: count - BURST, last }))
  }
}
