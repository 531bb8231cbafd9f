import { expect, test } from "bun:test"
import { parseStatus } from "../../scripts/bench/process-memory.ts"
import {
  count,
  median,
  medianRate,
  percentile,
  rateTable,
  ratio,
  ratioTable,
  table,
} from "../../scripts/bench/report.ts"

const run = (rate: number, lost = 0) => ({ rate, p50Us: 10, p99Us: 20, answered: rate, lost, late: 0, cpuShare: 0.5 })
const SERIES = [
  { scenario: "direct", window: 1, runs: [run(1000), run(3000), run(2000)] },
  { scenario: "direct", window: 8, runs: [run(8000)] },
  { scenario: "chain", window: 1, runs: [run(500, 2), run(600, 1)] },
]

test("median() is a value that was measured", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2, 7])
  expect(median([])).toBeNaN()
})

test("percentile() looks into sorted values", () => {
  const values = Array.from({ length: 100 }, (_, i) => i)
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([50, 99, 99])
})

test("medianRate() is NaN for what was not measured", () => {
  expect(medianRate(SERIES, "direct", 1)).toBe(2000)
  expect(medianRate(SERIES, "chain", 8)).toBeNaN()
})

test("table() aligns the first column left and the numbers right", () => {
  expect(
    table([
      ["", "n"],
      ["long name", "1"],
      ["x", "1,000"],
    ]),
  ).toBe("               n\nlong name      1\nx          1,000")
})

test("rateTable() and ratioTable() have a row a scenario and a dash where nothing was measured", () => {
  expect(rateTable(SERIES)).toMatch(/^chain\s+500\s+10\s+20\s+–\s+–\s+–\s+3$/m)
  expect(ratioTable(SERIES, "direct")).toMatch(/^chain\s+0\.25x\s+–$/m)
})

test("count() and ratio() read as people write", () => {
  expect([count(1234567.8), count(Number.NaN), ratio(2.345), ratio(Number.NaN)]).toEqual([
    "1,234,568",
    "–",
    "2.35x",
    "–",
  ])
})

test("parseStatus() reads resident memory of a Linux process", () => {
  expect(parseStatus("Name:\tbun\nVmRSS:\t   26624 kB\nThreads:\t3\n")).toBe(26_624 * 1024)
  expect(parseStatus("Name:\tbun\n")).toBeUndefined()
})
