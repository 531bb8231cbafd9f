/** The rules of an exclusive board: every event in every state, and the stories that people will ask about. */
import { describe, expect, test } from "bun:test"
import {
  Lease,
  type LeaseAction,
  type LeaseEvent,
  type LeaseState,
  RESERVED_MS,
  RESET_LIMIT_MS,
  WITHHELD_MS,
} from "../../src/relay/lease.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "../../src/relay/lease-settings.ts"
import { WAITING_LIMIT, WAITING_MS } from "../../src/relay/lease-waiting.ts"

const SILENT_MS = LEASE_DEFAULTS.sessionTimeoutMs

/** A lease whose time the test moves; actions are written as short words. */
class Bench {
  now = 1_000
  readonly sessions = new Set<string>()
  readonly lease: Lease

  constructor(change: Partial<LeaseSettings> = {}) {
    const settings = { ...LEASE_DEFAULTS, exclusive: true, ...change }
    this.lease = new Lease({ board: "board-a", settings, hasSession: (user) => this.sessions.has(user) })
  }

  step(event: LeaseEvent): string {
    return this.lease.step(event, this.now).map(inWords).join(", ")
  }

  traffic(user: string): string {
    return this.step({ type: "traffic", user })
  }

  /** Moves time to each deadline as a timer would, and to `ms` from now. */
  wait(ms: number): string {
    const until = this.now + ms
    const done: string[] = []
    for (let turns = 0; this.lease.deadline <= until; turns++) {
      if (turns > 1_000) throw new Error("the deadline stands still")
      this.now = Math.max(this.now, this.lease.deadline)
      const words = this.step({ type: "time" })
      if (words) done.push(words)
    }
    this.now = until
    return done.join(", ")
  }

  get state(): string {
    return stateInWords(this.lease.state)
  }

  get waiting(): string[] {
    return this.lease.waiting(this.now)
  }
}

function stateInWords(state: LeaseState): string {
  return "user" in state ? `${state.kind} ${state.user}` : state.kind
}

function inWords(action: LeaseAction): string {
  switch (action.do) {
    case "pass":
    case "power-cycle":
      return action.do
    case "hold-back":
      return `hold back: ${action.news.state}${"by" in action.news ? ` ${action.news.by}` : ""}`
    case "end-others":
      return `end others than ${action.user}`
    case "end-flows":
      return `end ${action.user}: ${action.reason.code}`
    case "offer":
      return `offer ${action.user}`
    case "log": {
      const { event } = action
      if (event.type === "lease-released") return `released ${event.cause}`
      if (event.type === "lease-reset") return event.failed === undefined ? "reset" : `not reset: ${event.failed}`
      return event.type
    }
  }
}

const TAKE = "end others than A, lease-taken, pass"
/** How each state is come to; the user concerned is A, and B is another. */
const STATES: Record<LeaseState["kind"], (bench: Bench) => void> = {
  free() {},
  held: (bench) => void bench.traffic("A"),
  reserved(bench) {
    bench.traffic("B")
    bench.traffic("A")
    bench.step({ type: "left", user: "B", how: "clean" })
  },
  withheld(bench) {
    bench.traffic("A")
    bench.step({ type: "kicked", user: "A" })
  },
  resetting(bench) {
    bench.step({ type: "settings", settings: { ...bench.lease.settings, onRelease: "power-cycle" } })
    bench.traffic("C")
    bench.step({ type: "left", user: "C", how: "clean" })
  },
}

const off: LeaseEvent = { type: "settings", settings: LEASE_DEFAULTS }
const EVENTS = {
  "traffic of A": { type: "traffic", user: "A" },
  "traffic of B": { type: "traffic", user: "B" },
  "A left": { type: "left", user: "A", how: "clean" },
  "A lost": { type: "left", user: "A", how: "lost" },
  "B left": { type: "left", user: "B", how: "clean" },
  "A kicked": { type: "kicked", user: "A" },
  "B kicked": { type: "kicked", user: "B" },
  "reset over": { type: "reset-over", reset: 1 },
  "reset failed": { type: "reset-over", reset: 1, failed: "no answer" },
  "reset of before": { type: "reset-over", reset: 0 },
  "time, too early": { type: "time" },
  off,
} as const satisfies Record<string, LeaseEvent>

/** What is done, and the state after it. */
const TABLE: Record<LeaseState["kind"], Record<keyof typeof EVENTS, [done: string, after: string]>> = {
  free: {
    "traffic of A": [TAKE, "held A"],
    "traffic of B": ["end others than B, lease-taken, pass", "held B"],
    "A left": ["", "free"],
    "A lost": ["", "free"],
    "B left": ["", "free"],
    "A kicked": ["", "free"],
    "B kicked": ["", "free"],
    "reset over": ["", "free"],
    "reset failed": ["", "free"],
    "reset of before": ["", "free"],
    "time, too early": ["", "free"],
    off: ["", "free"],
  },
  held: {
    "traffic of A": ["pass", "held A"],
    "traffic of B": ["hold back: held A, lease-waits", "held A"],
    "A left": ["released left, end A: peer-closed", "free"],
    "A lost": ["released lost, end A: peer-closed", "free"],
    "B left": ["", "held A"],
    "A kicked": ["released kicked, end A: evicted", "withheld A"],
    "B kicked": ["", "held A"],
    "reset over": ["", "held A"],
    "reset failed": ["", "held A"],
    "reset of before": ["", "held A"],
    "time, too early": ["", "held A"],
    off: ["", "free"],
  },
  reserved: {
    "traffic of A": [TAKE, "held A"],
    "traffic of B": ["hold back: reserved A, lease-waits", "reserved A"],
    "A left": ["", "free"],
    "A lost": ["", "free"],
    "B left": ["", "reserved A"],
    "A kicked": ["", "withheld A"],
    "B kicked": ["", "reserved A"],
    "reset over": ["", "reserved A"],
    "reset failed": ["", "reserved A"],
    "reset of before": ["", "reserved A"],
    "time, too early": ["", "reserved A"],
    off: ["", "free"],
  },
  withheld: {
    "traffic of A": ["hold back: withheld, lease-waits", "withheld A"],
    "traffic of B": ["end others than B, lease-taken, pass", "held B"],
    "A left": ["", "withheld A"],
    "A lost": ["", "withheld A"],
    "B left": ["", "withheld A"],
    "A kicked": ["", "withheld A"],
    "B kicked": ["", "withheld A"],
    "reset over": ["", "withheld A"],
    "reset failed": ["", "withheld A"],
    "reset of before": ["", "withheld A"],
    "time, too early": ["", "withheld A"],
    off: ["", "free"],
  },
  resetting: {
    "traffic of A": ["hold back: resetting, lease-waits", "resetting"],
    "traffic of B": ["hold back: resetting, lease-waits", "resetting"],
    "A left": ["", "resetting"],
    "A lost": ["", "resetting"],
    "B left": ["", "resetting"],
    "A kicked": ["", "resetting"],
    "B kicked": ["", "resetting"],
    "reset over": ["reset", "free"],
    "reset failed": ["not reset: no answer", "free"],
    "reset of before": ["", "resetting"],
    "time, too early": ["", "resetting"],
    off: ["", "free"],
  },
}

describe("every event in every state", () => {
  for (const [kind, events] of Object.entries(TABLE) as [LeaseState["kind"], (typeof TABLE)["free"]][]) {
    for (const [name, [done, after]] of Object.entries(events) as [keyof typeof EVENTS, [string, string]][]) {
      test(`${kind}: ${name}`, () => {
        const bench = new Bench()
        STATES[kind](bench)
        expect(bench.lease.state.kind).toBe(kind)
        expect(bench.step(EVENTS[name])).toBe(done)
        expect(bench.state).toBe(after)
      })
    }
  }

  test.each([
    ["held", SILENT_MS, "released silent, end A: idle", "free"],
    ["reserved", RESERVED_MS, "", "free"],
    ["withheld", WITHHELD_MS, "", "free"],
    ["resetting", RESET_LIMIT_MS, "not reset: it took more than 60 s", "free"],
  ] as const)("%s ends by itself after %i ms, and no sooner", (kind, ms, done, after) => {
    const bench = new Bench()
    STATES[kind](bench)
    const before = bench.state
    expect(bench.wait(ms - 1)).toBe("")
    expect(bench.state).toBe(before)
    expect(bench.wait(1)).toBe(done)
    expect(bench.state).toBe(after)
    expect(bench.lease.deadline).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("who waits", () => {
  test("gets the board in the order of first attempts, whoever tried last", () => {
    const bench = new Bench()
    bench.traffic("alice")
    for (const user of ["bob", "carol", "dave", "carol", "bob"]) bench.traffic(user)
    expect(bench.waiting).toEqual(["bob", "carol", "dave"])
    bench.step({ type: "left", user: "alice", how: "clean" })
    expect(bench.state).toBe("reserved bob")
    expect(bench.traffic("carol")).toBe("hold back: reserved bob")
    expect(bench.traffic("bob")).toEndWith("pass")
    bench.step({ type: "left", user: "bob", how: "clean" })
    expect(bench.state).toBe("reserved carol")
  })

  test("is told how many come first", () => {
    const bench = new Bench()
    bench.traffic("alice")
    const aheads = ["bob", "carol", "bob", "dave"].map((user) => {
      const [action] = bench.lease.step({ type: "traffic", user }, bench.now)
      return action?.do === "hold-back" && "waitingAhead" in action.news ? action.news.waitingAhead : undefined
    })
    expect(aheads).toEqual([0, 1, 0, 2])
  })

  test("loses his place by not trying, and stands last when he comes again", () => {
    const bench = new Bench()
    bench.traffic("alice")
    bench.traffic("bob")
    bench.wait(WAITING_MS)
    bench.traffic("carol")
    expect(bench.waiting).toEqual(["bob", "carol"])
    bench.wait(1)
    expect(bench.waiting).toEqual(["carol"])
    bench.traffic("bob")
    expect(bench.waiting).toEqual(["carol", "bob"])
  })

  test("loses his turn by not asking in time; then it is the next one's", () => {
    const bench = new Bench()
    for (const user of ["alice", "bob", "carol"]) bench.traffic(user)
    bench.step({ type: "left", user: "alice", how: "clean" })
    bench.wait(RESERVED_MS - 1)
    expect(bench.state).toBe("reserved bob")
    expect(bench.wait(1)).toBe("offer carol, lease-offered")
    expect(bench.state).toBe("reserved carol")
  })

  test("is remembered up to a limit; others are held back, and come in as places are free", () => {
    const bench = new Bench()
    bench.traffic("alice")
    for (let i = 0; i < WAITING_LIMIT; i++) bench.traffic(`user${i}`)
    expect(bench.traffic("late")).toBe("hold back: held alice")
    expect(bench.waiting).toHaveLength(WAITING_LIMIT)
    bench.step({ type: "left", user: "user3", how: "clean" })
    expect(bench.traffic("late")).toBe("hold back: held alice, lease-waits")
    expect(bench.waiting.at(-1)).toBe("late")
  })

  test("is written down once in a minute, however often he tries", () => {
    const bench = new Bench()
    bench.traffic("alice")
    let lines = 0
    for (let i = 0; i < 1_210; i++) {
      bench.traffic("alice")
      if (bench.traffic("bob").includes("lease-waits")) lines++
      bench.wait(100)
    }
    expect(lines).toBe(3)
  })
})

describe("a hold", () => {
  test("lasts as long as there is traffic, and the session time after it", () => {
    const bench = new Bench({ sessionTimeoutMs: 5_000 })
    bench.traffic("alice")
    for (let i = 0; i < 10; i++) {
      expect(bench.wait(4_999)).toBe("")
      bench.traffic("alice")
    }
    expect(bench.wait(5_000)).toBe("released silent, end alice: idle")
  })

  test('with hold = "session" outlives silence while its user has a session, and no longer', () => {
    const bench = new Bench({ hold: "session" })
    bench.sessions.add("alice")
    bench.traffic("alice")
    expect(bench.wait(10 * SILENT_MS)).toBe("")
    bench.sessions.delete("alice")
    expect(bench.step({ type: "left", user: "alice", how: "lost" })).toBe("released lost, end alice: peer-closed")
  })

  test('with hold = "session" goes by traffic where its user has none', () => {
    const bench = new Bench({ hold: "session" })
    bench.traffic("192.0.2.7")
    expect(bench.wait(SILENT_MS)).toBe("released silent, end 192.0.2.7: idle")
  })

  test("longer than max-hold ends only once somebody waits, and its user then stands behind him", () => {
    const bench = new Bench({ maxHoldMs: 60_000 })
    bench.traffic("alice")
    for (let i = 0; i < 100; i++) {
      expect(bench.wait(1_000)).toBe("")
      bench.traffic("alice")
    }
    bench.traffic("bob")
    expect(bench.wait(0)).toBe("released max-hold, end alice: evicted, offer bob, lease-offered")
    expect(bench.traffic("alice")).toStartWith("hold back: reserved bob")
    expect(bench.traffic("bob")).toEndWith("pass")
    bench.traffic("alice")
    expect(bench.waiting).toEqual(["alice"])
  })

  test("longer than max-hold does not end for somebody who has given up", () => {
    const bench = new Bench({ maxHoldMs: 60_000 })
    bench.traffic("alice")
    bench.traffic("bob")
    bench.wait(50_000)
    bench.traffic("alice")
    expect(bench.wait(50_000)).toBe("")
    expect(bench.state).toBe("held alice")
  })

  test("goes by settings that change under way", () => {
    const bench = new Bench()
    bench.traffic("alice")
    bench.wait(10_000)
    const settings = { ...bench.lease.settings, sessionTimeoutMs: 9_000 }
    expect(bench.step({ type: "settings", settings })).toBe("released silent, end alice: idle")
  })
})

describe("who is kicked", () => {
  test("stands behind everyone waiting", () => {
    const bench = new Bench()
    for (const user of ["alice", "bob", "carol"]) bench.traffic(user)
    bench.step({ type: "kicked", user: "alice" })
    expect(bench.state).toBe("reserved bob")
    bench.traffic("alice")
    expect(bench.waiting).toEqual(["carol", "alice"])
  })

  test("while he waits goes behind the others too, and while it is his turn", () => {
    const bench = new Bench()
    for (const user of ["alice", "bob", "carol"]) bench.traffic(user)
    bench.step({ type: "kicked", user: "bob" })
    expect(bench.waiting).toEqual(["carol", "bob"])
    bench.step({ type: "left", user: "alice", how: "clean" })
    bench.step({ type: "kicked", user: "carol" })
    expect(bench.state).toBe("reserved bob")
  })

  test("gets a board that nobody wants back after a moment", () => {
    const bench = new Bench()
    bench.traffic("alice")
    bench.step({ type: "kicked", user: "alice" })
    for (let i = 0; i < 10; i++) {
      expect(bench.traffic("alice")).toStartWith("hold back: withheld")
      bench.wait(WITHHELD_MS / 10 - 1)
    }
    expect(bench.wait(10)).toBe("offer alice, lease-offered")
    expect(bench.traffic("alice")).toEndWith("pass")
  })

  test("off a board that is reset stands behind those who came during the reset", () => {
    const bench = new Bench({ onRelease: "power-cycle" })
    bench.traffic("alice")
    bench.step({ type: "kicked", user: "alice" })
    bench.traffic("alice")
    bench.traffic("bob")
    expect(bench.step({ type: "reset-over", reset: 1 })).toBe("reset, offer bob, lease-offered")
    expect(bench.waiting).toEqual(["alice"])
  })
})

describe("on-release", () => {
  test("power-cycle: one reset a release, nobody gets the board meanwhile, then the first who waits", () => {
    const bench = new Bench({ onRelease: "power-cycle" })
    bench.traffic("alice")
    bench.traffic("bob")
    expect(bench.step({ type: "left", user: "alice", how: "clean" })).toBe(
      "released left, end alice: peer-closed, lease-resetting, power-cycle",
    )
    expect(["alice", "bob"].map((user) => bench.traffic(user))).toEqual([
      "hold back: resetting, lease-waits",
      "hold back: resetting",
    ])
    expect(bench.step({ type: "reset-over", reset: 1 })).toBe("reset, offer bob, lease-offered")
    expect(bench.step({ type: "reset-over", reset: 1 })).toBe("")
  })

  test("power-cycle: a turn that is not taken up needs no second reset", () => {
    const bench = new Bench({ onRelease: "power-cycle" })
    bench.traffic("alice")
    bench.traffic("bob")
    bench.step({ type: "left", user: "alice", how: "clean" })
    bench.step({ type: "reset-over", reset: 1 })
    expect(bench.wait(RESERVED_MS)).toBe("")
    expect(bench.state).toBe("free")
  })

  test("power-cycle: a reset that ends after its limit concerns nobody any more", () => {
    const bench = new Bench({ onRelease: "power-cycle" })
    for (let round = 1; round <= 2; round++) {
      bench.traffic("alice")
      bench.step({ type: "left", user: "alice", how: "clean" })
      if (round === 1) bench.wait(RESET_LIMIT_MS)
    }
    expect(bench.step({ type: "reset-over", reset: 1 })).toBe("")
    expect(bench.state).toBe("resetting")
  })
})

describe("a board that is not exclusive", () => {
  test("is everybody's, and remembers nobody", () => {
    const bench = new Bench({ exclusive: false })
    expect(["alice", "bob", "alice"].map((user) => bench.traffic(user))).toEqual(["pass", "pass", "pass"])
    expect(bench.state).toBe("free")
    expect(bench.lease.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test("any more is everybody's at once, and those who waited are told so", () => {
    const bench = new Bench()
    for (const user of ["alice", "bob", "carol"]) bench.traffic(user)
    expect(bench.step(off)).toBe("offer bob, offer carol")
    expect(bench.traffic("carol")).toBe("pass")
    expect(bench.waiting).toEqual([])
  })
})
