/** Who waits for a board, in the order of first attempts; whoever stops trying loses his place. Pure. */

/** Users who wait for one board at most; more are held back all the same, but not remembered. */
export const WAITING_LIMIT = 64
/** A user who has not tried for this long waits no more, milliseconds: longer than a person's next try by hand takes. */
export const WAITING_MS = 30_000
/** A wait is told again after this, milliseconds. */
export const WAITING_AGAIN_MS = 60_000

interface Entry {
  lastTry: number
  saidAt: number
}

/** The queue of one board. */
export class LeaseWaiting {
  /** By user; a Map keeps the order in which they came. */
  readonly #users = new Map<string, Entry>()

  /** Users who still try, the first in turn first. */
  users(now: number): string[] {
    for (const [user, { lastTry }] of this.#users) if (now - lastTry > WAITING_MS) this.#users.delete(user)
    return [...this.#users.keys()]
  }

  /** False for certain if nobody waits; who has given up may still count. */
  get any(): boolean {
    return this.#users.size > 0
  }

  /** `user` tries; true if that is worth a line in the log. */
  tried(user: string, now: number): boolean {
    const entry = this.#users.get(user)
    if (entry && now - entry.lastTry <= WAITING_MS) {
      entry.lastTry = now
      if (now - entry.saidAt < WAITING_AGAIN_MS) return false
      entry.saidAt = now
      return true
    }
    this.#users.delete(user)
    if (this.#users.size >= WAITING_LIMIT && this.users(now).length >= WAITING_LIMIT) return false
    this.#users.set(user, { lastTry: now, saidAt: now })
    return true
  }

  /** How many stand before `user`. */
  ahead(user: string): number {
    let ahead = 0
    for (const other of this.#users.keys()) {
      if (other === user) break
      ahead++
    }
    return ahead
  }

  /** `user`, if he waits, stands behind everyone. */
  toBack(user: string): void {
    const entry = this.#users.get(user)
    if (!this.#users.delete(user) || !entry) return
    this.#users.set(user, entry)
  }

  remove(user: string): void {
    this.#users.delete(user)
  }

  clear(): void {
    this.#users.clear()
  }
}
