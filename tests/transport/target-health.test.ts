/** One line a change, and seldom. */
import { describe, expect, test } from "bun:test"
import { HEALTH_QUIET_MS, TargetHealth } from "../../src/transport/target-health.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup() {
  const observer = new RecordingObserver()
  const health = new TargetHealth({ host: "board.lab", port: 17893 }, observer)
  return { observer, health, lines: () => observer.events.map(({ type }) => type) }
}

describe("TargetHealth", () => {
  test("says nothing about a target that was never away", () => {
    const { health, lines } = setup()
    health.heard()
    expect(lines()).toEqual([])
  })

  test("says once that it is away and once that it is back", () => {
    const { health, lines, observer } = setup()
    for (let now = 0; now < 60_000; now += 1_000) health.unreachable("ECONNREFUSED", now)
    expect(health.down).toBe(true)
    health.heard()
    health.heard()
    expect(health.down).toBe(false)
    expect(lines()).toEqual(["target-unreachable", "target-back"])
    expect(observer.events[0]).toMatchObject({ target: "board.lab:17893", detail: "ECONNREFUSED" })
  })

  test("a target that flaps gets one pair of lines in ten seconds", () => {
    const { health, lines } = setup()
    for (let now = 0; now < HEALTH_QUIET_MS; now += 100) {
      health.unreachable("ECONNREFUSED", now)
      health.heard()
    }
    expect(lines()).toEqual(["target-unreachable", "target-back"])
    health.unreachable("ECONNREFUSED", HEALTH_QUIET_MS)
    expect(lines()).toHaveLength(3)
  })

  test("trouble that began in the quiet time and lasts is still told", () => {
    const { health, lines } = setup()
    health.unreachable("ECONNREFUSED", 0)
    health.heard()
    health.unreachable("ECONNREFUSED", 1_000)
    expect(lines()).toHaveLength(2)
    health.unreachable("ECONNREFUSED", HEALTH_QUIET_MS + 1)
    expect(lines()).toHaveLength(3)
  })
})
