import { describe, expect, test } from "bun:test"
import { FaultOptionError, FaultOptions } from "../../src/fake-board/fault-options.ts"
import { FAULT_QUEUE_LIMIT, FaultPath, type FaultSpec } from "../../src/fake-board/faults.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"

function setUp(spec: FaultSpec, seed = 1) {
  const clock = new FakeClock()
  const lost: string[] = []
  const arrived: { number: number; at: number }[] = []
  const path = new FaultPath(spec, clock, seededRandom(seed), (reason, ordinal) => lost.push(`${reason} ${ordinal}`))
  const pass = (count: number): void => {
    for (let number = 0; number < count; number++) {
      const ordinal = path.count + 1
      path.pass(() => arrived.push({ number: ordinal, at: clock.now() }))
    }
  }
  return { clock, lost, arrived, path, pass }
}

describe("a path with faults", () => {
  test("without any delivers at once and in order", () => {
    const { arrived, pass } = setUp({})
    pass(3)
    expect(arrived.map(({ number }) => number)).toEqual([1, 2, 3])
  })

  test("loses exactly the listed datagrams, the first being number 1", () => {
    const { arrived, lost, pass } = setUp({ dropList: [1, 4] })
    pass(5)
    expect(arrived.map(({ number }) => number)).toEqual([2, 3, 5])
    expect(lost).toEqual(["drop-list 1", "drop-list 4"])
  })

  test.each([
    { drop: 0.3, duplicate: 0, expected: 700 },
    { drop: 0, duplicate: 0.2, expected: 1200 },
    { drop: 0.5, duplicate: 1, expected: 1000 },
  ])("loses $drop and doubles $duplicate of a thousand", ({ drop, duplicate, expected }) => {
    const { arrived, pass } = setUp({ drop, duplicate })
    pass(1000)
    expect(Math.abs(arrived.length - expected)).toBeLessThan(60)
  })

  test("delays by the delay and up to the jitter more", () => {
    const { arrived, clock, pass } = setUp({ delayMs: 10, jitterMs: 5 })
    pass(200)
    clock.advance(20)
    const times = arrived.map(({ at }) => at)
    expect(arrived).toHaveLength(200)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...times)).toBeLessThan(15)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(4)
  })

  test("holds a bounded number of delayed datagrams and says what it lost", () => {
    const { arrived, clock, lost, pass } = setUp({ delayMs: 10 })
    pass(FAULT_QUEUE_LIMIT + 3)
    clock.advance(10)
    expect(arrived).toHaveLength(FAULT_QUEUE_LIMIT)
    expect(lost.at(-1)).toBe(`queue-full ${FAULT_QUEUE_LIMIT + 3}`)
    pass(1)
    clock.advance(10)
    expect(arrived).toHaveLength(FAULT_QUEUE_LIMIT + 1)
  })
})

describe("fault options", () => {
  test("without a path mean all three, with one that one; later ones win", () => {
    const options = new FaultOptions().number("drop", "0.1").number("drop", "boot=.5").number("delayMs", "reply=20")
    expect(options.faults).toEqual({
      boot: { drop: 0.5 },
      scp: { drop: 0.1 },
      reply: { drop: 0.1, delayMs: 20 },
    })
  })

  test("gather drop lists", () => {
    const options = new FaultOptions().dropList("boot=3,21").dropList("boot=4")
    expect(options.faults).toEqual({ boot: { dropList: [3, 21, 4] } })
  })

  test.each(["1.01", "-0.1", "x", "", "rom=0.1", "boot=", "0x1", "1e-3", "NaN"])("refuse a chance of %p", (text) => {
    expect(() => new FaultOptions().number("drop", text)).toThrow(FaultOptionError)
  })

  test.each(["0", "1,,2", "boot=1;2", "", "1.5", "scp=-1"])("refuse the drop list %p", (text) => {
    expect(() => new FaultOptions().dropList(text)).toThrow(FaultOptionError)
  })
})
