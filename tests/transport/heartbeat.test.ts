import { describe, expect, test } from "bun:test"
import { DEFAULT_HEARTBEAT, Heartbeat } from "../../src/transport/heartbeat.ts"

/** Checks every half second from `from` to `to` (milliseconds) and tells when it said what. */
function watch(heartbeat: Heartbeat, from: number, to: number): string[] {
  const said: string[] = []
  for (let now = from; now <= to; now += 500) {
    const what = heartbeat.check(now)
    if (what !== "wait") said.push(`${what} ${now}`)
    if (what === "dead") break
  }
  return said
}

describe("Heartbeat", () => {
  test("pings a quiet connection once after 10 s and gives it up after 30 s", () => {
    expect(watch(new Heartbeat(0), 0, 60_000)).toEqual(["ping 10000", "dead 30000"])
  })

  test("begins again with anything received, whenever it comes", () => {
    const heartbeat = new Heartbeat(0)
    expect(watch(heartbeat, 0, 29_500)).toEqual(["ping 10000"])
    heartbeat.received(29_500)
    expect(watch(heartbeat, 29_500, 60_000)).toEqual(["ping 39500", "dead 59500"])
  })

  test("never pings a connection that is talking", () => {
    const heartbeat = new Heartbeat(0)
    for (let now = 0; now < 120_000; now += 500) {
      if (now % 9_500 === 0) heartbeat.received(now)
      expect(heartbeat.check(now)).toBe("wait")
    }
  })

  test("pings 2 s after a request without an answer and gives up 2 s after that", () => {
    const heartbeat = new Heartbeat(0)
    heartbeat.expecting(1_000)
    expect(watch(heartbeat, 1_000, 60_000)).toEqual(["ping 3000", "dead 5000"])
  })

  test("further requests do not put off the ping that the first one wants", () => {
    const heartbeat = new Heartbeat(0)
    for (let now = 1_000; now < 3_000; now += 500) {
      heartbeat.expecting(now)
      expect(heartbeat.check(now)).toBe("wait")
    }
    expect(heartbeat.check(3_000)).toBe("ping")
  })

  test("an answer or a pong ends the urgency", () => {
    const heartbeat = new Heartbeat(0)
    heartbeat.expecting(1_000)
    heartbeat.received(2_500)
    expect(watch(heartbeat, 2_500, 12_000)).toEqual([])
    heartbeat.expecting(12_000)
    // The connection was quiet for 10 s anyway at 12.5 s; the request makes that ping's answer urgent.
    expect(watch(heartbeat, 12_000, 60_000)).toEqual(["ping 12500", "dead 14500"])
  })

  test("takes its times from whoever knows better", () => {
    const heartbeat = new Heartbeat(0, { ...DEFAULT_HEARTBEAT, pingAfterMs: 1_000, deadAfterMs: 2_000 })
    expect(watch(heartbeat, 0, 10_000)).toEqual(["ping 1000", "dead 2000"])
  })
})
