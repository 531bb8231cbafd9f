/**
 * The shape of a machine: which chips there are, which of them have Ethernet, how links join them, and what is dead.
 * Source: spinnaker-wire §3.6 (outline of a SpiNN-5 board), rig and SpiNNMachine (triads, links of a SpiNN-3).
 */
import { SPIN5_ROWS, TRIAD_CHIPS, TRIAD_ETHERNETS } from "../protocol/spin5-board.ts"

/** A chip's place. */
export interface ChipPlace {
  readonly x: number
  readonly y: number
}

/** A link of a chip: 0 E, 1 NE, 2 N, 3 W, 4 SW, 5 S. */
export interface LinkPlace extends ChipPlace {
  readonly link: number
}

/** A core of a chip by its physical number, 0..17. */
export interface CorePlace extends ChipPlace {
  readonly core: number
}

/** Links of every chip. */
export const LINKS = 6
/** Cores of every chip, dead ones counted. */
export const CORES_PER_CHIP = 18
/** Most boards that one fake machine may have; 48 boards are 2304 chips. */
export const MAX_BOARDS = 48

/** How far each link leads. */
export const LINK_VECTORS: readonly (readonly [number, number])[] = [
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 0],
  [-1, -1],
  [0, -1],
]

const SPIN5_CHIPS: readonly ChipPlace[] = SPIN5_ROWS.flatMap(([first, last], y) =>
  Array.from({ length: last - first + 1 }, (_, index) => ({ x: first + index, y })),
)
const SPIN3_CHIPS: readonly ChipPlace[] = [0, 1].flatMap((x) => [0, 1].map((y) => ({ x, y })))

/** Links that a SpiNN-3 board does not have: its torus is closed north-south only. Source: SpiNNMachine's version 3. */
const SPIN3_MISSING: readonly LinkPlace[] = [
  { x: 0, y: 0, link: 3 },
  { x: 0, y: 0, link: 4 },
  { x: 0, y: 1, link: 3 },
  { x: 0, y: 1, link: 4 },
  { x: 1, y: 0, link: 0 },
  { x: 1, y: 0, link: 1 },
  { x: 1, y: 1, link: 0 },
  { x: 1, y: 1, link: 1 },
]

/** What to make a shape from. */
export interface ShapeOptions {
  readonly type?: BoardType
  /** Triads across and up; absent for a single board. */
  readonly triads?: { readonly width: number; readonly height: number }
  readonly deadChips?: readonly ChipPlace[]
  readonly deadCores?: readonly CorePlace[]
  /** One end is enough: a link is dead in both directions. */
  readonly deadLinks?: readonly LinkPlace[]
}

/** The boards that can be faked: 2x2 chips, or the hexagon of 48. */
export type BoardType = "spin3" | "spin5"

const key = (x: number, y: number): number => (x << 8) | y

/** A machine's shape; coordinates are those after a boot from board 0. */
export class MachineShape {
  readonly type: BoardType
  readonly width: number
  readonly height: number
  /** Ethernet chip of each board, by board number. */
  readonly ethernetChips: readonly ChipPlace[]
  /** All chips that work, dead ones left out. */
  readonly chips: readonly ChipPlace[]
  readonly #wraps: boolean
  readonly #boardOf = new Map<number, number>()
  readonly #deadCores = new Map<number, Set<number>>()
  readonly #deadLinks = new Set<number>()

  constructor(private readonly options: ShapeOptions = {}) {
    const { type = "spin5", triads } = options
    this.type = type
    this.#wraps = triads !== undefined || type === "spin3"
    this.width = triads ? triads.width * TRIAD_CHIPS : type === "spin3" ? 2 : 8
    this.height = triads ? triads.height * TRIAD_CHIPS : type === "spin3" ? 2 : 8
    this.ethernetChips = triads ? triadBoards(triads.width, triads.height) : [{ x: 0, y: 0 }]
    if (this.ethernetChips.length > MAX_BOARDS || this.width > 255 || this.height > 255) {
      throw new RangeError(`Cannot fake ${this.ethernetChips.length} boards: expected at most ${MAX_BOARDS}`)
    }
    const dead = new Set((options.deadChips ?? []).map(({ x, y }) => key(x, y)))
    for (const [board, ethernet] of this.ethernetChips.entries()) {
      for (const { x, y } of type === "spin3" ? SPIN3_CHIPS : SPIN5_CHIPS) {
        const place = key((ethernet.x + x) % this.width, (ethernet.y + y) % this.height)
        if (!dead.has(place)) this.#boardOf.set(place, board)
      }
    }
    this.chips = [...this.#boardOf.keys()].map((place) => ({ x: place >> 8, y: place & 0xff }))
    for (const { x, y, core } of options.deadCores ?? []) {
      const cores = this.#deadCores.get(key(x, y)) ?? new Set()
      this.#deadCores.set(key(x, y), cores.add(core))
    }
    const missing = type === "spin3" && !triads ? SPIN3_MISSING : []
    for (const place of [...missing, ...(options.deadLinks ?? [])]) this.#killLink(place)
  }

  /** The same machine with all chips of some boards dead; board numbers stay. */
  withoutBoards(boards: ReadonlySet<number>): MachineShape {
    if (boards.size === 0) return this
    const lost = this.chips.filter(({ x, y }) => boards.has(this.boardOf(x, y)!))
    return new MachineShape({ ...this.options, deadChips: [...(this.options.deadChips ?? []), ...lost] })
  }

  /** Number of the board that the chip is on; undefined where there is no (living) chip. */
  boardOf(x: number, y: number): number | undefined {
    return this.#boardOf.get(key(x, y))
  }

  /** The chip at the other end of a link that works. */
  neighbour(x: number, y: number, link: number): ChipPlace | undefined {
    if (this.#deadLinks.has((key(x, y) << 3) | link) || this.boardOf(x, y) === undefined) return undefined
    const place = this.#step(x, y, link)
    return place && this.boardOf(place.x, place.y) !== undefined ? place : undefined
  }

  /** Physical numbers of the working cores of a chip, lowest first. */
  workingCores(x: number, y: number): number[] {
    const dead = this.#deadCores.get(key(x, y))
    return Array.from({ length: CORES_PER_CHIP }, (_, core) => core).filter((core) => !dead?.has(core))
  }

  #step(x: number, y: number, link: number): ChipPlace | undefined {
    const vector = LINK_VECTORS[link]
    if (!vector) return undefined
    const [toX, toY] = [x + vector[0], y + vector[1]]
    if (this.#wraps) return { x: (toX + this.width) % this.width, y: (toY + this.height) % this.height }
    return toX >= 0 && toY >= 0 && toX < this.width && toY < this.height ? { x: toX, y: toY } : undefined
  }

  #killLink({ x, y, link }: LinkPlace): void {
    this.#deadLinks.add((key(x, y) << 3) | link)
    const other = this.#step(x, y, link)
    if (other) this.#deadLinks.add((key(other.x, other.y) << 3) | ((link + 3) % LINKS))
  }
}

function triadBoards(width: number, height: number): ChipPlace[] {
  const boards: ChipPlace[] = []
  for (let triadX = 0; triadX < width; triadX++) {
    for (let triadY = 0; triadY < height; triadY++) {
      for (const { x, y } of TRIAD_ETHERNETS) boards.push({ x: triadX * TRIAD_CHIPS + x, y: triadY * TRIAD_CHIPS + y })
    }
  }
  return boards
}
