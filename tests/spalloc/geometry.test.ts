import { describe, expect, test } from "bun:test"
import { boardHasChip, oppositeLink, TriadTorus } from "../../src/spalloc/geometry.ts"
import { rectangleFor } from "../../src/spalloc/shapes.ts"

/** Directions of links E NE N W SW S in chips. */
const STEPS = [
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 0],
  [-1, -1],
  [0, -1],
] as const

/** Chips of one board whose link leads off the board, with the board's Ethernet chip at (0, 0). */
const onBoard = Array.from({ length: 64 }, (_, at) => [at % 8, Math.floor(at / 8)] as const).filter(([x, y]) =>
  boardHasChip(x, y),
)

test("a board has 48 chips", () => expect(onBoard).toHaveLength(48))

test("every chip of every machine up to 12x12 triads is on one board, and that board's links lead where its chips' do", () => {
  for (let width = 1; width <= 12; width++) {
    for (let height = 1; height <= 12; height++) {
      const torus = new TriadTorus(width, height)
      const chips = new Int32Array(torus.chipWidth * torus.chipHeight).fill(-1)
      for (let board = 0; board < torus.boardCount; board++) {
        const [ethernetX, ethernetY] = torus.ethernetChip(board)
        for (const [x, y] of onBoard) {
          const at = ((ethernetY + y) % torus.chipHeight) * torus.chipWidth + ((ethernetX + x) % torus.chipWidth)
          if (chips[at] !== -1) throw new Error(`chip ${at} is on two boards of ${width}x${height}`)
          chips[at] = board
        }
      }
      let wrong = 0
      for (let board = 0; board < torus.boardCount; board++) {
        const [x, y, z] = torus.place(board)
        if (torus.board(x, y, z) !== board) wrong++
        const [ethernetX, ethernetY] = torus.ethernetChip(board)
        const found = torus.boardOfChip(ethernetX + 4, ethernetY + 5)
        if (found.board !== board || found.boardChip.join() !== "4,5") wrong++
        for (let link = 0; link < 6; link++) {
          const other = torus.neighbour(board, link)
          if (torus.neighbour(other, oppositeLink(link)) !== board) wrong++
          // Of the eight chips in a row along an edge, the middle ones lead to the board that the link is named for.
          const [dx, dy] = STEPS[link]!
          const [fromX, fromY] = EDGE_CHIP[link]!
          const chipX = (ethernetX + fromX + dx + torus.chipWidth) % torus.chipWidth
          const chipY = (ethernetY + fromY + dy + torus.chipHeight) % torus.chipHeight
          if (chips[chipY * torus.chipWidth + chipX] !== other) wrong++
        }
      }
      expect([width, height, chips.includes(-1), wrong]).toEqual([width, height, false, 0])
    }
  }
})

/** A chip in the middle of the edge that links E NE N W SW S of a board leave by. */
const EDGE_CHIP = [
  [5, 1],
  [7, 5],
  [6, 7],
  [2, 5],
  [0, 2],
  [2, 0],
] as const

describe("the size of a job in chips", () => {
  const rectangle = (torus: TriadTorus, width: number, height: number): number[] =>
    Array.from({ length: torus.boardCount }, (_, board) => board).filter((board) => {
      const [x, y] = torus.place(board)
      return x < width && y < height
    })

  test.each([
    [4, 2, 4, 1, 48, 16],
    [4, 2, 2, 2, 28, 24],
    [4, 2, 4, 2, 48, 24],
    [4, 2, 1, 1, 16, 16],
    [1, 1, 1, 1, 12, 12],
    [12, 12, 5, 7, 64, 88],
  ])("on %ix%i triads, %ix%i is %ix%i", (machineWidth, machineHeight, width, height, chipWidth, chipHeight) => {
    const torus = new TriadTorus(machineWidth, machineHeight)
    expect(torus.jobSize(rectangle(torus, width, height))).toEqual({ width: chipWidth, height: chipHeight })
  })

  test("is 8x8 for one board wherever it is", () => {
    const torus = new TriadTorus(1, 1)
    for (const board of [0, 1, 2]) {
      expect(torus.jobSize([board])).toEqual({ width: 8, height: 8 })
      expect(torus.jobChip(board, board)).toEqual([0, 0])
    }
  })
})

describe("the rectangle for so many boards", () => {
  test("on an empty 4x2 machine is what the Python servers give", () => {
    const sizes = Array.from({ length: 23 }, (_, index) => {
      const size = rectangleFor(Math.ceil((index + 2) / 3), { width: 4, height: 2 }, 0)!
      return `${size.width}x${size.height}`
    })
    expect(sizes).toEqual([
      ...Array(2).fill("1x1"),
      ...Array(3).fill("1x2"),
      ...Array(6).fill("2x2"),
      ...Array(6).fill("3x2"),
      ...Array(6).fill("4x2"),
    ])
    expect(rectangleFor(9, { width: 4, height: 2 }, 0)).toBeUndefined()
  })

  test("holds them and fits", () => {
    for (let triads = 1; triads <= 144; triads++) {
      for (const ratio of [0, 0.2, 1 / 3, 0.5, 0.9, 1, 2, 4]) {
        for (const bounds of [
          { width: 12, height: 12 },
          { width: 5, height: 12 },
          { width: 12, height: 3 },
        ]) {
          const size = rectangleFor(triads, bounds, ratio)
          if (!size) continue
          const { width, height } = size
          expect(width * height).toBeGreaterThanOrEqual(triads)
          expect(width <= bounds.width && height <= bounds.height).toBe(true)
        }
      }
    }
    // As the Python servers: a rectangle that fits is not looked at again, one that had to be squeezed is.
    expect(rectangleFor(10, { width: 12, height: 12 }, 0.9)).toEqual({ width: 4, height: 3 })
    expect(rectangleFor(10, { width: 12, height: 2 }, 0.9)).toBeUndefined()
    expect(rectangleFor(7, { width: 12, height: 12 }, 0)).toEqual({ width: 7, height: 1 })
    expect(rectangleFor(7, { width: 12, height: 12 }, 0.5)).toEqual({ width: 4, height: 2 })
  })
})
