import { describe, expect, test } from "bun:test"
import type { Event } from "../../src/observe/events.ts"
import { createLog, LOG_LEVELS } from "../../src/observe/log.ts"
import { type Level, logLine } from "../../src/observe/log-lines.ts"

const board = "board.example"
const application = "127.0.0.1:4000"
const target = "server.example:17894"
const peer = "192.0.2.7:40112"

/** Every event there is, with each of its variants, and the level of its line: the compiler misses none. */
const SAMPLES: { [T in Event["type"]]: readonly [Level, Omit<Extract<Event, { type: T }>, "type">][] } = {
  listening: [
    ["info", { role: "server", channel: "scp", carrier: "udp", address: "192.0.2.1:17894" }],
    ["info", { role: "fake board", channel: "board", carrier: "udp", address: "192.0.2.1:17893" }],
  ],
  "listen-waiting": [["warn", { address: "192.0.2.1:17894", detail: "not there yet", retryMs: 250 }]],
  "listen-reopened": [["warn", { address: "192.0.2.1:17894" }]],
  "open-to-all": [["warn", { addresses: "all addresses" }]],
  "client-open-wider": [["warn", { address: "0.0.0.0" }]],
  "receive-buffer": [
    ["debug", { grantedBytes: 4 << 20, wantedBytes: 4 << 20, hint: undefined }],
    ["warn", { grantedBytes: 208 << 10, wantedBytes: 4 << 20, hint: "sysctl -w net.core.rmem_max=4194304" }],
  ],
  "flow-opened": [
    ["info", { channel: "scp", application, flows: 1 }],
    ["info", { channel: "boot", application, flows: 2 }],
  ],
  "flow-closed": [
    ["info", { channel: "scp", application, code: "idle", flows: 0 }],
    ["debug", { channel: "boot", application, code: "shutdown", flows: 3 }],
  ],
  "lease-taken": [["info", { board, user: "alice" }]],
  "lease-waits": [
    ["info", { board, user: "bob", news: { state: "held", by: "alice", idleMs: 3_400, waitingAhead: 0 } }],
    ["info", { board, user: "bob", news: { state: "held", by: "alice", idleMs: 0, waitingAhead: 1 } }],
    ["info", { board, user: "bob", news: { state: "reserved", by: "carol", waitingAhead: 2 } }],
    ["info", { board, user: "bob", news: { state: "resetting" } }],
    ["info", { board, user: "bob", news: { state: "withheld" } }],
  ],
  "lease-offered": [["info", { board, user: "bob", forMs: 10_000 }]],
  "lease-released": [
    ["info", { board, user: "alice", cause: "silent", afterMs: 300_000 }],
    ["info", { board, user: "alice", cause: "left", afterMs: 1 }],
    ["info", { board, user: "alice", cause: "lost", afterMs: 1 }],
    ["info", { board, user: "alice", cause: "kicked", afterMs: 1 }],
    ["info", { board, user: "alice", cause: "max-hold", afterMs: 3_600_000 }],
  ],
  "lease-resetting": [["info", { board }]],
  "lease-reset": [
    ["info", { board, failed: undefined }],
    ["error", { board, failed: "the BMP does not answer" }],
  ],
  "board-in-use": [
    ["warn", { board, news: { state: "held", by: "alice", idleMs: 3_400, waitingAhead: 0 } }],
    ["info", { board, news: { state: "yours" } }],
  ],
  "tag-set": [
    ["info", { board, tag: 1, application, reverse: false }],
    ["info", { board, tag: 2, application, reverse: true }],
  ],
  "tag-taken": [["warn", { board, tag: 1, from: application, by: "127.0.0.1:4001" }]],
  "tag-refused": [["error", { board, tag: 1, application, detail: "no more sockets" }]],
  "reverse-port-taken": [
    ["warn", { port: 12345, application, detail: "EADDRINUSE" }],
    ["warn", { port: 80, application, detail: "EACCES" }],
  ],
  "tags-not-passing": [
    ["warn", { peer: target, side: "server" }],
    ["warn", { peer, side: "client" }],
  ],
  "flow-limit": [["warn", { channel: "scp", limit: 256 }]],
  "resolve-failed": [["warn", { name: board, detail: "ENOTFOUND", retryMs: 15_000 }]],
  resolved: [["info", { name: board, host: "192.0.2.1" }]],
  "target-unreachable": [["warn", { target, detail: "ECONNREFUSED" }]],
  "target-back": [["info", { target }]],
  "peer-connected": [
    ["info", { peer, protocol: "mux" }],
    ["info", { peer, protocol: "framed" }],
  ],
  "peer-lost": [["info", { peer, detail: "closed by the other side" }]],
  "peer-refused": [["warn", { peer, detail: "its address is not in --allow" }]],
  connected: [
    ["info", { target, protocol: "mux", afterMs: 12 }],
    ["info", { target, protocol: "framed", afterMs: 61_000 }],
  ],
  "connect-failed": [["warn", { target, detail: "nobody there", retryMs: 250 }]],
  "connection-lost": [["warn", { target, detail: "nothing heard from it", retryMs: 100 }]],
  "python-shared": [["warn", { target }]],
  "boot-begun": [["info", { board, application, blocks: 27 }]],
  "boot-progress": [["debug", { board, application, done: 3, total: 27 }]],
  "boot-sent": [["info", { board, application, blocks: 27, bytes: 27_168, durationMs: 1_400 }]],
  "boot-incomplete": [
    ["warn", { board, application, missing: [3], total: 27 }],
    ["warn", { board, application, missing: Array.from({ length: 20 }, (_, i) => i), total: 27 }],
  ],
  "board-unbooted": [
    ["info", { board: "192.0.2.1", served: true }],
    ["warn", { board: "192.0.2.9", served: false }],
  ],
  "hello-unheard": [
    ["warn", { address: "0.0.0.0:54321", detail: "EADDRINUSE", retryMs: 30_000, expectTaken: false }],
    ["debug", { address: "0.0.0.0:54321", detail: "EADDRINUSE", retryMs: 30_000, expectTaken: true }],
  ],
  "boards-found": [
    ["info", { board, served: ["192.0.2.9", "192.0.2.17"], ignored: [] }],
    ["warn", { board, served: [], ignored: ["198.51.100.9"] }],
  ],
  "hello-listening": [["info", { address: "0.0.0.0:54321" }]],
  "board-address": [
    ["info", { board: "192.0.2.1", kind: "board", address: "127.0.0.1" }],
    ["info", { board: "192.0.2.1", kind: "board", address: "127.0.0.1", boardType: "spin5" }],
    ["info", { board: "192.0.2.0", kind: "bmp", address: "127.0.0.4" }],
  ],
  "board-gone": [["warn", { board: "board-a", address: "127.0.0.1" }]],
  "board-no-address": [
    ["warn", { board: "192.0.2.9", address: "127.0.0.2", detail: "EADDRNOTAVAIL" }],
    ["warn", { board: "192.0.2.9", address: "127.0.0.x", detail: "its ports are taken by another program" }],
  ],
  "board-elsewhere": [["warn", { address: "192.0.2.9" }]],
  "boot-resent": [["info", { target, datagrams: 29 }]],
  "boot-repeated": [["debug", { board, pass: 2, gapMs: 20 }]],
  "boot-unfinished": [
    ["warn", { board, application, blocks: 27, lost: "END" }],
    ["warn", { board, application, blocks: 27, lost: "START" }],
  ],
  "boot-refused": [["warn", { board, application, owner: "192.0.2.9" }]],
  "boot-mixed": [["warn", { board, application }]],
  "boot-answered": [
    ["info", { board, application, version: "SC&MP 4.0.0 on SpiNNaker", passes: 1, durationMs: 4_200 }],
    ["info", { board, application, version: "SC&MP 4.0.0 on SpiNNaker", passes: 3, durationMs: 12_000 }],
  ],
  "boot-failed": [
    ["error", { board, application, passes: 4, durationMs: 20_000, answered: true }],
    ["error", { board, application, passes: 4, durationMs: 20_000, answered: false }],
  ],
  "board-version": [
    ["info", { board, version: "SC&MP 4.0.0 on SpiNNaker", booting: true }],
    ["info", { board, version: "SC&MP 4.0.0 on SpiNNaker", booting: false }],
  ],
  "internal-error": [["error", { where: "datagram from 192.0.2.7:1", detail: "TypeError: x" }]],
  reloaded: [
    ["info", { changes: [] }],
    ["info", { changes: ["board-b added (192.0.2.9)"] }],
  ],
  "reload-failed": [["error", { detail: "boards.toml:3:1: unknown key" }]],
  "tunnel-listening": [["info", { address: "[::]:17896" }]],
  "user-connected": [["info", { user: "alice", peer }]],
  "user-lost": [["info", { user: "alice", detail: "reset", waitMs: 60_000 }]],
  "user-back": [["info", { user: "alice", peer }]],
  "user-left": [
    ["info", { user: "alice", how: "clean", detail: "" }],
    ["info", { user: "alice", how: "ended", detail: "the key has been revoked" }],
  ],
  "device-joined": [["info", { user: "alice", device: "laptop", peer }]],
  "tunnel-refused": [
    ["warn", { peer, reason: "wrong-proof", count: 1 }],
    ["debug", { peer, reason: "left", count: 3 }],
  ],
  "tunnel-up": [["info", { target, name: "pi", resumed: true, afterMs: 900 }]],
  "tunnel-not-let-in": [
    ["error", { target, detail: "this ticket has been used", proved: true, retryMs: 250 }],
    ["error", { target, detail: "", proved: false, retryMs: 250 }],
  ],
  stopping: [["info", { signal: "SIGTERM" }]],
}

const ALL = Object.entries(SAMPLES).flatMap(([type, samples]) =>
  samples.map(([level, fields]) => [type, level, { type, ...fields } as Event] as const),
)

/** Fields that say who or what it is about, or why: a line without them helps nobody. */
const TELLING = [
  "target",
  "peer",
  "board",
  "application",
  "address",
  "addresses",
  "name",
  "host",
  "detail",
  "where",
  "hint",
  "version",
  "owner",
]

describe("logLine()", () => {
  test.each(ALL)("renders %s at level %s, in one readable line with all that is telling", (_type, level, event) => {
    const { level: said, text } = logLine(event)
    expect(said).toBe(level)
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object|\n|\{|\}/)
    expect(text).toBe(text.trim())
    for (const [field, value] of Object.entries(event)) {
      if (TELLING.includes(field) && value !== undefined) expect(text).toContain(String(value))
    }
  })

  test.each(ALL)("%s (%s) is a JSON line with every field of the event", (_type, level, event) => {
    const written: string[] = []
    const options = { format: "json", level: "debug", colour: false, timestamps: false } as const
    const log = createLog({ ...options, write: (text) => written.push(text) })
    const rendered = logLine(event)
    log.line(rendered.level, rendered.text, event)
    const { time, level: said, message, event: type, ...fields } = JSON.parse(written.join(""))
    const { type: expectedType, ...expected } = event
    expect([said, message, type]).toEqual([level, rendered.text, expectedType])
    expect(fields).toEqual(JSON.parse(JSON.stringify(expected)))
    expect(LOG_LEVELS).toHaveProperty(said)
    expect(time).toBeString()
  })

  test("tells variants apart: a Python proxy, how many flows, which blocks are missing", () => {
    const text = (event: Event) => logLine(event).text
    expect(text({ type: "connected", target, protocol: "framed", afterMs: 1 })).toContain("Python proxy")
    expect(text({ type: "connected", target, protocol: "mux", afterMs: 1 })).not.toContain("Python")
    expect(text({ type: "peer-connected", peer, protocol: "framed" })).toContain("Python")
    expect(text({ type: "flow-opened", channel: "scp", application, flows: 1 })).toContain("(1 flow)")
    expect(text({ type: "flow-opened", channel: "boot", application, flows: 2 })).toContain("for boot (2 flows)")
    const missing = Array.from({ length: 20 }, (_, i) => i)
    expect(text({ type: "boot-incomplete", board, application, missing, total: 27 })).toContain(
      "20 of 27 blocks never came (0, 1, 2, 3, 4, 5, 6, 7 and 12 more)",
    )
  })

  test("puts the system's codes in words, and blames no board for this machine's own trouble", () => {
    const text = (event: Event) => logLine(event).text
    const unreachable = (detail: string) => text({ type: "target-unreachable", target, detail })
    expect(unreachable("ECONNREFUSED")).toContain("nothing listens on that port (ECONNREFUSED); check its power")
    expect(unreachable("EMFILE")).toMatch(/sockets.*LimitNOFILE \(EMFILE\)$/)
    expect(unreachable("ENETUNREACH")).toMatch(/no network that leads there \(ENETUNREACH\)$/)
    expect(unreachable("EODD")).toContain("cannot be reached: EODD; check")
    expect(text({ type: "listen-waiting", address: peer, detail: "EADDRNOTAVAIL", retryMs: 1 })).toContain(
      "this machine does not have that address (EADDRNOTAVAIL); trying again",
    )
    expect(text({ type: "resolve-failed", name: board, detail: "EAI_AGAIN", retryMs: 1 })).toContain(
      "no name server answers (EAI_AGAIN)",
    )
  })

  test("says what cures an incomplete boot, as the README does: -t on the client is enough", () => {
    const { text } = logLine({ type: "boot-incomplete", board, application, missing: [1], total: 27 })
    expect(text).toContain("give the client -t")
  })

  test("says who has a board, who waits for it and why it is free", () => {
    const held = (waitingAhead: number) => ({ state: "held", by: "alice", idleMs: 3_400, waitingAhead }) as const
    const lines = (events: Event[]) => events.map((event) => logLine(event).text)
    expect(
      lines([
        { type: "lease-taken", board: "board-a", user: "alice" },
        { type: "lease-waits", board: "board-a", user: "bob", news: held(0) },
        { type: "lease-released", board: "board-a", user: "alice", cause: "silent", afterMs: 300_000 },
        { type: "board-in-use", board: "board-a", news: held(0) },
        { type: "board-in-use", board: "board-a", news: held(2) },
        { type: "board-in-use", board: "board-a", news: { state: "resetting" } },
        { type: "board-in-use", board: "board-a", news: { state: "yours" } },
      ]),
    ).toEqual([
      "board-a is now alice's",
      "bob waits for board-a, held by alice, idle 3 s",
      "board-a is free again (alice was silent for 300 s)",
      "board-a is in use by alice, idle 3 s: waiting",
      "board-a is in use by alice, idle 3 s, behind 2 others who wait: waiting",
      "board-a is being reset: waiting",
      "board-a is yours now",
    ])
  })

  test("gives seconds as people read them", () => {
    const after = (ms: number) => logLine({ type: "connected", target, protocol: "mux", afterMs: ms }).text
    expect(after(0)).toContain("0.0 s")
    expect(after(1_449)).toContain("1.4 s")
    expect(after(9_949)).toContain("9.9 s")
    expect(after(9_950)).toContain("10 s")
    expect(after(61_000)).toContain("61 s")
  })

  test("says what to do about each warning that a person can mend", () => {
    const hints: [Event, RegExp][] = [
      [{ type: "open-to-all", addresses: "all addresses" }, /--allow NETWORK.*--bind ADDRESS/],
      [{ type: "client-open-wider", address: "0.0.0.0" }, /--allow NETWORK/],
      [{ type: "flow-limit", channel: "scp", limit: 256 }, /--max-flows/],
      [{ type: "target-unreachable", target, detail: "x" }, /check its power, cable and address/],
      [{ type: "python-shared", target }, /run spinnaker-relay there/],
    ]
    for (const [event, hint] of hints) expect(logLine(event).text).toMatch(hint)
  })
})
