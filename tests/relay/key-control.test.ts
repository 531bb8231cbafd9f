import { describe, expect, test } from "bun:test"
import { decodeTicket } from "../../src/protocol/ticket.ts"
import { ControlError, type InviteRequest } from "../../src/relay/control.ts"
import type { Key } from "../../src/relay/key.ts"
import { KeyBook } from "../../src/relay/key-book.ts"
import { keyControl } from "../../src/relay/key-control.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { randomBytes } from "../support/fuzz.ts"
import { MemoryStore } from "../support/memory-store.ts"

const NOW = 1_795_000_000_500
const REQUEST: InviteRequest = { name: "alice", hosts: [], boards: "all", expiresMs: 3_600_000 }

function setUp(change: { boards?: readonly string[] | undefined; serverName?: string } = {}) {
  const random = seededRandom(2)
  const store = new MemoryStore()
  const book = KeyBook.open(store, { now: () => NOW, randomBytes: (length) => randomBytes(random, length) })
  const revoked: Key[] = []
  const control = keyControl(book, {
    serverName: () => change.serverName ?? "pi",
    boards: () => ("boards" in change ? change.boards : ["board-a", "board-b"]),
    addresses: () => [{ host: "pi.local", port: 17_896 }],
    port: () => 17_896,
    onRevoked: (keys) => revoked.push(...keys),
  })
  return { book, control, revoked, store }
}

describe("an invitation", () => {
  test("is a ticket for a key in the book", () => {
    const { book, control } = setUp()
    const { ticket, addresses, serverName, expiresAt } = control.invite({ ...REQUEST, boards: ["board-b"] })
    const read = decodeTicket(ticket)
    if (!read.ok) throw new Error(read.text)
    const key = book.find(read.ticket.keyId)
    expect(key).toMatchObject({ user: "alice", boards: ["board-b"], kind: "ticket", secret: read.ticket.secret })
    expect(read.ticket.addresses).toEqual([{ host: "pi.local", port: 17_896 }])
    expect({ addresses, serverName, expiresAt }).toEqual({
      addresses: ["pi.local:17896"],
      serverName: "pi",
      expiresAt: NOW + 3_600_000,
    })
    expect(read.ticket.expiresAt).toBe(Math.floor(expiresAt / 1000))
  })

  test("names the hosts that were asked for, with the server's port unless they have one", () => {
    const { control } = setUp()
    const { addresses } = control.invite({ ...REQUEST, hosts: ["relay.example:443", "2001:db8::7"] })
    expect(addresses).toEqual(["relay.example:443", "[2001:db8::7]:17896"])
  })

  const wrong: [change: Partial<InviteRequest>, said: string][] = [
    [{ hosts: ["a b"] }, '--host "a b" is not a host name or an IP address'],
    [{ hosts: ["pi:0"] }, '--host "pi:0": ports are 1 to 65535'],
    [{ hosts: Array(17).fill("pi") }, "a ticket has room for 16 hosts, not 17"],
    [{ boards: ["bord-a"] }, "there is no board called bord-a: did you mean board-a?"],
    [{ boards: ["board-a", "x"] }, "there is no board called x: there are board-a, board-b"],
  ]
  test.each(wrong)("for %j is refused, and no key is made", (change, said) => {
    const { control, store } = setUp()
    expect(() => control.invite({ ...REQUEST, ...change })).toThrow(new ControlError(said))
    expect(store.saves).toBe(0)
  })

  test("may name any board where nobody knows which there are", () => {
    const { control, book } = setUp({ boards: undefined })
    control.invite({ ...REQUEST, boards: ["x"] })
    expect(book.list()[0]?.boards).toEqual(["x"])
  })

  test.each(["ü".repeat(60), "\u001b", "x".repeat(200)])("is from a server of any name: %j", (serverName) => {
    expect(decodeTicket(setUp({ serverName }).control.invite(REQUEST).ticket).ok).toBe(true)
  })
})

test("invitations are listed without their secrets", () => {
  const { control, book } = setUp()
  control.invite(REQUEST)
  const [key] = book.list()
  expect(control.invites()).toEqual([
    { kind: "ticket", id: key!.id, user: "alice", boards: "all", createdAt: NOW, expiresAt: NOW + 3_600_000 },
  ])
})

test("who is revoked loses keys and sessions; who is not there is asked after", () => {
  const { control, revoked } = setUp()
  expect(() => control.revoke("alice")).toThrow("nobody called alice has a key: there is none at all")
  control.invite(REQUEST)
  control.invite(REQUEST)
  expect(() => control.revoke("alcie")).toThrow("nobody called alcie has a key: did you mean alice?")
  expect(control.revoke("alice")).toEqual({ keys: 2, sessions: 2 })
  expect(revoked.map(({ user }) => user)).toEqual(["alice", "alice"])
})
