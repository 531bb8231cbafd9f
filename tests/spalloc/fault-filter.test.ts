import { describe, expect, test } from "bun:test"
import { TriadTorus } from "../../src/spalloc/geometry.ts"
import { MachineAllocator } from "../../src/spalloc/machine-allocator.ts"
import { wanted } from "../support/spalloc-lab.ts"

const torus = new TriadTorus(2, 1)
const withDeadLinks = (links: Iterable<number>) =>
  new MachineAllocator(torus, { boards: new Set<number>(), links: new Set(links) })

describe("max_dead_links", () => {
  // Between boards 0 and 1, seen from both sides; board 1 is reached over board 2.
  const links = [0 * 6 + 1, 1 * 6 + 4]

  test.each([
    [null, true],
    [2, true],
    [1, false],
    [0, false],
  ])("of %p lets a machine with a link that is dead in both directions be given: %p", (limit, isGiven) => {
    const wish = wanted([2, 1], { max_dead_links: limit })
    expect(withDeadLinks(links).isPossible(wish)).toBe(isGiven)
    expect(withDeadLinks(links).allocate(wish) !== undefined).toBe(isGiven)
  })

  test("counts each direction for itself", () => {
    expect(withDeadLinks([links[0]!]).allocate(wanted([2, 1], { max_dead_links: 1 }))).toBeDefined()
  })

  test("sends a job to the part of the machine without dead links", () => {
    const found = withDeadLinks(links).allocate(wanted([1, 1], { max_dead_links: 0 }))
    expect(found?.rectangle).toMatchObject({ x: 1, y: 0 })
  })
})

describe("boards that can only be reached over dead links", () => {
  /** Board 1 and all links into it from elsewhere. */
  const cutOff = Array.from({ length: torus.boardCount * 6 }, (_, at) => at).filter(
    (at) => torus.neighbour(Math.floor(at / 6), at % 6) === 1,
  )

  test("are not given together with the others", () => {
    expect(withDeadLinks(cutOff).allocate(wanted([2, 1]))?.boards).toEqual([0, 2, 3, 4, 5])
  })

  test("are missed like dead ones where max_dead_boards says so", () => {
    expect(withDeadLinks(cutOff).allocate(wanted([2, 1], { max_dead_boards: 0 }))).toBeUndefined()
    expect(withDeadLinks(cutOff).allocate(wanted([2, 1], { max_dead_boards: 1 }))?.boards).toHaveLength(5)
  })
})
