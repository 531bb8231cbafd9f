/** Which power work is under way for which boards, and what is to be given out next. */
import type { HeldFrame, Holding } from "./holding.ts"
import type { PowerWork } from "./types.ts"

/** What a piece of work was for. */
export type WorkPurpose =
  | { readonly kind: "holding"; readonly holding: Holding; readonly frame: HeldFrame; readonly on: boolean }
  | TrialPurpose

/** A board out of service is switched on to see whether it comes up, then off again. */
export interface TrialPurpose {
  readonly kind: "trial"
  readonly machine: string
  readonly board: number
  readonly frame: HeldFrame
  readonly on: boolean
}

/** Work is one at a time for each frame of a holding; of commands that wait for it only the last counts. */
export class PowerLedger {
  #nextId = 1
  #fresh: PowerWork[] = []
  readonly #running = new Map<number, WorkPurpose>()

  /** Switches all frames of a holding, after what is under way. */
  command(holding: Holding, on: boolean): void {
    for (const frame of holding.frames) {
      frame.next = on
      this.#pump(holding, frame)
    }
  }

  /**
   * Gives out at once what waits for work that is under way: a BMP does one thing after another, and what is given out
   * for other holdings of the same boards from now on must come last.
   */
  hurry(holding: Holding): void {
    for (const frame of holding.frames) if (frame.next !== undefined) this.#give(holding, frame, frame.next)
  }

  /** Switches a board that no job has. */
  tryOut(machine: string, board: number, frame: HeldFrame, on: boolean): void {
    this.#begin({ kind: "trial", machine, board, frame, on }, machine, null)
  }

  /** True while the board is being tried out. */
  isTrying(machine: string, board: number): boolean {
    for (const purpose of this.#running.values()) {
      if (purpose.kind === "trial" && purpose.machine === machine && purpose.board === board) return true
    }
    return false
  }

  /** What ended; undefined for an id that is not under way. */
  ended(id: number): WorkPurpose | undefined {
    const purpose = this.#running.get(id)
    if (!purpose) return undefined
    this.#running.delete(id)
    if (purpose.kind === "holding") {
      if (purpose.frame.running === id) purpose.frame.running = undefined
      this.#pump(purpose.holding, purpose.frame)
    }
    return purpose
  }

  /** Work given out since the last time. */
  take(): PowerWork[] {
    const fresh = this.#fresh
    this.#fresh = []
    return fresh
  }

  #pump(holding: Holding, frame: HeldFrame): void {
    if (frame.running === undefined && frame.next !== undefined) this.#give(holding, frame, frame.next)
  }

  #give(holding: Holding, frame: HeldFrame, on: boolean): void {
    frame.next = undefined
    const jobId = holding.phase.kind === "held" ? holding.jobId : null
    frame.running = this.#begin({ kind: "holding", holding, frame, on }, holding.machine, jobId)
  }

  #begin(purpose: WorkPurpose, machine: string, jobId: number | null): number {
    const id = this.#nextId++
    this.#running.set(id, purpose)
    const { cabinet, frame, bmp, boards, isolate } = purpose.frame
    const { on } = purpose
    this.#fresh.push({ id, machine, cabinet, frame, bmp, jobId, boards, on, isolate: on ? isolate : [] })
    return id
  }
}
