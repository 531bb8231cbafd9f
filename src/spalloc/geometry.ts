/**
 * Where boards, chips and links of a machine of SpiNN-5 boards are. A machine is a torus of triads: squares of 12 chips
 * that three boards tile. Source: the spalloc facts §10, measured at the Python servers.
 */
import { SPIN5_ROWS, TRIAD_CHIPS, TRIAD_ETHERNETS } from "../protocol/spin5-board.ts"
import type { BoardPlace, ChipPlace } from "./types.ts"

/** Boards of a triad. */
export const BOARDS_PER_TRIAD = 3
/** Links of a board: E NE N W SW S. */
export const LINKS_PER_BOARD = 6
/** Width and height of the square around one board, in chips. */
export const BOARD_CHIPS = 8
/** What sticks out of the last triad where links do not wrap, in chips. */
const OVERHANG_CHIPS = 4

/** Triad step and board that link E NE N W SW S of board z leads to. */
const NEIGHBOURS: readonly (readonly (readonly [dx: number, dy: number, z: number])[])[] = [
  [
    [0, -1, 2],
    [0, 0, 1],
    [0, 0, 2],
    [-1, 0, 1],
    [-1, -1, 2],
    [-1, -1, 1],
  ],
  [
    [1, 0, 0],
    [1, 0, 2],
    [1, 1, 0],
    [0, 0, 2],
    [0, 0, 0],
    [0, -1, 2],
  ],
  [
    [0, 0, 1],
    [1, 1, 0],
    [0, 1, 1],
    [0, 1, 0],
    [-1, 0, 1],
    [0, 0, 0],
  ],
]

/** Names of links in the order of their numbers, as the Java server's files write them. */
export const LINK_NAMES = ["east", "northEast", "north", "west", "southWest", "south"] as const

/** -5 mod 4 is 3: what coordinates on a torus need. */
export function modulo(value: number, size: number): number {
  return ((value % size) + size) % size
}

/** The link at the other end of a link. */
export function oppositeLink(link: number): number {
  return (link + LINKS_PER_BOARD / 2) % LINKS_PER_BOARD
}

/** True if a board has such a chip of its own, counted from its Ethernet chip. */
export function boardHasChip(x: number, y: number): boolean {
  const row = SPIN5_ROWS[y]
  return row !== undefined && x >= row[0] && x <= row[1]
}

/** A torus of triads whose boards are numbered 0, 1, 2 … in the order of (x, y, z). */
export class TriadTorus {
  readonly boardCount: number
  readonly #neighbours: Int32Array
  /** Bit 0: the link crosses the machine's x edge; bit 1: the y edge. */
  readonly #crossings: Uint8Array

  /** Width and height in triads, at least 1. */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.boardCount = width * height * BOARDS_PER_TRIAD
    this.#neighbours = new Int32Array(this.boardCount * LINKS_PER_BOARD)
    this.#crossings = new Uint8Array(this.boardCount * LINKS_PER_BOARD)
    for (let board = 0; board < this.boardCount; board++) {
      const [x, y, z] = this.place(board)
      for (const [link, [dx, dy, toZ]] of NEIGHBOURS[z]!.entries()) {
        const [toX, toY] = [modulo(x + dx, width), modulo(y + dy, height)]
        const at = board * LINKS_PER_BOARD + link
        this.#neighbours[at] = this.board(toX, toY, toZ)
        this.#crossings[at] = (toX === x + dx ? 0 : 1) | (toY === y + dy ? 0 : 2)
      }
    }
  }

  /** Chips across and up when all links wrap. */
  get chipWidth(): number {
    return this.width * TRIAD_CHIPS
  }

  get chipHeight(): number {
    return this.height * TRIAD_CHIPS
  }

  /** True for whole numbers inside the machine. */
  has(x: number, y: number, z: number): boolean {
    return isBelow(x, this.width) && isBelow(y, this.height) && isBelow(z, BOARDS_PER_TRIAD)
  }

  /** Number of the board at a place that the machine has. */
  board(x: number, y: number, z: number): number {
    return (x * this.height + y) * BOARDS_PER_TRIAD + z
  }

  place(board: number): BoardPlace {
    const triad = Math.floor(board / BOARDS_PER_TRIAD)
    return [Math.floor(triad / this.height), triad % this.height, board % BOARDS_PER_TRIAD]
  }

  neighbour(board: number, link: number): number {
    return this.#neighbours[board * LINKS_PER_BOARD + link]!
  }

  crossesX(board: number, link: number): boolean {
    return (this.#crossings[board * LINKS_PER_BOARD + link]! & 1) !== 0
  }

  crossesY(board: number, link: number): boolean {
    return (this.#crossings[board * LINKS_PER_BOARD + link]! & 2) !== 0
  }

  /** The board's Ethernet chip in the whole machine. */
  ethernetChip(board: number): ChipPlace {
    const [x, y, z] = this.place(board)
    return [
      (x * TRIAD_CHIPS + TRIAD_ETHERNETS[z]!.x) % this.chipWidth,
      (y * TRIAD_CHIPS + TRIAD_ETHERNETS[z]!.y) % this.chipHeight,
    ]
  }

  /** The board that a chip of the whole machine is on, and the chip counted from that board's Ethernet chip. */
  boardOfChip(chipX: number, chipY: number): { readonly board: number; readonly boardChip: ChipPlace } {
    const [x, y] = [modulo(chipX, this.chipWidth), modulo(chipY, this.chipHeight)]
    const [triadX, triadY] = [Math.floor(x / TRIAD_CHIPS), Math.floor(y / TRIAD_CHIPS)]
    // A board reaches into the next triad only across and up: so its Ethernet chip is in this triad or one before it.
    for (let back = 0; back < 4; back++) {
      const [fromX, fromY] = [triadX - (back & 1), triadY - (back >> 1)]
      for (let z = 0; z < BOARDS_PER_TRIAD; z++) {
        const localX = x - fromX * TRIAD_CHIPS - TRIAD_ETHERNETS[z]!.x
        const localY = y - fromY * TRIAD_CHIPS - TRIAD_ETHERNETS[z]!.y
        if (!boardHasChip(localX, localY)) continue
        const board = this.board(modulo(fromX, this.width), modulo(fromY, this.height), z)
        return { board, boardChip: [localX, localY] }
      }
    }
    throw new RangeError(`no board has chip (${chipX}, ${chipY})`)
  }

  /** Links that lead from one of the boards to a board that is none of them. */
  linksOut(boards: readonly number[]): { readonly board: number; readonly link: number }[] {
    const members = new Set(boards)
    const out: { board: number; link: number }[] = []
    for (const board of boards) {
      for (let link = 0; link < LINKS_PER_BOARD; link++) {
        if (!members.has(this.neighbour(board, link))) out.push({ board, link })
      }
    }
    return out
  }

  /** Size in chips of the machine that these boards are to whoever boots them. */
  jobSize(boards: readonly number[]): { readonly width: number; readonly height: number } {
    if (boards.length === 1) return { width: BOARD_CHIPS, height: BOARD_CHIPS }
    const members = new Set(boards)
    const places = boards.map((board) => this.place(board))
    let wrapsX = false
    let wrapsY = false
    for (const board of boards) {
      for (let link = 0; link < LINKS_PER_BOARD; link++) {
        if (!members.has(this.neighbour(board, link))) continue
        wrapsX ||= this.crossesX(board, link)
        wrapsY ||= this.crossesY(board, link)
      }
    }
    const triadsAcross = extent(places.map(([x]) => x))
    const triadsUp = extent(places.map(([, y]) => y))
    return {
      width: triadsAcross * TRIAD_CHIPS + (wrapsX ? 0 : OVERHANG_CHIPS),
      height: triadsUp * TRIAD_CHIPS + (wrapsY ? 0 : OVERHANG_CHIPS),
    }
  }

  /** Ethernet chip of a job's board as the job sees it. `origin` is the first of the job's boards in order of number. */
  jobChip(board: number, origin: number): ChipPlace {
    const [x, y, z] = this.place(board)
    const [originX, originY, originZ] = this.place(origin)
    return [
      (x - originX) * TRIAD_CHIPS + TRIAD_ETHERNETS[z]!.x - TRIAD_ETHERNETS[originZ]!.x,
      (y - originY) * TRIAD_CHIPS + TRIAD_ETHERNETS[z]!.y - TRIAD_ETHERNETS[originZ]!.y,
    ]
  }
}

function isBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit
}

function extent(values: readonly number[]): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)]
  return high - low + 1
}
