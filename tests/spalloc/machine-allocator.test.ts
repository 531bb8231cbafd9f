import { describe, expect, test } from "bun:test"
import { TriadTorus } from "../../src/spalloc/geometry.ts"
import { type Allocation, MachineAllocator, type Wanted } from "../../src/spalloc/machine-allocator.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { wanted } from "../support/spalloc-lab.ts"

const NO_FAULTS = { boards: new Set<number>(), links: new Set<number>() }
const OPERATIONS = process.env.FULL === "1" ? 100_000 : 10_000

function randomWanted(random: Random, torus: TriadTorus): Wanted {
  const below = (limit: number) => Math.floor(random() * limit)
  const kwargs = {
    min_ratio: random() < 0.5 ? 0 : random(),
    max_dead_boards: random() < 0.5 ? null : below(4),
    max_dead_links: random() < 0.7 ? null : below(4),
  }
  const kind = random()
  if (kind < 0.3) return wanted([1], kwargs)
  if (kind < 0.4) return wanted([below(torus.width), below(torus.height), below(3)], kwargs)
  if (kind < 0.7) return wanted([2 + below(torus.boardCount)], kwargs)
  return wanted([1 + below(torus.width), 1 + below(torus.height)], kwargs)
}

function randomFaults(random: Random, torus: TriadTorus) {
  const pick = (share: number, count: number) =>
    new Set(Array.from({ length: count }, (_, index) => index).filter(() => random() < share))
  return { boards: pick(0.05, torus.boardCount), links: pick(0.02, torus.boardCount * 6) }
}

describe("over a long random life of a machine", () => {
  test.each([
    [1, 1],
    [2, 1],
    [4, 2],
    [5, 5],
    [12, 12],
  ])("of %ix%i triads, no board has two jobs, nothing leaks, and a restart is no change", (width, height) => {
    const random = seededRandom(width * 100 + height)
    const torus = new TriadTorus(width, height)
    const faults = randomFaults(random, torus)
    let allocator = new MachineAllocator(torus, faults)
    const live: Allocation[] = []
    const holder = new Int32Array(torus.boardCount)
    for (let operation = 0; operation < OPERATIONS / 5; operation++) {
      if (random() < 0.5) {
        const request = randomWanted(random, torus)
        const allocation = allocator.allocate(request)
        if (!allocation) continue
        for (const board of allocation.boards) {
          if (holder[board] !== 0) throw new Error(`board ${board} has two jobs`)
          if (faults.boards.has(board)) throw new Error(`board ${board} is dead`)
          holder[board] = 1
        }
        checkSize(request, allocation)
        live.push(allocation)
      } else if (live.length > 0) {
        const [gone] = live.splice(Math.floor(random() * live.length), 1)
        allocator.free(gone!)
        for (const board of gone!.boards) holder[board] = 0
      }
      if (operation % 500 === 499) {
        const restored = new MachineAllocator(torus, faults)
        restored.restore(live)
        allocator = restored
      }
    }
    for (const allocation of live) allocator.free(allocation)
    expect(allocator.isFree).toBe(true)
  })
})

function checkSize({ shape, maxDeadBoards }: Wanted, { boards, rectangle }: Allocation): void {
  if (shape.kind === "board" || (shape.kind === "boards" && shape.count === 1)) {
    if (boards.length !== 1 || rectangle) throw new Error("more than one board")
    return
  }
  if (shape.kind === "triads" && (rectangle?.width !== shape.width || rectangle.height !== shape.height)) {
    throw new Error("another rectangle than was asked for")
  }
  const count = shape.kind === "boards" ? shape.count : shape.width * shape.height * 3
  if (maxDeadBoards !== null && count - boards.length > maxDeadBoards) throw new Error("too many dead boards")
}

test("a request is possible exactly if an idle machine can meet it, also after it was busy", () => {
  const random = seededRandom(7)
  for (let round = 0; round < 200; round++) {
    const torus = new TriadTorus(1 + Math.floor(random() * 6), 1 + Math.floor(random() * 6))
    const faults = randomFaults(random, torus)
    const allocator = new MachineAllocator(torus, faults)
    const used = Array.from({ length: 10 }, () => allocator.allocate(randomWanted(random, torus)))
    for (const allocation of used) if (allocation) allocator.free(allocation)
    for (let trial = 0; trial < 10; trial++) {
      const request = randomWanted(random, torus)
      const isPossible = allocator.isPossible(request)
      const allocation = allocator.allocate(request)
      expect(allocation !== undefined).toBe(isPossible)
      if (allocation) allocator.free(allocation)
    }
  }
})

test("a clean column in the middle is found, where the Python servers see only corners", () => {
  const torus = new TriadTorus(3, 3)
  const dead = [0, 2].flatMap((x) => [0, 2].map((y) => torus.board(x, y, 0)))
  const allocator = new MachineAllocator(torus, { boards: new Set(dead), links: new Set() })
  const found = allocator.allocate(wanted([1, 3], { max_dead_boards: 0 }))
  expect(found?.rectangle).toMatchObject({ x: 1, y: 0 })
})

test("single boards share a triad, and the triad is free when all are back", () => {
  const torus = new TriadTorus(2, 1)
  const allocator = new MachineAllocator(torus, NO_FAULTS)
  const singles = [1, 2, 3].map(() => allocator.allocate(wanted([]))!)
  expect(singles.map(({ boards }) => torus.place(boards[0]!))).toEqual([
    [0, 0, 0],
    [0, 0, 1],
    [0, 0, 2],
  ])
  expect(allocator.allocate(wanted([1, 1]))?.boards).toEqual([3, 4, 5])
  expect(allocator.allocate(wanted([]))).toBeUndefined()
  expect(allocator.allocate(wanted([0, 0, 1]))).toBeUndefined()
  allocator.free(singles[1]!)
  expect(allocator.allocate(wanted([1, 1]))).toBeUndefined()
  expect(allocator.allocate(wanted([0, 0, 1]))?.boards).toEqual([1])
})

test("a torus is given only as the whole machine", () => {
  const allocator = new MachineAllocator(new TriadTorus(2, 2), NO_FAULTS)
  expect(allocator.isPossible(wanted([2, 1], { require_torus: true }))).toBe(false)
  expect(allocator.isPossible(wanted([9], { require_torus: true }))).toBe(false)
  expect(allocator.allocate(wanted([10], { require_torus: true }))?.boards).toHaveLength(12)
})
