import { describe, expect, test } from "bun:test"
import { PACE_BURST, PACE_PER_MS, TagPace } from "../../src/relay/tag-pace.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup() {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const pace = new TagPace(clock, observer, "program")
  const got: number[] = []
  const push = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const number = pushed++
      pace.push(254, () => got.push(number))
    }
  }
  let pushed = 0
  return { clock, observer, pace, got, push }
}

describe("TagPace", () => {
  test("lets a stream of 5,000 a second pass as it comes, 50 each 10 ms", () => {
    const { clock, got, push } = setup()
    for (let tick = 1; tick <= 100; tick++) {
      push(50)
      expect(got).toHaveLength(50 * tick)
      clock.advance(10)
    }
  })

  test("hands over what comes at once after a stall bit by bit, all and in order", () => {
    const { clock, got, push } = setup()
    push(10_000)
    expect(got).toHaveLength(PACE_BURST)
    let most = 0
    for (let before = got.length; before < 10_000; before = got.length) {
      clock.advance(1)
      most = Math.max(most, got.length - before)
    }
    expect(most).toBeLessThanOrEqual(PACE_PER_MS)
    expect(got).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
    expect(clock.pending).toBe(0)
  })

  test("counts what it forgets at the end", () => {
    const { clock, observer, pace, got, push } = setup()
    push(200)
    pace.close()
    clock.advance(1_000)
    expect(got.length + observer.dropped.get("tag-overflow")!).toBe(200)
  })
})
