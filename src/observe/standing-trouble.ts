/** Trouble that lasts is said once and then more and more seldom: a machine that is off for a week must not fill a log. */
import type { Event } from "./events.ts"

/** The same trouble is said again after this, milliseconds; each time after twice as long. */
export const SAY_AGAIN_MS = 60_000
/** But no later than after this, milliseconds. */
export const SAY_AGAIN_AT_MOST_MS = 3_600_000
/** Targets that are remembered; the trouble of any beyond them is always said. */
const MAX_TARGETS = 64

interface Trouble {
  readonly detail: string
  sayAt: number
  gapMs: number
  /** Tries since it was said. */
  unsaid: number
}

/** What has been said of which target. */
export class StandingTrouble {
  readonly #troubles = new Map<string, Trouble>()

  /** How many tries have failed in the same way since this was last said; undefined if it is not to be said now. */
  untold(event: Event, now: number): number | undefined {
    const target = targetOf(event)
    if (target === undefined) {
      for (const over of overFor(event)) this.#troubles.delete(over)
      return 0
    }
    const { detail } = event as { detail: string }
    const known = this.#troubles.get(target)
    if (known?.detail === detail && now < known.sayAt) {
      known.unsaid++
      return undefined
    }
    const gapMs = known?.detail === detail ? Math.min(2 * known.gapMs, SAY_AGAIN_AT_MOST_MS) : SAY_AGAIN_MS
    if (known || this.#troubles.size < MAX_TARGETS) {
      this.#troubles.set(target, { detail, gapMs, sayAt: now + gapMs, unsaid: 0 })
    }
    return known?.detail === detail ? known.unsaid : 0
  }
}

/** Whom a failed try was for. */
function targetOf(event: Event): string | undefined {
  switch (event.type) {
    case "connect-failed":
    case "tunnel-not-let-in":
      return event.target
    case "resolve-failed":
      return event.name
    default:
      return undefined
  }
}

/** Whose trouble an event ends. */
function overFor(event: Event): readonly string[] {
  switch (event.type) {
    case "connected":
      return [event.target]
    case "tunnel-up":
      return [event.target, event.name]
    case "resolved":
      return [event.name]
    default:
      return []
  }
}
