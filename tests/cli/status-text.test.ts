import { expect, test } from "bun:test"
import { describeLease, describeStatus } from "../../src/cli/status-text.ts"
import type { LeaseReport, StatusReport } from "../../src/observe/status.ts"

const EMPTY: StatusReport = {
  ...{ version: "0.1.0", name: "pi", pid: 42, uptimeMs: 3_700_000, listening: ["0.0.0.0:17896"], legacy: [] },
  ...{ boards: [], sessions: [], strangers: 0, drops: {}, refusals: {} },
}

test("a server with work shows its boards, users and losses", () => {
  const report: StatusReport = {
    ...EMPTY,
    legacy: ["0.0.0.0:17894", "0.0.0.0:17895"],
    boards: [
      {
        ...{ name: "board-a", address: "192.168.240.1", state: "booted", software: "SC&MP 3.4.1", flows: 2 },
        lease: { state: "held", user: "alice", sinceMs: 180_000, idleMs: 3000, waiting: ["bob"] },
      },
      { name: "10.0.0.2", address: "10.0.0.2", state: "unknown", flows: 0 },
    ],
    sessions: [
      {
        ...{ id: "1", user: "alice", device: "laptop", peer: "192.0.2.7:40112", sinceMs: 200_000, flows: 2 },
        ...{ rttMs: 1.24, queuedBytes: 0, queueAgeMs: 0, reconnects: 1, drops: { "queue-old": 3, unmatched: 1 } },
      },
      { id: "2", user: "bob", sinceMs: 5000, flows: 0, queuedBytes: 800, queueAgeMs: 120, reconnects: 0, drops: {} },
    ],
    strangers: 1,
    drops: { "queue-old": 3, unmatched: 12 },
    refusals: { "unknown-key": 5 },
  }
  expect(describeStatus(report)).toBe(
    [
      "pi: spinnaker-relay 0.1.0, up 1 h 1 min, process 42",
      "listening on 0.0.0.0:17896; old ports, without security: 0.0.0.0:17894, 0.0.0.0:17895",
      "",
      "BOARD     ADDRESS        STATE                FLOWS  LEASE",
      "board-a   192.168.240.1  booted, SC&MP 3.4.1  2      alice for 3 min, idle 3 s; waiting: bob",
      "10.0.0.2                 not used yet         0      shared by all",
      "",
      "USER   DEVICE  FROM             SINCE  FLOWS  RTT     QUEUE          RECONNECTS  LOST",
      "alice  laptop  192.0.2.7:40112  3 min  2      1.2 ms  empty          1           4",
      "bob            connection lost  5 s    0              800 B, 120 ms  0           0",
      "",
      "datagrams lost: 12 unmatched, 3 queue-old",
      "peers refused: 5 unknown-key",
      "not let in yet: 1 connection",
      "",
    ].join("\n"),
  )
})

test("a server without work says so in few lines", () => {
  expect(describeStatus(EMPTY)).toBe(
    [
      "pi: spinnaker-relay 0.1.0, up 1 h 1 min, process 42",
      "listening on 0.0.0.0:17896",
      "",
      "BOARD  ADDRESS  STATE  FLOWS  LEASE",
      "",
      "Nobody is connected.",
      "",
    ].join("\n"),
  )
})

const leases: [lease: LeaseReport, words: string][] = [
  [{ state: "free", waiting: [] }, "free"],
  [{ state: "held", user: "alice", sinceMs: 60_000, waiting: [] }, "alice for 1 min"],
  [{ state: "reserved", user: "bob", waiting: ["eve"] }, "kept for bob, whose turn it is; waiting: eve"],
  [{ state: "withheld", user: "alice", waiting: [] }, "withheld from alice for a moment"],
  [{ state: "resetting", waiting: ["bob", "eve"] }, "being reset; waiting: bob, eve"],
]
test.each(leases)("a lease %j is %j", (lease, words) => expect(describeLease(lease)).toBe(words))
