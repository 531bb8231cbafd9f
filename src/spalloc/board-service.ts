/** Which boards are in service: what power-ons say of them, trials of those that are out, and the operator's word. */
import type { BoardHealth } from "./board-health.ts"
import type { Changes } from "./changes.ts"
import type { HeldFrame } from "./holding.ts"
import type { Machine } from "./machine.ts"
import type { PowerLedger, TrialPurpose } from "./power-ledger.ts"
import type { BoardPlace, PhysicalPlace, PowerResult } from "./types.ts"

/** How often a board out of service is tried out. */
export const TRIAL_INTERVAL_MS = 10 * 60_000

/** A board left service, or came back. */
export type BoardServiceEvent =
  | {
      readonly type: "board-out-of-service"
      readonly machine: string
      readonly board: BoardPlace
      readonly physical: PhysicalPlace
      readonly detail: string
    }
  | {
      readonly type: "board-back"
      readonly machine: string
      readonly board: BoardPlace
      readonly physical: PhysicalPlace
    }

/** A board that failed the last time, or is out of service. */
export interface FailingBoard {
  readonly machine: string
  readonly board: BoardPlace
  readonly physical: PhysicalPlace
  readonly bmp: string
  /** Power-ons that failed in a row. */
  readonly failures: number
  /** Why it is out of service; null while it is not. */
  readonly outOfService: string | null
}

export interface BoardServiceOptions {
  machines(): ReadonlyMap<string, Machine>
  readonly health: BoardHealth
  readonly power: PowerLedger
  readonly changes: Changes
  readonly onEvent: (event: BoardServiceEvent) => void
  /** True while the board of that number in the frame is anybody's. */
  isHeld(frame: HeldFrame, inFrame: number): boolean
}

/** All machines' boards. */
export class BoardService {
  constructor(private readonly options: BoardServiceOptions) {}

  /** What a power-on says about the boards; true if one left or came back into service. */
  judge(machine: Machine, frame: HeldFrame, result: PowerResult): boolean {
    let changed = false
    const blamed = new Set(result.kind === "failed" ? (result.boards ?? frame.boards) : [])
    for (const inFrame of frame.boards) {
      const board = machine.boardAt(frame.cabinet, frame.frame, inFrame)
      if (board === undefined) continue
      if (result.kind === "done") changed = this.#recovered(machine, board) || changed
      else if (blamed.has(inFrame)) changed = this.#failed(machine, board, result.detail) || changed
    }
    return changed
  }

  /** Puts a board back; false if there is no such board, or it is in service. */
  restore(machineName: string, [x, y, z]: BoardPlace): boolean {
    const machine = this.options.machines().get(machineName)
    if (!machine?.torus.has(x, y, z)) return false
    return this.#recovered(machine, machine.torus.board(x, y, z))
  }

  /** Tries out the boards that are out of service. */
  tryOut(): void {
    const { power, isHeld } = this.options
    for (const { machine, board, frame } of this.#outOfService()) {
      if (!isHeld(frame, frame.boards[0]!) && !power.isTrying(machine, board)) power.tryOut(machine, board, frame, true)
    }
  }

  /** Switches off what a former process may have left on while it tried it out. */
  endTrials(): void {
    const { power, isHeld } = this.options
    for (const { machine, board, frame } of this.#outOfService()) {
      if (!isHeld(frame, frame.boards[0]!)) power.tryOut(machine, board, frame, false)
    }
  }

  /** A board tried out must not stay on, unless it came back meanwhile and somebody has it. */
  tried({ machine, board, frame, on }: TrialPurpose): void {
    const { power, isHeld } = this.options
    if (on && !isHeld(frame, frame.boards[0]!)) power.tryOut(machine, board, frame, false)
  }

  /** Boards that failed the last time, in the order of machines and boards. */
  get failing(): FailingBoard[] {
    return [...this.options.machines().values()].flatMap((machine) =>
      this.options.health.failing(machine).map(({ board, failures }) => ({
        ...namesOf(machine, board),
        bmp: machine.framesOf([board])[0]!.bmp,
        failures,
        outOfService: machine.outOfService.get(board) ?? null,
      })),
    )
  }

  #outOfService(): { machine: string; board: number; frame: HeldFrame }[] {
    return [...this.options.machines().values()].flatMap((machine) =>
      [...machine.outOfService.keys()].flatMap((board) =>
        machine.framesOf([board]).map((frame) => ({ machine: machine.name, board, frame })),
      ),
    )
  }

  #failed(machine: Machine, board: number, detail: string): boolean {
    if (!this.options.health.failed(machine, board, detail)) return false
    this.options.changes.machine(machine.name)
    this.options.onEvent({ type: "board-out-of-service", ...namesOf(machine, board), detail })
    return true
  }

  #recovered(machine: Machine, board: number): boolean {
    if (!this.options.health.recovered(machine, board)) return false
    this.options.changes.machine(machine.name)
    this.options.onEvent({ type: "board-back", ...namesOf(machine, board) })
    return true
  }
}

function namesOf(machine: Machine, board: number): { machine: string; board: BoardPlace; physical: PhysicalPlace } {
  return { machine: machine.name, board: machine.torus.place(board), physical: machine.physicalOf(board)! }
}
