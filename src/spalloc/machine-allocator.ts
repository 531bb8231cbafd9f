/** Gives out the boards of one machine and takes them back. Source: the spalloc facts §11. */
import { type Faults, usableBoards } from "./fault-filter.ts"
import { BOARDS_PER_TRIAD, type TriadTorus } from "./geometry.ts"
import { PackTree, type Rectangle } from "./pack-tree.ts"
import { rectangleFor, type Size, triadsFor } from "./shapes.ts"
import { SingleBoards } from "./single-boards.ts"
import type { JobRequest } from "./types.ts"

/** Boards given to a job. */
export interface Allocation {
  /** Boards by number, ascending; all that works and can be reached in the rectangle, or the one board. */
  readonly boards: readonly number[]
  /** What is used in triads; undefined for a single board. */
  readonly rectangle: Rectangle | undefined
}

/** What of a request the allocator looks at. */
export type Wanted = Pick<JobRequest, "shape" | "minRatio" | "maxDeadBoards" | "maxDeadLinks" | "requireTorus">

/** Answers to `isPossible` that are kept. */
const MAX_KNOWN = 1000

/** One machine's boards. */
export class MachineAllocator {
  readonly #tree: PackTree
  readonly #singles = new SingleBoards()
  #faults: Faults
  #gains = 0
  /** Whether requests are possible: a queue has many of the same, and on a large machine with faults it takes long to tell. */
  readonly #known = new Map<string, boolean>()

  constructor(
    private readonly torus: TriadTorus,
    faults: Faults,
  ) {
    this.#faults = faults
    this.#tree = new PackTree(torus)
  }

  get faults(): Faults {
    return this.#faults
  }

  set faults(faults: Faults) {
    this.#faults = faults
    this.#gains++
    this.#known.clear()
  }

  /** Goes up whenever a request that could not be met may be met now. */
  get gains(): number {
    return this.#gains
  }

  /** True when every board is back. */
  get isFree(): boolean {
    return this.#tree.isFree
  }

  /** Whether the request could be met if all of the machine were free. */
  isPossible(wanted: Wanted): boolean {
    const { shape } = wanted
    if (shape.kind === "board") return this.torus.has(...shape.place) && !this.#isDead(this.torus.board(...shape.place))
    if (isSingle(wanted)) return this.faults.boards.size < this.torus.boardCount
    const { minRatio, maxDeadBoards, maxDeadLinks, requireTorus } = wanted
    const key = JSON.stringify([shape, minRatio, maxDeadBoards, maxDeadLinks, requireTorus])
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const isPossible = this.#allocateIn(new PackTree(this.torus), wanted) !== undefined
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(key, isPossible)
    return isPossible
  }

  /** The boards of a request that can be met now. */
  allocate(wanted: Wanted): Allocation | undefined {
    const { shape } = wanted
    if (shape.kind === "board") {
      return this.torus.has(...shape.place) ? this.#allocateBoard(this.torus.board(...shape.place)) : undefined
    }
    return isSingle(wanted) ? this.#allocateAnyBoard() : this.#allocateIn(this.#tree, wanted)
  }

  free(allocation: Allocation): void {
    this.#gains++
    const { boards, rectangle } = allocation
    if (rectangle) {
      this.#tree.free(rectangle.x, rectangle.y)
      return
    }
    if (!this.#singles.free(boards[0]!)) return
    const [x, y] = this.torus.place(boards[0]!)
    this.#tree.free(x, y)
  }

  /** Takes up allocations of a former process; throws a RangeError if two want the same triads. */
  restore(allocations: readonly Allocation[]): void {
    const rectangles: Rectangle[] = []
    for (const { boards, rectangle } of allocations) {
      if (rectangle) {
        rectangles.push(rectangle)
        continue
      }
      const board = boards[0]!
      const [x, y] = this.torus.place(board)
      if (!this.#singles.isOpen(board)) rectangles.push({ x, y, width: 1, height: 1 })
      if (!this.#singles.take(board)) throw new RangeError(`board ${this.torus.place(board)} is allocated twice`)
    }
    this.#tree.restore(rectangles)
  }

  #isDead(board: number): boolean {
    return this.faults.boards.has(board)
  }

  #allocateBoard(board: number): Allocation | undefined {
    if (this.#isDead(board)) return undefined
    const [x, y] = this.torus.place(board)
    if (!this.#singles.isOpen(board) && !this.#tree.request(x, y)) return undefined
    return this.#singles.take(board) ? { boards: [board], rectangle: undefined } : undefined
  }

  #allocateAnyBoard(): Allocation | undefined {
    const isDead = (board: number) => this.#isDead(board)
    const opened = this.#singles.takeAny(isDead)
    if (opened !== undefined) return { boards: [opened], rectangle: undefined }
    const boardsOf = ({ x, y }: { x: number; y: number }): number[] =>
      Array.from({ length: BOARDS_PER_TRIAD }, (_, z) => this.torus.board(x, y, z))
    const triad = this.#tree.allocate(
      () => ({ width: 1, height: 1 }),
      (place) => !boardsOf(place).every(isDead),
    )
    const board = triad && boardsOf(triad).find((one) => !isDead(one))
    if (board === undefined) return undefined
    this.#singles.take(board)
    return { boards: [board], rectangle: undefined }
  }

  #allocateIn(tree: PackTree, wanted: Wanted): Allocation | undefined {
    const { shape } = wanted
    let boards: number[] | undefined
    const rectangle = tree.allocate(
      (region) => this.#sizeIn(wanted, region),
      (place) => {
        const count = shape.kind === "boards" ? shape.count : place.width * place.height * BOARDS_PER_TRIAD
        boards = usableBoards(this.torus, this.faults, place, count, wanted)
        return boards !== undefined
      },
    )
    return rectangle && boards && { boards, rectangle }
  }

  #sizeIn({ shape, minRatio, requireTorus }: Wanted, region: Size): Size | undefined {
    const isWhole = ({ width, height }: Size) => width === this.torus.width && height === this.torus.height
    switch (shape.kind) {
      case "board":
        return undefined
      case "triads": {
        const fits = shape.width > 0 && shape.height > 0 && shape.width <= region.width && shape.height <= region.height
        return fits && (!requireTorus || isWhole(shape)) ? shape : undefined
      }
      case "boards": {
        const triads = triadsFor(shape.count)
        if (requireTorus && triads !== this.torus.width * this.torus.height) return undefined
        return rectangleFor(triads, region, minRatio)
      }
    }
  }
}

/** True for a job of any one board. */
function isSingle({ shape }: Wanted): boolean {
  return shape.kind === "boards" && shape.count === 1
}
