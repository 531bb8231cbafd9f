/**
 * A machine drawn in text, every board a hexagon, as the Python tools draw it. Boards of one job have no edges between
 * them, so that a job is seen as one piece.
 */
import type { BoardPlace, LinkPlace } from "./types.ts"

/** What to draw. */
export interface MapOptions {
  /** Triads. */
  readonly width: number
  readonly height: number
  readonly deadBoards: readonly BoardPlace[]
  readonly deadLinks: readonly LinkPlace[]
  /** Groups of boards with at most three characters for each. */
  readonly groups: readonly { readonly label: string; readonly boards: readonly BoardPlace[] }[]
}

/** A board's hexagon: column and row, upward, of the drawing. */
function position([x, y, z]: BoardPlace): readonly [number, number] {
  return [2 * x - y + (z === 1 ? 1 : 0), 3 * y + z]
}

const key = (column: number, row: number): string => `${column},${row}`

/**
 * Each hexagon owns its S, SW and W edges; the others are its neighbours'. For links E NE N W SW S: the neighbour's
 * offset, and which edge of which of the two lies between.
 */
const EDGES: readonly { readonly owner: readonly [number, number]; readonly edge: "south" | "southWest" | "west" }[] = [
  { owner: [1, -1], edge: "west" },
  { owner: [1, 1], edge: "southWest" },
  { owner: [0, 2], edge: "south" },
  { owner: [0, 0], edge: "west" },
  { owner: [0, 0], edge: "southWest" },
  { owner: [0, 0], edge: "south" },
]
const OFFSETS: readonly (readonly [number, number])[] = [
  [1, -1],
  [1, 1],
  [0, 2],
  [-1, 1],
  [-1, -1],
  [0, -2],
]

const STROKES = { south: "___", southWest: "\\", west: "/" } as const
const DEAD_STROKES = { south: "XXX", southWest: "X", west: "X" } as const

/** The drawing, a line for each row, without spaces at the ends. */
export function boardMap({ width, height, deadBoards, deadLinks, groups }: MapOptions): string[] {
  const dead = new Set(deadBoards.map(String))
  const groupOf = new Map<string, number>()
  const labels = new Map<string, string>()
  for (const [index, { label, boards }] of groups.entries()) {
    for (const board of boards) {
      groupOf.set(key(...position(board)), index)
      labels.set(key(...position(board)), label)
    }
  }
  const canvas = new Canvas()
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      for (let z = 0; z < 3; z++) {
        if (dead.has(String([x, y, z]))) continue
        const [column, row] = position([x, y, z])
        const own = groupOf.get(key(column, row))
        canvas.label(column, row, labels.get(key(column, row)) ?? ".")
        for (const [link, { owner, edge }] of EDGES.entries()) {
          const [dx, dy] = OFFSETS[link]!
          const inside = own !== undefined && groupOf.get(key(column + dx, row + dy)) === own
          if (!inside) canvas.edge(column + owner[0], row + owner[1], edge, STROKES[edge])
        }
      }
    }
  }
  for (const [x, y, z, link] of deadLinks) {
    const [column, row] = position([x, y, z])
    const { owner, edge } = EDGES[link]!
    if (!dead.has(String([x, y, z]))) canvas.edge(column + owner[0], row + owner[1], edge, DEAD_STROKES[edge])
  }
  return canvas.lines()
}

/** Characters by place; grows where they are put. */
class Canvas {
  readonly #rows = new Map<number, Map<number, string>>()

  label(column: number, row: number, text: string): void {
    const shown = text.slice(0, 3)
    this.#put(4 * column + 1 + (shown.length < 3 ? 1 : 0), row + 1, shown)
  }

  edge(column: number, row: number, edge: "south" | "southWest" | "west", stroke: string): void {
    if (edge === "south") this.#put(4 * column + 1, row, stroke)
    else this.#put(4 * column, edge === "west" ? row + 1 : row, stroke)
  }

  lines(): string[] {
    const columns = [...this.#rows.values()].flatMap((row) => [...row.keys()])
    const first = Math.min(...columns)
    const rows = [...this.#rows.keys()].sort((a, b) => b - a)
    return rows.map((row) => {
      const cells = this.#rows.get(row)!
      const last = Math.max(...cells.keys())
      return Array.from({ length: last - first + 1 }, (_, at) => cells.get(first + at) ?? " ")
        .join("")
        .trimEnd()
    })
  }

  #put(x: number, y: number, text: string): void {
    const row = this.#rows.get(y) ?? new Map<number, string>()
    this.#rows.set(y, row)
    for (const [at, character] of [...text].entries()) row.set(x + at, character)
  }
}
