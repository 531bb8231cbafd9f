/**
 * TCP connections of the plain modes as sessions of their hosts: a client that is ended takes its host's boards with
 * it, one whose connection was lost has a while to come back.
 */
import type { Clock, Timer } from "../transport/clock.ts"
import type { Leases } from "./leases.ts"

/** How long a lost connection's host keeps its boards, milliseconds: as long as a session of the safe way resumes. */
export const RESUME_MS = 60_000

/** Lost connections that may come back; with more, the next ones end at once. */
const MAX_LOST = 256

/** The connections of one server. */
export class PeerSessions {
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #ending = new Set<Timer>()
  #nextId = 1

  constructor(leases: Leases, clock: Clock) {
    this.#leases = leases
    this.#clock = clock
  }

  /** A peer at `host` has begun to speak; call what is returned when it has gone. */
  began(host: string): (how: "clean" | "lost") => void {
    const id = `tcp-${this.#nextId++}`
    this.#leases.sessionBegan(host, id)
    return (how) => {
      if (how === "clean" || this.#ending.size >= MAX_LOST) {
        this.#leases.sessionEnded(host, id, how)
        return
      }
      const timer = this.#clock.after(RESUME_MS, () => {
        this.#ending.delete(timer)
        this.#leases.sessionEnded(host, id, how)
      })
      this.#ending.add(timer)
    }
  }

  close(): void {
    for (const timer of this.#ending) timer.cancel()
    this.#ending.clear()
  }
}
