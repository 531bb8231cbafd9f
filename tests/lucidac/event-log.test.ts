import { expect, test } from "bun:test"
import { EventLog } from "../../src/lucidac/event-log.ts"
import { FakeClock } from "../support/fake-clock.ts"

test("a flood of one stranger is ten lines and a count, and hides nobody else", () => {
  const lines: string[] = []
  const clock = new FakeClock()
  const log = new EventLog({ line: (_level, text) => void lines.push(text) }, clock)
  for (let port = 1; port <= 1_000; port++)
    log.event({ type: "client-refused", client: `192.0.2.1:${port}`, detail: "x" })
  log.event({ type: "client-refused", client: "192.0.2.2:1", detail: "x" })
  expect(lines).toHaveLength(11)
  clock.advance(10_000)
  expect(lines.slice(11)).toEqual(["990 more like this: Refused 192.0.2.1:1000: x"])
  log.event({ type: "client-refused", client: "192.0.2.1:1", detail: "x" })
  expect(lines).toHaveLength(13)
  log.close()
  expect(clock.pending).toBe(0)
})
