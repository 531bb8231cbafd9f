/** Waits between retries. */
import { describe, expect, test } from "bun:test"
import { Backoff, RETRY } from "../../src/transport/backoff.ts"
import { seededRandom } from "../../src/transport/random.ts"

const take = (backoff: Backoff, count: number) => Array.from({ length: count }, () => backoff.next())

describe("Backoff", () => {
  test("doubles its bound up to the cap", () => {
    const backoff = new Backoff({ ...RETRY, random: () => 1 })
    expect(take(backoff, 9)).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000])
  })

  test("jitters fully: any wait up to the bound, never zero", () => {
    expect(take(new Backoff({ ...RETRY, random: () => 0 }), 3)).toEqual([1, 1, 1])
    const random = seededRandom(7)
    const firsts = Array.from({ length: 200 }, () => new Backoff({ ...RETRY, random }).next())
    expect(Math.min(...firsts)).toBeLessThan(25)
    expect(Math.max(...firsts)).toBeGreaterThan(225)
    expect(Math.max(...firsts)).toBeLessThanOrEqual(250)
  })

  test("starts over after reset", () => {
    const backoff = new Backoff({ ...RETRY, random: () => 1 })
    take(backoff, 5)
    backoff.reset()
    expect(take(backoff, 2)).toEqual([250, 500])
  })

  test("never waits longer than the cap, even the first time", () => {
    const backoff = new Backoff({ firstMs: 250, capMs: 100, random: () => 1 })
    expect(take(backoff, 2)).toEqual([100, 100])
    backoff.reset()
    expect(backoff.next()).toBe(100)
  })
})
