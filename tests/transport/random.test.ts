/** Repeatable randomness. */
import { describe, expect, test } from "bun:test"
import { seededRandom } from "../../src/transport/random.ts"

const take = (seed: number, count: number) => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => random())
}

describe("seededRandom", () => {
  test("gives the same numbers for the same seed, others for another", () => {
    expect(take(42, 100)).toEqual(take(42, 100))
    expect(take(42, 100)).not.toEqual(take(43, 100))
  })

  test("stays in [0, 1) and fills it evenly", () => {
    const numbers = take(7, 20_000)
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
    const tenths = Array<number>(10).fill(0)
    for (const number of numbers) tenths[Math.floor(number * 10)]!++
    expect(tenths.every((count) => count > 1_800 && count < 2_200)).toBe(true)
  })
})
