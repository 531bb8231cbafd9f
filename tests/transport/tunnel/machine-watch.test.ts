import { describe, expect, test } from "bun:test"
import { systemSenses, watchMachine } from "../../../src/transport/tunnel/machine-watch.ts"
import { FakeClock } from "../../support/fake-clock.ts"

/** A machine whose time of day runs with the clock, until a test puts it elsewhere. */
function machine() {
  const clock = new FakeClock()
  const state = { asleepMs: 0, network: "192.0.2.7" }
  let changes = 0
  const timer = watchMachine(clock, () => changes++, {
    timeOfDay: () => 1_795_000_000_000 + clock.now() + state.asleepMs,
    network: () => state.network,
    has: () => true,
  })
  return { clock, state, timer, changes: () => changes }
}

describe("watchMachine", () => {
  test("says nothing of an hour in which nothing happens", () => {
    const { clock, changes } = machine()
    clock.advance(3_600_000)
    expect(changes()).toBe(0)
  })

  test("notices a sleep within a second of waking, once", () => {
    const { clock, state, changes } = machine()
    clock.advance(10_300)
    state.asleepMs = 5_001
    clock.advance(1_000)
    expect(changes()).toBe(1)
    clock.advance(60_000)
    expect(changes()).toBe(1)
  })

  test("notices a clock that was put back", () => {
    const { clock, state, changes } = machine()
    state.asleepMs = -3_600_000
    clock.advance(1_000)
    expect(changes()).toBe(1)
  })

  test("does not take a busy machine, or a clock that is put right by a little, for a sleep", () => {
    const { clock, state, changes } = machine()
    for (const drift of [4_900, 0, -4_900]) {
      state.asleepMs = drift
      clock.advance(1_000)
    }
    expect(changes()).toBe(0)
  })

  test("notices another network, and that it is back", () => {
    const { clock, state, changes } = machine()
    state.network = ""
    clock.advance(1_000)
    state.network = "192.0.2.7"
    clock.advance(1_000)
    expect(changes()).toBe(2)
  })

  test("takes a sleep and another network together for one change", () => {
    const { clock, state, changes } = machine()
    Object.assign(state, { asleepMs: 60_000, network: "198.51.100.7" })
    clock.advance(1_000)
    expect(changes()).toBe(1)
  })

  test("looks no more once cancelled", () => {
    const { clock, state, timer, changes } = machine()
    timer.cancel()
    state.network = ""
    clock.advance(10_000)
    expect([changes(), clock.pending]).toEqual([0, 0])
  })
})

test("systemSenses tells the same of the same machine twice, and the time of day", () => {
  expect(systemSenses.network()).toBe(systemSenses.network())
  expect(systemSenses.network()).not.toContain("127.0.0.1")
  expect(["127.0.0.1", "::1", "::ffff:127.0.0.9"].map(systemSenses.has)).toEqual([true, true, true])
  for (const address of systemSenses.network().split(" ").filter(Boolean)) {
    expect(address.startsWith("fe80") || systemSenses.has(address)).toBe(true)
  }
  expect(systemSenses.has("198.51.100.7")).toBe(false)
  expect(Math.abs(systemSenses.timeOfDay() - Date.now())).toBeLessThan(1_000)
})
