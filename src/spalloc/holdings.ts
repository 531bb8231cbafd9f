/** All boards that are not free: switching them, resting them, and giving them back. */
import type { Changes } from "./changes.ts"
import { type HeldFrame, type Holding, holdingOf } from "./holding.ts"
import type { Machine } from "./machine.ts"
import type { Allocation } from "./machine-allocator.ts"
import type { PowerLedger } from "./power-ledger.ts"
import type { StoredHolding } from "./store.ts"

/** What holdings are made of and tell of. */
export interface HoldingsOptions {
  machines(): ReadonlyMap<string, Machine>
  readonly changes: Changes
  readonly power: PowerLedger
  /** Rest of a board between two jobs. */
  restMs(): number
  /** Unix milliseconds. */
  wallTime(): number
}

/** Every job's boards, those of destroyed jobs included until they are free. */
export class Holdings {
  readonly #byJob = new Map<number, Holding>()

  constructor(private readonly options: HoldingsOptions) {}

  /** By job, in the order in which the boards were taken. */
  get all(): ReadonlyMap<number, Holding> {
    return this.#byJob
  }

  /** Gives a job boards and switches them on. */
  take(jobId: number, machine: Machine, allocation: Allocation): Holding {
    const { changes, power } = this.options
    const frames = machine.framesOf(allocation.boards)
    const phase = { kind: "held" } as const
    const holding: Holding = { jobId, machine: machine.name, allocation, frames, phase, orphan: false }
    this.#byJob.set(jobId, holding)
    changes.holding(jobId)
    for (const board of allocation.boards) machine.holders.set(board, jobId)
    changes.machine(machine.name)
    power.command(holding, true)
    return holding
  }

  /** Switches the boards of a job off that is no more. */
  release(holding: Holding): void {
    const { machines, changes, power } = this.options
    const machine = machines().get(holding.machine)
    for (const board of holding.allocation.boards) machine?.holders.delete(board)
    changes.machine(holding.machine)
    holding.phase = { kind: "off" }
    changes.holding(holding.jobId)
    power.command(holding, false)
  }

  /** The boards of a job that is no more are switched off: now they rest. */
  rest(holding: Holding): void {
    // Boards whose power-off failed are given back too: the next power-on shows what is the matter with them.
    const restMs = this.options.restMs()
    if (holding.orphan || restMs === 0) {
      this.#free(holding)
      return
    }
    holding.phase = { kind: "cooling", untilMs: this.options.wallTime() + restMs }
    this.options.changes.holding(holding.jobId)
  }

  /** Gives back what has rested. */
  freeRested(): void {
    const [now, restMs] = [this.options.wallTime(), this.options.restMs()]
    for (const holding of [...this.#byJob.values()]) {
      if (holding.phase.kind !== "cooling") continue
      // A wall clock that was set back must not keep boards for longer than they have to rest.
      const left = holding.phase.untilMs - now
      if (left <= 0 || left > restMs) this.#free(holding)
    }
  }

  /** What a machine's boards were taken for is not given back to anything: the machine goes. Its jobs are gone already. */
  orphan(machine: string): void {
    for (const holding of [...this.#byJob.values()]) {
      if (holding.machine !== machine || holding.orphan) continue
      holding.orphan = true
      if (holding.phase.kind === "cooling") {
        this.#free(holding)
        continue
      }
      this.options.changes.holding(holding.jobId)
      this.options.power.hurry(holding)
    }
  }

  /** True while the board of that number in the frame is anybody's, also an orphan's. */
  isHeld({ bmp }: Pick<HeldFrame, "bmp">, inFrame: number): boolean {
    for (const { frames } of this.#byJob.values()) {
      if (frames.some((frame) => frame.bmp === bmp && frame.boards.includes(inFrame))) return true
    }
    return false
  }

  /** Takes up what a former process stored; `isSame` tells machines that are still as they were then. */
  restore(rows: readonly StoredHolding[], isSame: (machine: string) => boolean): void {
    for (const row of rows) {
      const holding = holdingOf(row, row.orphan || !isSame(row.machine))
      this.#byJob.set(row.jobId, holding)
      if (holding.orphan !== row.orphan) this.options.changes.holding(row.jobId)
    }
    for (const machine of this.options.machines().values()) {
      const held = [...this.#byJob.values()].filter((one) => !one.orphan && one.machine === machine.name)
      machine.allocator.restore(held.map(({ allocation }) => allocation))
    }
  }

  /** Goes on with what a former process left half done for a job that is no more. */
  resume(holding: Holding): void {
    if (holding.phase.kind !== "cooling") this.options.power.command(holding, false)
    else if (holding.orphan) this.#free(holding)
  }

  #free(holding: Holding): void {
    this.#byJob.delete(holding.jobId)
    this.options.changes.holding(holding.jobId)
    if (!holding.orphan) this.options.machines().get(holding.machine)?.allocator.free(holding.allocation)
  }
}
