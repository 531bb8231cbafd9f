import { describe, expect, test } from "bun:test"
import { ScpWindow, WINDOW_DEFAULTS, type WindowOptions } from "../../src/connections/scp-window.ts"
import { Result } from "../../src/protocol/scp.ts"

const make = (options: Partial<WindowOptions> = {}, first = 0) =>
  new ScpWindow<string>({ ...WINDOW_DEFAULTS, ...options }, first)
const bytes = (sequence: number) => Uint8Array.of(sequence & 0xff)

describe("ScpWindow", () => {
  test("has SpiNNMan's defaults", () => {
    expect(WINDOW_DEFAULTS).toEqual({
      channels: 8,
      intermediateChannelWaits: 7,
      timeoutMs: 1000,
      retries: 10,
      retryPauseMs: 100,
      retryable: new Set([Result.TIMEOUT, Result.P2P_TIMEOUT, Result.LEN, Result.P2P_NOREPLY]),
      deadline: "connection",
    })
  })

  test.each([
    [8, 7],
    [3, 2],
    [8, 4],
  ])("takes %p, then none until %p are left", (channels, intermediateChannelWaits) => {
    const window = make({ channels, intermediateChannelWaits })
    for (let flight = 0; flight < channels; flight++) {
      expect(window.hasRoom()).toBe(true)
      window.add("", bytes, 0)
    }
    for (let left = channels; left > intermediateChannelWaits; left--) {
      expect(window.hasRoom()).toBe(false)
      window.reply(channels - left, Result.OK, "OK", 0)
    }
    expect(window.hasRoom()).toBe(true)
  })

  test("sequences count up, wrap after 65535 and pass over those in flight", () => {
    const window = make({ channels: 8 }, 65535)
    expect(window.add("", bytes, 0).sequence).toBe(65535)
    expect(window.add("", bytes, 0).sequence).toBe(0)
    window.reply(65535, Result.OK, "OK", 0)
    for (let round = 1; round < 65536; round++) {
      const { sequence } = window.add("", bytes, 0)
      expect(sequence).not.toBe(0)
      window.reply(sequence, Result.OK, "OK", 0)
    }
    // A whole round later 0 is still in flight.
    expect(window.add("", bytes, 0).sequence).toBe(1)
  })

  /** Every state of a request against every event: what comes out, and the state after it. */
  const table: [string, string, string, string][] = [
    ["waiting", "OK", "done", "gone"],
    ["waiting", "unexpected code", "done", "gone"],
    ["waiting", "retryable code", "retry", "pausing"],
    ["waiting", "time", "send", "waiting"],
    ["waiting", "time, no retries left", "failed", "gone"],
    ["pausing", "OK", "done", "gone"],
    ["pausing", "unexpected code", "done", "gone"],
    ["pausing", "retryable code", "retry", "pausing"],
    ["pausing", "time", "send", "waiting"],
    ["pausing", "time, no retries left", "failed", "gone"],
    ["gone", "OK", "ignored", "gone"],
    ["gone", "retryable code", "ignored", "gone"],
    ["gone", "time", "nothing", "gone"],
  ]

  test.each(table)("%s, %s: %s, then %s", (state, event, outcome, after) => {
    const window = make({ retries: event.includes("no retries") ? 0 : 1 })
    const flight = window.add("mine", bytes, 0)
    if (state === "pausing") window.reply(0, Result.LEN, "LEN", 0)
    if (state === "gone") window.reply(0, Result.OK, "OK", 0)
    const codes: Record<string, number> = { OK: Result.OK, "unexpected code": Result.CPU, "retryable code": Result.LEN }
    const code = codes[event]
    if (code !== undefined) {
      const got = window.reply(0, code, "", 1)
      expect(got === undefined ? "ignored" : got === "retry" ? "retry" : "done").toBe(outcome)
    } else {
      expect(window.expire(state === "pausing" ? 99 : 999)).toEqual([])
      const actions = window.expire(state === "pausing" ? 100 : 1000)
      expect(actions.map(({ type }) => type)).toEqual(outcome === "nothing" ? [] : [outcome as "send"])
    }
    expect(window.size === 0 ? "gone" : flight.state.kind).toBe(after as "gone")
  })

  test("by connection, any reply puts off everybody's time, and then all are sent again", () => {
    const window = make()
    for (const context of ["a", "b", "c"]) window.add(context, bytes, 0)
    window.reply(0, Result.OK, "OK", 900)
    expect(window.nextMs).toBe(1900)
    window.reply(4711, Result.OK, "OK", 1800)
    expect(window.nextMs).toBe(2800)
    expect(window.expire(2799)).toEqual([])
    expect(window.expire(2800).map(({ flight }) => flight.context)).toEqual(["b", "c"])
    expect(window.nextMs).toBe(3800)
    expect([window.timeouts, window.resent, window.resentForCode]).toEqual([1, 2, 0])
  })

  test("by request, each has its own time", () => {
    const window = make({ deadline: "request" })
    window.add("a", bytes, 0)
    window.add("b", bytes, 300)
    window.add("c", bytes, 300)
    window.reply(2, Result.OK, "OK", 900)
    expect(window.nextMs).toBe(1000)
    expect(window.expire(1000).map(({ flight }) => flight.context)).toEqual(["a"])
    expect(window.nextMs).toBe(1300)
  })

  test("a repeat is the same datagram", () => {
    const window = make()
    const flight = window.add("a", () => Uint8Array.of(1, 2, 3), 0)
    const [again] = window.expire(1000)
    expect(again?.flight.datagram).toBe(flight.datagram)
  })

  test("keeps why each try came to nothing, whatever the mixture", () => {
    const window = make({ retries: 2 })
    const flight = window.add("a", bytes, 0)
    window.expire(1000)
    window.reply(0, Result.P2P_NOREPLY, "P2P_NOREPLY", 1200)
    window.expire(1300)
    window.sendFailed(flight, "ECONNREFUSED")
    expect(window.expire(2300).map(({ type }) => type)).toEqual(["failed"])
    expect(flight.reasons).toEqual(["timeout", "P2P_NOREPLY", "ECONNREFUSED", "timeout"])
    expect(window.resentForCode).toBe(1)
  })
})
