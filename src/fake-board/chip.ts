/** One chip of a fake machine: where it sits and what it remembers. */
import { Memory, type PageBudget } from "./memory.ts"

/** A chip of a booted machine. */
export class Chip {
  readonly memory: Memory

  constructor(
    readonly x: number,
    readonly y: number,
    budget?: PageBudget,
  ) {
    this.memory = new Memory(budget)
  }

  /** x << 8 | y, as SDP headers and P2P packets have it. */
  get address(): number {
    return (this.x << 8) | this.y
  }
}
