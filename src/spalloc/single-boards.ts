/** Triads that are opened for jobs of one board, and which of their boards are taken. Source: the spalloc facts §11. */
import { BOARDS_PER_TRIAD } from "./geometry.ts"

/** Opened triads by the number of their board 0, in the order of opening. */
export class SingleBoards {
  readonly #taken = new Map<number, Set<number>>()

  /** Takes the first board of an opened triad that is not dead. */
  takeAny(isDead: (board: number) => boolean): number | undefined {
    for (const [triad, taken] of this.#taken) {
      for (let board = triad; board < triad + BOARDS_PER_TRIAD; board++) {
        if (taken.has(board) || isDead(board)) continue
        taken.add(board)
        return board
      }
    }
    return undefined
  }

  /** True if the board's triad is opened. */
  isOpen(board: number): boolean {
    return this.#taken.has(triadOf(board))
  }

  /** Takes the board of an opened triad, or opens its triad; false if it is taken. */
  take(board: number): boolean {
    const triad = triadOf(board)
    const taken = this.#taken.get(triad) ?? new Set()
    if (taken.has(board)) return false
    this.#taken.set(triad, taken.add(board))
    return true
  }

  /** Gives a board back; true if it was the last taken one of its triad, which is closed then. */
  free(board: number): boolean {
    const taken = this.#taken.get(triadOf(board))
    if (!taken?.delete(board)) throw new RangeError(`board ${board} is not taken as a single board`)
    if (taken.size > 0) return false
    this.#taken.delete(triadOf(board))
    return true
  }
}

/** Number of board 0 of the board's triad. */
function triadOf(board: number): number {
  return board - (board % BOARDS_PER_TRIAD)
}
