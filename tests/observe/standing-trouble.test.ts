import { describe, expect, test } from "bun:test"
import type { Event } from "../../src/observe/events.ts"
import type { Log } from "../../src/observe/log.ts"
import { LogObserver } from "../../src/observe/log-observer.ts"
import { SAY_AGAIN_AT_MOST_MS, SAY_AGAIN_MS, StandingTrouble } from "../../src/observe/standing-trouble.ts"
import { FakeClock } from "../support/fake-clock.ts"

const failed = (target: string, detail = "refuses"): Event => ({
  ...{ type: "connect-failed", target, detail, retryMs: 15_000 },
})
const up = (name: string, target: string): Event => ({
  ...{ type: "tunnel-up", name, target, resumed: false, afterMs: 1 },
})

/** Tries once a second until `endMs`; the seconds at which it is said, with the number of tries untold. */
function said(endMs: number): [atMs: number, untold: number][] {
  const troubles = new StandingTrouble()
  const times: [number, number][] = []
  for (let at = 0; at <= endMs; at += 1_000) {
    const untold = troubles.untold(failed("pi"), at)
    if (untold !== undefined) times.push([at, untold])
  }
  return times
}

describe("trouble that lasts", () => {
  test("is said at once, after a minute, and after twice as long each time, with the tries between", () => {
    expect(said(7 * SAY_AGAIN_MS)).toEqual([
      [0, 0],
      [SAY_AGAIN_MS, 59],
      [3 * SAY_AGAIN_MS, 119],
      [7 * SAY_AGAIN_MS, 239],
    ])
  })

  test("is still said once an hour when it has lasted for days", () => {
    const times = said(48 * SAY_AGAIN_AT_MOST_MS).map(([at]) => at)
    expect(times.at(-1)! - times.at(-2)!).toBe(SAY_AGAIN_AT_MOST_MS)
    expect(times.length).toBeLessThan(60)
  })

  test("is said at once when it is another trouble, or another target's", () => {
    const troubles = new StandingTrouble()
    expect(troubles.untold(failed("pi"), 0)).toBe(0)
    expect(troubles.untold(failed("pi", "no route"), 1)).toBe(0)
    expect(troubles.untold(failed("lab"), 2)).toBe(0)
    expect(troubles.untold(failed("pi", "no route"), 3)).toBeUndefined()
  })

  test("is news again once the target has been reached, by its name or its address", () => {
    const troubles = new StandingTrouble()
    troubles.untold(failed("pi"), 0)
    troubles.untold(failed("192.0.2.1:17896"), 0)
    troubles.untold(up("pi", "192.0.2.1:17896"), 1)
    expect(troubles.untold(failed("pi"), 2)).toBe(0)
    expect(troubles.untold(failed("192.0.2.1:17896"), 2)).toBe(0)
  })

  test("of ever other targets costs bounded memory, and is said each time", () => {
    const troubles = new StandingTrouble()
    for (let i = 0; i < 1_000; i++) expect(troubles.untold(failed(`host-${i}`), 0)).toBe(0)
    expect(troubles.untold(failed("host-1"), 1)).toBeUndefined()
    expect(troubles.untold(failed("host-999"), 1)).toBe(0)
  })

  test("is one log line, and later one that tells how many tries there were", () => {
    const clock = new FakeClock()
    const texts: string[] = []
    const log: Log = { line: (_level, text) => texts.push(text) }
    const observer = new LogObserver(log, clock)
    for (let i = 0; i < 5; i++) observer.event(failed("pi"))
    clock.advance(SAY_AGAIN_MS)
    observer.event(failed("pi"))
    expect(texts).toEqual([
      "cannot connect to pi: refuses; trying again in 15 s",
      "cannot connect to pi: refuses; trying again in 15 s (5 tries since this was last said)",
    ])
  })
})
