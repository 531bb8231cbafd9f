/** Seeded faults on the way of datagrams to or from a fake board: loss, repeats, delay, and loss of exact datagrams. */
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"

/** What happens to datagrams on one path. Chances are 0..1, times milliseconds. */
export interface FaultSpec {
  /** Chance that a datagram (each copy of a doubled one) is lost. */
  readonly drop?: number
  /** Chance that a datagram arrives twice. */
  readonly duplicate?: number
  readonly delayMs?: number
  /** Added to the delay, uniformly 0..jitterMs; datagrams may overtake each other. */
  readonly jitterMs?: number
  /** Ordinal numbers of datagrams that are lost, counted from 1 on each path since the board started. */
  readonly dropList?: readonly number[]
}

/** Datagrams that one path keeps in flight at most; more are lost (`queue-full`). */
export const FAULT_QUEUE_LIMIT = 4096

/** Why a fault path lost a datagram. */
export type FaultReason = "fault" | "drop-list" | "queue-full"

/** One path with faults. The same seed and the same datagrams in the same order give the same faults. */
export class FaultPath {
  #count = 0
  #inFlight = 0
  readonly #spec: FaultSpec
  readonly #dropList: ReadonlySet<number>
  readonly #clean: boolean

  constructor(
    spec: FaultSpec,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly onLost: (reason: FaultReason, ordinal: number) => void,
  ) {
    this.#spec = spec
    this.#dropList = new Set(spec.dropList)
    this.#clean = !spec.drop && !spec.duplicate && !spec.delayMs && !spec.jitterMs && this.#dropList.size === 0
  }

  /** Datagrams seen so far; the next one is number `count + 1`. */
  get count(): number {
    return this.#count
  }

  /** Calls `deliver` zero, one or two times, at once where there is no delay. */
  pass(deliver: () => void): void {
    const ordinal = ++this.#count
    if (this.#clean) {
      deliver()
      return
    }
    if (this.#dropList.has(ordinal)) {
      this.onLost("drop-list", ordinal)
      return
    }
    const { drop = 0, duplicate = 0, delayMs = 0, jitterMs = 0 } = this.#spec
    const copies = duplicate > 0 && this.random() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (drop > 0 && this.random() < drop) {
        this.onLost("fault", ordinal)
        continue
      }
      const wait = delayMs + (jitterMs > 0 ? this.random() * jitterMs : 0)
      if (wait === 0) deliver()
      else if (this.#inFlight >= FAULT_QUEUE_LIMIT) this.onLost("queue-full", ordinal)
      else {
        this.#inFlight++
        this.clock.after(wait, () => {
          this.#inFlight--
          deliver()
        })
      }
    }
  }
}
