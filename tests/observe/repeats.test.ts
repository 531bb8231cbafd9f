import { describe, expect, test } from "bun:test"
import { BURST, Repeats } from "../../src/observe/repeats.ts"

interface Knock {
  readonly type: "knock"
  readonly from: number
}
const knock = (from: number): Knock => ({ type: "knock", from })

describe("Repeats", () => {
  test("lets a few of one party through and counts the rest, with the last", () => {
    const repeats = new Repeats<Knock>()
    const held = Array.from({ length: 100 }, (_, i) => repeats.hold("a", knock(i)))
    expect(held.filter((one) => !one)).toHaveLength(BURST)
    expect(repeats.hold("b", knock(0))).toBe(false)
    expect(repeats.take()).toEqual([{ count: 100 - BURST, last: knock(99) }])
  })

  test("begins anew after each report", () => {
    const repeats = new Repeats<Knock>()
    for (let i = 0; i <= BURST; i++) repeats.hold("a", knock(i))
    repeats.take()
    expect(repeats.hold("a", knock(0))).toBe(false)
    expect(repeats.take()).toEqual([])
  })

  test("counts ever other parties as one, so that memory is bounded", () => {
    const repeats = new Repeats<Knock>()
    const told = Array.from({ length: 10_000 }, (_, i) => repeats.hold(`party ${i}`, knock(i))).filter((held) => !held)
    expect(told).toHaveLength(256 + BURST)
    expect(repeats.take()).toEqual([{ count: 10_000 - 256 - BURST, last: knock(9_999) }])
  })
})
