/** Which boards failed to come up, how often in a row, and which are out of service for it. */
import type { Machine } from "./machine.ts"
import type { StoredHealth } from "./store.ts"

/** Failed power-ons in a row that take a board out of service. */
export const FAILURES_TO_LEAVE_SERVICE = 3

/** Failures of all machines' boards. Only power-ons count: boards that cannot come up often still go down. */
export class BoardHealth {
  readonly #failures = new Map<string, number>()
  readonly #changed = new Map<string, { readonly machine: Machine; readonly board: number }>()

  /** Takes up what was stored about a machine. */
  restore(machine: Machine, stored: readonly StoredHealth[]): void {
    for (const { board, failures, outDetail } of stored) {
      if (board >= machine.torus.boardCount) continue
      this.#failures.set(key(machine, board), failures)
      if (outDetail !== null) machine.outOfService.set(board, outDetail)
    }
    machine.faultsChanged()
  }

  /** True if this failure takes the board out of service. */
  failed(machine: Machine, board: number, detail: string): boolean {
    const failures = (this.#failures.get(key(machine, board)) ?? 0) + 1
    this.#failures.set(key(machine, board), failures)
    this.#changed.set(key(machine, board), { machine, board })
    if (failures < FAILURES_TO_LEAVE_SERVICE || machine.outOfService.has(board)) return false
    machine.outOfService.set(board, detail)
    machine.faultsChanged()
    return true
  }

  /** Forgets a board's failures; true if that brings it back into service. */
  recovered(machine: Machine, board: number): boolean {
    if (!this.#failures.delete(key(machine, board))) return false
    this.#changed.set(key(machine, board), { machine, board })
    if (!machine.outOfService.delete(board)) return false
    machine.faultsChanged()
    return true
  }

  /** Forgets all boards of a machine that is gone. */
  forget(machine: Machine): void {
    for (let board = 0; board < machine.torus.boardCount; board++) {
      if (this.#failures.delete(key(machine, board))) this.#changed.set(key(machine, board), { machine, board })
    }
  }

  /** Boards that failed the last time, in order. */
  failing(machine: Machine): { readonly board: number; readonly failures: number }[] {
    const found: { board: number; failures: number }[] = []
    for (let board = 0; board < machine.torus.boardCount; board++) {
      const failures = this.#failures.get(key(machine, board))
      if (failures !== undefined) found.push({ board, failures })
    }
    return found
  }

  get isUnsaved(): boolean {
    return this.#changed.size > 0
  }

  /** What changed since the last `saved`. */
  get unsaved(): StoredHealth[] {
    return [...this.#changed].map(([name, { machine, board }]) => ({
      machine: machine.name,
      board,
      failures: this.#failures.get(name) ?? 0,
      outDetail: machine.outOfService.get(board) ?? null,
    }))
  }

  saved(): void {
    this.#changed.clear()
  }
}

function key(machine: Machine, board: number): string {
  return `${board} ${machine.name}`
}
