import { describe, expect, test } from "bun:test"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { firstLinks, P2P_SELF } from "../../src/fake-board/p2p-routes.ts"
import { parsePlacedProgram, parseShape, ShapeOptionError } from "../../src/fake-board/shape-options.ts"

describe("a machine's shape", () => {
  test("is for SpiNN-3 a 2x2 torus that is closed north-south only", () => {
    const shape = new MachineShape({ type: "spin3" })
    expect(shape.chips).toHaveLength(4)
    expect([shape.width, shape.height]).toEqual([2, 2])
    expect(shape.neighbour(0, 0, 0)).toEqual({ x: 1, y: 0 })
    expect(shape.neighbour(0, 0, 5)).toEqual({ x: 0, y: 1 })
    for (const link of [3, 4]) expect(shape.neighbour(0, 0, link)).toBeUndefined()
    for (const link of [0, 1]) expect(shape.neighbour(1, 1, link)).toBeUndefined()
  })

  test("is for SpiNN-5 a hexagon of 48 chips without wrap-around", () => {
    const shape = new MachineShape()
    expect(shape.chips).toHaveLength(48)
    const rows = Array.from({ length: 8 }, (_, y) => shape.chips.filter((chip) => chip.y === y).map(({ x }) => x))
    expect(rows.map((row) => [Math.min(...row), Math.max(...row)])).toEqual([
      [0, 4],
      [0, 5],
      [0, 6],
      [0, 7],
      [1, 7],
      [2, 7],
      [3, 7],
      [4, 7],
    ])
    expect(shape.boardOf(5, 0)).toBeUndefined()
    expect(shape.neighbour(4, 0, 0)).toBeUndefined()
    expect(shape.neighbour(4, 0, 1)).toEqual({ x: 5, y: 1 })
  })

  test("is for a triad a torus of 144 chips on three boards, every link alive", () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 } })
    expect(shape.chips).toHaveLength(144)
    expect(shape.ethernetChips).toEqual([
      { x: 0, y: 0 },
      { x: 8, y: 4 },
      { x: 4, y: 8 },
    ])
    for (const { x, y } of shape.chips) {
      for (let link = 0; link < 6; link++) {
        const there = shape.neighbour(x, y, link)!
        expect(shape.neighbour(there.x, there.y, (link + 3) % 6)).toEqual({ x, y })
      }
    }
    expect([0, 1, 2].map((board) => shape.chips.filter(({ x, y }) => shape.boardOf(x, y) === board).length)).toEqual([
      48, 48, 48,
    ])
    // A board that reaches over the edge of the torus: chip 8,4 plus (4,0) is 0,4.
    expect(shape.boardOf(0, 4)).toBe(1)
  })

  test("leaves dead chips, cores and links (both ways) out", () => {
    const shape = new MachineShape({
      deadChips: [{ x: 1, y: 1 }],
      deadCores: [{ x: 0, y: 0, core: 3 }],
      deadLinks: [{ x: 0, y: 0, link: 2 }],
    })
    expect(shape.boardOf(1, 1)).toBeUndefined()
    expect(shape.neighbour(0, 0, 1)).toBeUndefined()
    expect(shape.neighbour(0, 0, 2)).toBeUndefined()
    expect(shape.neighbour(0, 1, 5)).toBeUndefined()
    expect(shape.workingCores(0, 0)).toHaveLength(17)
    expect(shape.workingCores(0, 0)).not.toContain(3)
    expect(shape.workingCores(1, 0)).toHaveLength(18)
  })
})

describe("P2P routes", () => {
  test.each([
    ["one board", new MachineShape({ deadChips: [{ x: 2, y: 2 }], deadLinks: [{ x: 0, y: 0, link: 0 }] })],
    ["a triad", new MachineShape({ triads: { width: 1, height: 1 }, deadChips: [{ x: 3, y: 3 }] })],
  ])("followed link by link lead to every chip of %s", (_name, shape) => {
    const routes = new Map(
      shape.chips.map(({ x, y }) => [(x << 8) | y, firstLinks(x, y, (...at) => shape.neighbour(...at))]),
    )
    for (const from of shape.chips) {
      for (const to of shape.chips) {
        let { x, y } = from
        for (let hop = 0; hop <= shape.chips.length; hop++) {
          const link = routes.get((x << 8) | y)!.get((to.x << 8) | to.y)!
          if (link === P2P_SELF) break
          ;({ x, y } = shape.neighbour(x, y, link)!)
        }
        expect({ x, y }).toEqual(to)
      }
    }
  })

  test("know nothing of a chip whose links are all dead", () => {
    const deadLinks = [0, 1, 2, 3, 4, 5].map((link) => ({ x: 3, y: 3, link }))
    const shape = new MachineShape({ deadLinks })
    const routes = firstLinks(0, 0, (...at) => shape.neighbour(...at))
    expect(routes.size).toBe(47)
    expect(routes.has(0x0303)).toBe(false)
  })
})

describe("shape options", () => {
  test("mean what they say", () => {
    expect(parseShape({ type: "spin5", boards: "1x1x3" }).chips).toHaveLength(144)
    expect(parseShape({ type: "spin5", size: "24x12" }).ethernetChips).toHaveLength(6)
    expect(parseShape({ type: "spin5", size: "8x8" }).chips).toHaveLength(48)
    expect(parseShape({ type: "spin3" }).chips).toHaveLength(4)
    const dead = parseShape({ type: "spin5", deadChips: ["1,2"], deadCores: ["0,0,17"], deadLinks: ["0,0,1"] })
    expect(dead.boardOf(1, 2)).toBeUndefined()
    expect(dead.workingCores(0, 0)).toHaveLength(17)
    expect(parsePlacedProgram("0,1,5=stream:tag=2,rate=50")).toEqual({
      x: 0,
      y: 1,
      core: 5,
      program: {
        name: "stream",
        options: new Map([
          ["tag", 2],
          ["rate", 50],
        ]),
      },
    })
  })

  test.each([
    { type: "spin5", boards: "2x2" },
    { type: "spin5", boards: "0x1x3" },
    { type: "spin5", boards: "9x9x3" },
    { type: "spin5", size: "13x12" },
    { type: "spin5", size: "12x12", boards: "1x1x3" },
    { type: "spin3", boards: "1x1x3" },
    { type: "spin5", deadChips: ["1"] },
    { type: "spin5", deadCores: ["0,0,18"] },
    { type: "spin5", deadLinks: ["0,0,6"] },
    { type: "spin5", deadLinks: ["0,0,-1"] },
  ] as const)("are refused: %p", (texts) => {
    expect(() => parseShape(texts)).toThrow(ShapeOptionError)
  })

  test.each(["echo", "0,0=echo", "0,0,18=echo", "0,0,1=sing", "0,0,1=stream:rate", "0,0,1=stream:rate=x"])(
    "refuse the program %s",
    (text) => {
      expect(() => parsePlacedProgram(text)).toThrow(ShapeOptionError)
    },
  )
})
