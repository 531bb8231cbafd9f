/** Whether a target can be reached, said once a change and seldom: a board that reboots flaps. Pure. */

import type { Observer } from "../observe/observer.ts"
import { type Address, formatAddress } from "./address.ts"

/** Least time between two lines about the same trouble, in milliseconds. */
export const HEALTH_QUIET_MS = 10_000

/** What the system and the target's own datagrams say about it. */
export class TargetHealth {
  #down = false
  #told = false
  #quietUntil = Number.NEGATIVE_INFINITY

  constructor(
    private readonly target: Address,
    private readonly observer: Observer,
  ) {}

  get down(): boolean {
    return this.#down
  }

  /** The system says that the target is not there; `detail` is its code. */
  unreachable(detail: string, now: number): void {
    this.#down = true
    if (this.#told || now < this.#quietUntil) return
    this.#told = true
    this.#quietUntil = now + HEALTH_QUIET_MS
    this.observer.event({ type: "target-unreachable", target: formatAddress(this.target), detail })
  }

  /** A datagram came from it. */
  heard(): void {
    this.#down = false
    if (!this.#told) return
    this.#told = false
    this.observer.event({ type: "target-back", target: formatAddress(this.target) })
  }
}
