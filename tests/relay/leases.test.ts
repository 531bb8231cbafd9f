/** The boards of a server and the sessions of their users. */
import { describe, expect, test } from "bun:test"
import { LeasedBoards } from "../support/leased-board.ts"

describe("sessions", () => {
  test("of a user keep his boards until the last is over, and then all of them go", () => {
    const all = new LeasedBoards()
    const [a, b] = [all.board("board-a"), all.board("board-b")]
    for (const id of ["1", "2"]) all.leases.sessionBegan("alice", id)
    a.program("alice").say("a")
    b.program("alice").say("b")
    all.leases.sessionEnded("alice", "1", "clean")
    expect([a, b].map(({ lease }) => lease.state.kind)).toEqual(["held", "held"])
    all.leases.sessionEnded("alice", "2", "lost")
    expect([a, b].map(({ lease }) => lease.state.kind)).toEqual(["free", "free"])
    expect(all.observer.of("lease-released").map(({ cause }) => cause)).toEqual(["lost", "lost"])
  })

  test("that begin or end twice, or were never begun, change nothing", () => {
    const all = new LeasedBoards()
    const board = all.board()
    all.leases.sessionBegan("alice", "1")
    all.leases.sessionBegan("alice", "1")
    board.program("alice").say("a")
    all.leases.sessionEnded("alice", "9", "clean")
    all.leases.sessionEnded("bob", "1", "clean")
    expect(board.lease.state.kind).toBe("held")
    all.leases.sessionEnded("alice", "1", "clean")
    all.leases.sessionEnded("alice", "1", "clean")
    expect(all.observer.of("lease-released")).toHaveLength(1)
  })

  test("of another user do not keep a board", () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { hold: "session" })
    all.leases.sessionBegan("bob", "1")
    board.program("alice").say("a")
    all.clock.advance(300_000)
    expect(board.lease.state.kind).toBe("free")
  })

  test('keep a silent board with hold = "session", until they are over', () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { hold: "session" })
    all.leases.sessionBegan("alice", "1")
    board.program("alice").say("a")
    all.clock.advance(10_000_000)
    expect(board.lease.state.kind).toBe("held")
    all.leases.sessionEnded("alice", "1", "clean")
    expect(board.lease.state.kind).toBe("free")
  })

  test("of a user who only waits take his place with them", () => {
    const all = new LeasedBoards()
    const board = all.board()
    all.leases.sessionBegan("bob", "1")
    for (const user of ["alice", "bob"]) board.program(user).say(user)
    all.leases.sessionEnded("bob", "1", "clean")
    expect(board.lease.waiting).toEqual([])
  })
})

test("kick names the boards that the user has lost, and nobody else loses one", () => {
  const all = new LeasedBoards()
  const [a, b, c] = [all.board("board-a"), all.board("board-b"), all.board("board-c")]
  for (const board of [a, b]) board.program("alice").say("a")
  c.program("bob").say("b")
  expect(all.leases.kick("alice")).toEqual(["board-a", "board-b"])
  expect(all.leases.kick("alice")).toEqual([])
  expect(all.leases.kick("nobody")).toEqual([])
  expect(c.lease.state).toMatchObject({ kind: "held", user: "bob" })
})

test("snapshot says of each exclusive board who has it, how long and how idle, and who waits", () => {
  const all = new LeasedBoards()
  const [a, b] = [all.board("board-a"), all.board("board-b")]
  all.board("board-c", { exclusive: false }).program("dave").say("d")
  a.program("alice").say("a")
  all.clock.advance(4_000)
  a.program("alice").say("a")
  all.clock.advance(1_000)
  a.program("bob").say("b")
  a.program("carol").say("c")
  b.program("alice").say("a")
  all.leases.kick("alice")
  all.clock.advance(10)
  expect(all.leases.snapshot()).toEqual([
    { board: "board-a", state: "reserved", user: "bob", sinceMs: 10, waiting: ["carol"] },
    { board: "board-b", state: "withheld", user: "alice", sinceMs: 10, waiting: [] },
  ])
  a.program("bob").say("b")
  all.clock.advance(7)
  all.clock.advance(20_000)
  expect(all.leases.snapshot()).toEqual([
    { board: "board-a", state: "held", user: "bob", sinceMs: 20_007, idleMs: 20_007, waiting: ["carol"] },
    { board: "board-b", state: "free", waiting: [] },
  ])
})

test("settings changed under way count at once, for boards that are not there too", () => {
  const all = new LeasedBoards()
  const board = all.board()
  for (const user of ["alice", "bob"]) board.program(user).say(user)
  all.leases.reconfigure("board-a", { ...board.lease.settings, maxHoldMs: 5_000 })
  all.leases.reconfigure("board-z", board.lease.settings)
  all.clock.advance(5_000)
  expect(board.lease.state).toMatchObject({ kind: "reserved", user: "bob" })
  all.leases.reconfigure("board-a", { ...board.lease.settings, exclusive: false })
  for (const user of ["alice", "bob"]) board.program(user).say(user)
  expect(board.got).toEqual(["alice", "alice", "bob"])
  expect(all.leases.snapshot()).toEqual([])
})

test("a board that is served no more has no lease, and its flows pass until they end", () => {
  const all = new LeasedBoards()
  const board = all.board()
  const bob = board.program("bob")
  board.program("alice").say("a")
  all.leases.remove("board-a")
  bob.say("b")
  expect(board.got).toEqual(["a", "b"])
  expect(all.leases.snapshot()).toEqual([])
  expect(all.leases.kick("alice")).toEqual([])
})
