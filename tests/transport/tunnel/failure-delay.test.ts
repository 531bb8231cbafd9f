import { describe, expect, test } from "bun:test"
import { FAILURE_DELAY, FailureDelay } from "../../../src/transport/tunnel/failure-delay.ts"

describe("FailureDelay", () => {
  test("doubles with each failure from the same place, up to a limit", () => {
    const delay = new FailureDelay()
    const waits = Array.from({ length: 8 }, (_, at) => delay.failed("192.0.2.7", at))
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000])
    for (let at = 0; at < 2_000; at++) expect(delay.failed("192.0.2.7", 10 + at)).toBe(5_000)
  })

  test("does not make one place wait for another's failures", () => {
    const delay = new FailureDelay()
    for (let at = 0; at < 5; at++) delay.failed("192.0.2.7", at)
    expect(delay.failed("192.0.2.8", 5)).toBe(250)
  })

  test("takes a subscriber's /64 for one place", () => {
    const delay = new FailureDelay()
    delay.failed("2001:db8::1", 0)
    expect(delay.failed("2001:db8::2", 1)).toBe(500)
    expect(delay.failed("2001:db8:0:1::2", 1)).toBe(250)
  })

  test("forgets a place that has been quiet for a minute", () => {
    const delay = new FailureDelay()
    for (let at = 0; at < 5; at++) delay.failed("192.0.2.7", at)
    expect(delay.failed("192.0.2.7", 4 + FAILURE_DELAY.forgetMs)).toBe(250)
  })

  test("remembers the places that failed last, and no more than so many", () => {
    const delay = new FailureDelay()
    delay.failed("192.0.2.7", 0)
    delay.failed("192.0.2.8", 0)
    for (let at = 0; at < FAILURE_DELAY.places - 1; at++) delay.failed(`10.0.${at >> 8}.${at & 255}`, 1)
    expect(delay.failed("192.0.2.8", 2)).toBe(500)
    expect(delay.failed("192.0.2.7", 2)).toBe(250)
  })
})
