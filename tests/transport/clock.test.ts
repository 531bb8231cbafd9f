/** Timers that can be called off, the machine's and the tests' own. */
import { describe, expect, test } from "bun:test"
import { every, systemClock } from "../../src/transport/clock.ts"
import { FakeClock } from "../support/fake-clock.ts"

describe("systemClock", () => {
  test("never goes back", () => {
    const times = Array.from({ length: 1_000 }, () => systemClock.now())
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  test("calls once after the delay, and not at all when cancelled", async () => {
    const called: string[] = []
    systemClock.after(1, () => called.push("cancelled")).cancel()
    await new Promise<void>((resolve) => {
      // The test's own timer keeps the process alive: systemClock's do not.
      const alive = setInterval(() => {}, 1)
      systemClock.after(5, () => {
        called.push("done")
        clearInterval(alive)
        resolve()
      })
    })
    expect(called).toEqual(["done"])
  })
})

describe("every", () => {
  test("calls at each period until cancelled", () => {
    const clock = new FakeClock()
    const at: number[] = []
    const timer = every(clock, 50, () => at.push(clock.now()))
    clock.advance(175)
    timer.cancel()
    clock.advance(1_000)
    expect(at).toEqual([50, 100, 150])
    expect(clock.pending).toBe(0)
  })

  test("may be cancelled from within", () => {
    const clock = new FakeClock()
    let calls = 0
    const timer = every(clock, 10, () => {
      calls++
      timer.cancel()
    })
    clock.advance(100)
    expect(calls).toBe(1)
  })
})

describe("FakeClock", () => {
  test("fires in order of time, then of creation, also what timers set", () => {
    const clock = new FakeClock()
    const order: string[] = []
    clock.after(20, () => order.push("20"))
    clock.after(10, () => {
      order.push("10")
      clock.after(5, () => order.push("15"))
      clock.after(0, () => order.push("10 again"))
    })
    clock.after(10, () => order.push("10 too"))
    clock.advance(30)
    expect(order).toEqual(["10", "10 too", "10 again", "15", "20"])
    expect(clock.now()).toBe(30)
  })
})
