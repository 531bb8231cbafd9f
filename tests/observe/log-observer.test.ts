import { describe, expect, test } from "bun:test"
import type { Event } from "../../src/observe/events.ts"
import type { Log } from "../../src/observe/log.ts"
import type { Level } from "../../src/observe/log-lines.ts"
import { DROP_REPORT_MS, LogObserver } from "../../src/observe/log-observer.ts"
import { FakeClock } from "../support/fake-clock.ts"

interface Line {
  level: Level
  text: string
  fields: Readonly<Record<string, unknown>> | undefined
}

function setup() {
  const clock = new FakeClock()
  const lines: Line[] = []
  const log: Log = { line: (level, text, fields) => lines.push({ level, text, fields }) }
  const observer = new LogObserver(log, clock)
  return { clock, lines, observer, texts: () => lines.splice(0).map(({ text }) => text) }
}

const refused = (peer: string): Event => ({ type: "peer-refused", peer, detail: "nonsense" })
const opened = (application: string): Event => ({ type: "flow-opened", channel: "scp", application, flows: 1 })

describe("LogObserver's drops", () => {
  test("are added up by reason and told every 10 s, in one line each", () => {
    const { observer, clock, lines } = setup()
    observer.drop("queue-full", "a:1")
    observer.drop("queue-full", "b:1", 41)
    observer.drop("unmatched", "c:1")
    clock.advance(DROP_REPORT_MS - 1)
    expect(lines).toEqual([])
    clock.advance(1)
    expect(lines).toEqual([
      {
        level: "warn",
        text: "dropped 42 datagrams because the queue was full (last: b:1)",
        fields: { type: "dropped", reason: "queue-full", count: 42, where: "b:1", total: 42 },
      },
      {
        level: "warn",
        text: "dropped 1 datagram that answer nobody's request (last: c:1)",
        fields: { type: "dropped", reason: "unmatched", count: 1, where: "c:1", total: 1 },
      },
    ])
  })

  test("begin again after each report, while the totals go on", () => {
    const { observer, clock, lines, texts } = setup()
    observer.drop("oversize", "a:1", 2)
    clock.advance(DROP_REPORT_MS)
    texts()
    clock.advance(10 * DROP_REPORT_MS)
    expect(lines).toEqual([])
    observer.drop("oversize", "a:1", 3)
    clock.advance(DROP_REPORT_MS)
    expect(lines[0]?.fields).toMatchObject({ count: 3, total: 5 })
    expect(observer.totals.get("oversize")).toBe(5)
  })

  test("a million of them are one line", () => {
    const { observer, clock, texts } = setup()
    for (let i = 0; i < 1_000_000; i++) observer.drop("not-allowed", "x:1")
    clock.advance(DROP_REPORT_MS)
    expect(texts()).toEqual(["dropped 1000000 datagrams from addresses not in --allow (last: x:1)"])
  })

  test("that are no loss to anybody are told at debug level only", () => {
    const { observer, clock, lines } = setup()
    for (const reason of ["closed", "absorbed-repeat", "duplicate-answer", "answered-repeat", "boot-repeat"] as const) {
      observer.drop(reason, "a:1")
    }
    clock.advance(DROP_REPORT_MS)
    expect(lines.map(({ level }) => level)).toEqual(Array(5).fill("debug"))
  })

  test("are told at close(), after which nothing is and no timer is left", () => {
    const { observer, clock, texts } = setup()
    observer.drop("fault", "a:1")
    observer.close()
    expect(texts()).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })
})

describe("LogObserver's events", () => {
  test("are told at once, at their level, with their fields", () => {
    const { observer, lines } = setup()
    const event: Event = { type: "resolved", name: "board", host: "192.0.2.1" }
    observer.event(event)
    expect(lines).toEqual([{ level: "info", text: "board is 192.0.2.1", fields: event }])
  })

  test("of one kind about one host are told ten times, then counted and told once", () => {
    const { observer, clock, lines, texts } = setup()
    for (let i = 0; i < 500; i++) observer.event(refused(`192.0.2.7:${i}`))
    expect(texts()).toHaveLength(10)
    clock.advance(DROP_REPORT_MS)
    expect(lines).toEqual([
      {
        level: "warn",
        text: "490 more like this: 192.0.2.7:499 cut off: nonsense",
        fields: { type: "peer-refused", peer: "192.0.2.7:499", detail: "nonsense", repeated: 490 },
      },
    ])
    texts()
    observer.event(refused("192.0.2.7:1"))
    expect(texts()).toHaveLength(1)
  })

  test("about other hosts, and of other kinds, are told all the same", () => {
    const { observer, texts } = setup()
    for (let i = 0; i < 50; i++) observer.event(refused(`192.0.2.7:${i}`))
    texts()
    observer.event(refused("192.0.2.8:1"))
    observer.event({ type: "peer-lost", peer: "192.0.2.7:1", detail: "gone" })
    expect(texts()).toHaveLength(2)
  })

  test("of applications behind one client count as that client's, whatever addresses it gives them", () => {
    const { observer, texts } = setup()
    for (let i = 0; i < 300; i++) observer.event(opened(`10.0.${i >> 8}.${i & 255}:${i} via 192.0.2.7:5000`))
    expect(texts()).toHaveLength(10)
  })

  test("of a flood from ever other hosts end too, and cost bounded memory", () => {
    const { observer, clock, texts } = setup()
    for (let i = 0; i < 20_000; i++) observer.event(refused(`[2001:db8::${i.toString(16)}]:1`))
    expect(texts()).toHaveLength(256 + 10)
    clock.advance(DROP_REPORT_MS)
    expect(texts()).toEqual([expect.stringContaining(`${20_000 - 256 - 10} more like this`)])
  })

  test("that datagrams of a stranger make, one each, end too", () => {
    const floods: Event[] = [
      { type: "boot-begun", board: "board", application: "a:1", blocks: 27 },
      { type: "boot-sent", board: "board", application: "a:1", blocks: 27, bytes: 1, durationMs: 1 },
      { type: "boot-incomplete", board: "board", application: "a:1", missing: [1], total: 2 },
      { type: "boot-unfinished", board: "board", application: "a:1", blocks: 1, lost: "END" },
      { type: "boot-refused", board: "board", application: "a:1", owner: "b" },
      { type: "boot-mixed", board: "board", application: "a:1" },
      { type: "board-version", board: "board", version: "1", booting: false },
      { type: "internal-error", where: "datagram from a:1", detail: "TypeError" },
      opened("a:1"),
      { type: "flow-closed", channel: "scp", application: "a:1", code: "idle", flows: 0 },
      { type: "peer-connected", peer: "a:1", protocol: "framed" },
      { type: "tag-set", board: "board", tag: 1, application: "a:1", reverse: false },
      { type: "tag-taken", board: "board", tag: 1, from: "b:1", by: "a:1" },
      { type: "tag-refused", board: "board", tag: 1, application: "a:1", detail: "d" },
      { type: "reverse-port-taken", port: 1, application: "a:1", detail: "EADDRINUSE" },
    ]
    for (const event of floods) {
      const { observer, texts } = setup()
      for (let i = 0; i < 100; i++) observer.event(event)
      expect([event.type, texts().length]).toEqual([event.type, 10])
    }
  })

  test("that a machine has many of at its start are all told", () => {
    const { observer, texts } = setup()
    for (let i = 0; i < 100; i++) {
      observer.event({ type: "listening", role: "server", channel: "scp", carrier: "udp", address: `192.0.2.${i}:1` })
    }
    expect(texts()).toHaveLength(100)
  })
})
