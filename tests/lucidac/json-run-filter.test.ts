import { describe, expect, test } from "bun:test"
import { type JsonEnvelope, parseJsonEnvelope } from "../../src/lucidac/json-lines.ts"
import { JsonRunFilter } from "../../src/lucidac/json-run-filter.ts"
import { utf8 } from "../support/fuzz.ts"

const id = (letter: string) => letter.repeat(36)
const envelope = (type: string, msg: object): JsonEnvelope => parseJsonEnvelope(utf8(JSON.stringify({ type, msg })))!
const start = (runId?: string, more: object = {}) => envelope("start_run", { ...(runId && { id: runId }), ...more })
const data = (runId: string) => envelope("run_data", { id: runId, data: [] })
const state = (runId: string, name: string) => envelope("run_state_change", { id: runId, new: name })

/** A filter before one device, unless more are named. */
function filter() {
  let made = 0
  const own = new JsonRunFilter(() => id(String(++made)))
  return {
    request: (one: JsonEnvelope, devices = ["one"]) => own.request(one, devices),
    accepts: (one: JsonEnvelope, device = "one") => own.accepts(one, device),
    refused: (one: JsonEnvelope) => own.refused(one),
    get active() {
      return own.active
    },
  }
}

describe("JsonRunFilter", () => {
  test("lets through what its own runs say, also behind their end, and nothing of others'", () => {
    const own = filter()
    expect(own.request(start(id("a")))).toBeUndefined()
    expect(own.accepts(data(id("a")))).toBe(true)
    expect(own.accepts(data(id("b")))).toBe(false)
    expect(own.accepts(state(id("b"), "DONE"))).toBe(false)
    expect(own.active).toEqual([id("a")])
    expect(own.accepts(state(id("a"), "DONE"))).toBe(true)
    expect(own.active).toEqual([])
    expect(own.accepts(data(id("a")))).toBe(true)
  })

  test("has a run under way until every device is done, or one has failed", () => {
    const own = filter()
    own.request(start(id("a")), ["one", "two"])
    own.accepts(state(id("a"), "DONE"), "two")
    own.accepts(state(id("a"), "DONE"), "two")
    expect(own.active).toEqual([id("a")])
    own.accepts(state(id("a"), "DONE"), "one")
    expect(own.active).toEqual([])
    own.request(start(id("b")), ["one", "two"])
    own.accepts(state(id("b"), "ERROR"), "two")
    expect(own.active).toEqual([])
  })

  test("a message without a run's id is nobody's; what is not of a run is everybody's", () => {
    const own = filter()
    expect(own.accepts(envelope("run_data", {}))).toBe(false)
    expect(own.accepts(envelope("run_state_change", { id: 5 }))).toBe(false)
    expect(own.accepts(envelope("log", {}))).toBe(true)
  })

  test("gives a run an id where its own would become the placeholder that all share", () => {
    const own = filter()
    expect(own.request(start())).toEqual({ type: "start_run", msg: { id: id("1") } })
    expect(own.request(start("short", { x: 1 }))).toEqual({ type: "start_run", msg: { id: id("2"), x: 1 } })
    expect(own.active).toEqual([id("1"), id("2")])
    expect(own.accepts(data(id("2")))).toBe(true)
  })

  test("other requests go as they are", () => expect(filter().request(envelope("ping", {}))).toBeUndefined())

  test("a run that the device refused is forgotten", () => {
    const own = filter()
    own.request(start(id("a")))
    own.refused(start(id("a")))
    expect(own.active).toEqual([])
    expect(own.accepts(data(id("a")))).toBe(false)
  })

  test("a repeated run ends with the first DONE after it was stopped, or with ERROR", () => {
    const own = filter()
    const repetitive = { config: { repetitive: true } }
    own.request(start(id("a"), repetitive))
    own.accepts(state(id("a"), "DONE"))
    expect(own.active).toEqual([id("a")])
    own.request(envelope("stop_run", { end_repetitive: true }))
    own.accepts(state(id("a"), "DONE"))
    expect(own.active).toEqual([])
    own.request(start(id("b"), repetitive))
    own.request(start(id("c"), { end_repetitive: true }))
    own.accepts(state(id("b"), "DONE"))
    expect(own.active).toEqual([id("c")])
    own.request(start(id("d"), repetitive))
    own.accepts(state(id("d"), "ERROR"))
    expect(own.active).toEqual([id("c")])
  })

  test("keeps apart 64 runs, of which those go first that have ended", () => {
    const own = filter()
    const name = (index: number) => String(index).padStart(36, "0")
    for (let index = 0; index < 64; index++) own.request(start(name(index)))
    own.accepts(state(name(5), "DONE"))
    own.request(start(name(64)))
    expect(own.accepts(data(name(5)))).toBe(false)
    own.request(start(name(65)))
    expect([own.accepts(data(name(0))), own.accepts(data(name(1)))]).toEqual([false, true])
    expect(own.active).toHaveLength(64)
  })
})
