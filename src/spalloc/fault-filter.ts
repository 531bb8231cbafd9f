/** Faults of a machine, and which boards of a rectangle a job gets in spite of them. Source: the spalloc facts §11. */
import { BOARDS_PER_TRIAD, LINKS_PER_BOARD, type TriadTorus } from "./geometry.ts"
import type { Rectangle } from "./pack-tree.ts"

/** Dead boards and links by number; a link is `board * 6 + link`. */
export interface Faults {
  readonly boards: ReadonlySet<number>
  readonly links: ReadonlySet<number>
}

/** What a job puts up with; null is any number. */
export interface Tolerance {
  readonly maxDeadBoards: number | null
  readonly maxDeadLinks: number | null
  readonly requireTorus: boolean
}

/**
 * The boards of a rectangle that can be reached from board 0 of its left bottom triad, in order of number, if the
 * tolerance allows for the rest. `wanted` is the number of boards asked for; more are not missed.
 */
export function usableBoards(
  torus: TriadTorus,
  faults: Faults,
  rectangle: Rectangle,
  wanted: number,
  tolerance: Tolerance,
): number[] | undefined {
  const corner = torus.board(rectangle.x, rectangle.y, 0)
  if (faults.boards.has(corner)) return undefined
  const isEnough = (boards: number) => tolerance.maxDeadBoards === null || wanted - boards <= tolerance.maxDeadBoards
  // Cheaper than the flood that follows, and on a machine with faults most rectangles end here.
  if (!isEnough(rectangle.width * rectangle.height * BOARDS_PER_TRIAD - deadIn(torus, faults, rectangle)))
    return undefined
  const reached = flood(torus, faults, rectangle, corner)
  if (!isEnough(reached.size)) return undefined
  const { deadLinks, wraps } = linksAmong(torus, faults, reached, tolerance.requireTorus)
  if (tolerance.requireTorus && !wraps) return undefined
  if (tolerance.maxDeadLinks !== null && deadLinks > tolerance.maxDeadLinks) return undefined
  return [...reached].sort((one, other) => one - other)
}

function isInside(torus: TriadTorus, rectangle: Rectangle, board: number): boolean {
  const [x, y] = torus.place(board)
  const { width, height } = rectangle
  return x >= rectangle.x && y >= rectangle.y && x < rectangle.x + width && y < rectangle.y + height
}

function deadIn(torus: TriadTorus, faults: Faults, rectangle: Rectangle): number {
  let dead = 0
  for (const board of faults.boards) if (isInside(torus, rectangle, board)) dead++
  return dead
}

function flood(torus: TriadTorus, faults: Faults, rectangle: Rectangle, corner: number): Set<number> {
  const reached = new Set([corner])
  // A Set is walked in the order of insertion, what is added on the way included.
  for (const board of reached) {
    for (let link = 0; link < LINKS_PER_BOARD; link++) {
      if (faults.links.has(board * LINKS_PER_BOARD + link)) continue
      const next = torus.neighbour(board, link)
      if (!faults.boards.has(next) && isInside(torus, rectangle, next)) reached.add(next)
    }
  }
  return reached
}

/** Dead links between the boards, each direction for itself, and whether any link wraps around the machine. */
function linksAmong(
  torus: TriadTorus,
  faults: Faults,
  boards: ReadonlySet<number>,
  countWrapping: boolean,
): { deadLinks: number; wraps: boolean } {
  let deadLinks = 0
  let wraps = false
  for (const board of boards) {
    for (let link = 0; link < LINKS_PER_BOARD; link++) {
      if (!boards.has(torus.neighbour(board, link))) continue
      const wrapping = torus.crossesX(board, link) || torus.crossesY(board, link)
      wraps ||= wrapping
      if (faults.links.has(board * LINKS_PER_BOARD + link) && (countWrapping || !wrapping)) deadLinks++
    }
  }
  return { deadLinks, wraps }
}
