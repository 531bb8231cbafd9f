/** What all flows to one board share, whichever application they belong to. */
import type { Observer } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"

/** One board (or, on a client, the far end that stands for it). Stages keep their own state; this is its name and means. */
export interface Board {
  /** What a person calls it: the TARGET of the command line. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly observer: Observer
}
