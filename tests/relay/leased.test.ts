/** A board with a lease as its users see it, in memory. */
import { describe, expect, test } from "bun:test"
import { RESERVED_MS } from "../../src/relay/lease.ts"
import { TELL_MS } from "../../src/relay/lease-teller.ts"
import { Connection, LeasedBoards } from "../support/leased-board.ts"

describe("two users of one board", () => {
  test("the first has it; of the other nothing reaches the board, and all of it is counted", () => {
    const all = new LeasedBoards()
    const board = all.board()
    const [alice, bob] = [board.program("alice"), board.program("bob")]
    alice.say("a1")
    for (let i = 0; i < 5; i++) bob.say(`b${i}`)
    alice.say("a2")
    expect(board.got).toEqual(["a1", "a2"])
    expect(all.observer.dropped.get("board-in-use")).toBe(5)
    expect(bob.ended).toEqual([])
    expect(all.observer.of("lease-taken")).toMatchObject([{ board: "board-a", user: "alice" }])
    expect(all.observer.of("lease-waits")).toMatchObject([{ board: "board-a", user: "bob" }])
  })

  test("all programs of the first one pass, SCP and boots alike, and either channel holds the other", () => {
    const all = new LeasedBoards()
    const board = all.board()
    board.program("alice", undefined, "boot").say("boot")
    board.program("bob").say("scp of bob")
    board.program("bob", undefined, "boot").say("boot of bob")
    board.program("alice").say("scp")
    expect(board.got).toEqual(["boot", "scp"])
  })

  test("what the board says counts as its holder's traffic, and reaches nobody else", () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { sessionTimeoutMs: 10_000 })
    const [alice, bob] = [board.program("alice"), board.program("bob")]
    alice.say("a")
    for (let i = 0; i < 5; i++) {
      all.clock.advance(9_000)
      board.say("data")
    }
    expect(alice.got).toHaveLength(5)
    expect(bob.got).toEqual([])
    expect(board.lease.waiting).toEqual([])
    expect(board.lease.state).toMatchObject({ kind: "held", user: "alice" })
    all.clock.advance(10_000)
    expect(board.lease.state).toEqual({ kind: "free" })
  })

  test("at its release the first one's flows end, those of who waits do not", () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { sessionTimeoutMs: 1_000 })
    const [alice, bob] = [board.program("alice"), board.program("bob")]
    alice.say("a")
    all.clock.advance(900)
    bob.say("b1")
    all.clock.advance(200)
    expect(alice.ended).toMatchObject([{ code: "peer-closed" }])
    expect(bob.ended).toEqual([])
    expect(all.observer.of("flow-closed").map(({ code }) => code)).toEqual(["idle"])
    bob.say("b2")
    expect(board.got).toEqual(["a", "b2"])
  })

  test("boards are leased each for itself", () => {
    const all = new LeasedBoards()
    const [a, b] = [all.board("board-a"), all.board("board-b")]
    a.program("alice").say("to a")
    b.program("bob").say("to b")
    expect([a.got, b.got]).toEqual([["to a"], ["to b"]])
  })

  test("without exclusive everybody passes and nothing is told", () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { exclusive: false })
    for (const user of ["alice", "bob", "alice"]) board.program(user).say(user)
    expect(board.got).toEqual(["alice", "bob", "alice"])
    expect([...all.observer.dropped.keys()]).toEqual([])
    expect(all.observer.events.filter(({ type }) => type.startsWith("lease"))).toEqual([])
  })

  test("what others had under way ends when a board becomes exclusive and somebody takes it", () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { exclusive: false })
    const [alice, bob] = [board.program("alice"), board.program("bob")]
    alice.say("a")
    bob.say("b")
    all.leases.reconfigure("board-a", { ...board.lease.settings, exclusive: true })
    alice.say("a")
    all.clock.advance(0)
    expect([alice.ended.length, bob.ended.length]).toEqual([0, 1])
  })

  test("1,000 users who all try neither fill memory nor starve the one who has it", () => {
    const all = new LeasedBoards()
    const board = all.board()
    const alice = board.program("alice")
    alice.say("a")
    board.say("answer")
    for (let user = 0; user < 1_000; user++) board.program(`user${user}`).say("x")
    expect(board.lease.waiting).toHaveLength(64)
    expect(board.got).toEqual(["a"])
    expect(alice.ended).toEqual([])
  })
})

describe("who is held back is told", () => {
  test("by whom and how idle, on the connection that his flow came by, once in five seconds", () => {
    const all = new LeasedBoards()
    const board = all.board()
    const [own, other] = [new Connection(), new Connection()]
    board.program("alice", other).say("a")
    const programs = [board.program("bob", own), board.program("bob", own)]
    all.clock.advance(3_000)
    for (let i = 0; i < 12; i++) {
      for (const program of programs) program.say("b")
      all.clock.advance(500)
    }
    expect(own.news).toEqual([
      { state: "held", by: "alice", idleMs: 3_000, waitingAhead: 0 },
      { state: "held", by: "alice", idleMs: 3_000 + TELL_MS, waitingAhead: 0 },
    ])
    expect(other.news).toEqual([])
    expect(all.hosts).toEqual([])
  })

  test("on each of his connections that tries", () => {
    const all = new LeasedBoards()
    const board = all.board()
    const [laptop, desktop] = [new Connection(), new Connection()]
    board.program("alice").say("a")
    board.program("bob", laptop).say("b")
    board.program("bob", desktop).say("b")
    expect([laptop.news.length, desktop.news.length]).toEqual([1, 1])
  })

  test("by way of his host where his flow has no connection", () => {
    const all = new LeasedBoards()
    const board = all.board()
    board.program("192.0.2.1").say("a")
    const bob = board.program("192.0.2.2")
    for (let i = 0; i < 5; i++) bob.say("b")
    expect(all.hosts).toEqual([["192.0.2.2", { state: "held", by: "192.0.2.1", idleMs: 0, waitingAhead: 0 }]])
  })

  test("when it is his turn, and nobody else is", () => {
    const all = new LeasedBoards()
    const board = all.board()
    const [bob, carol] = [new Connection(), new Connection()]
    all.leases.sessionBegan("alice", "1")
    board.program("alice").say("a")
    board.program("bob", bob).say("b")
    board.program("carol", carol).say("c")
    all.leases.sessionEnded("alice", "1", "clean")
    expect(bob.news.at(-1)).toEqual({ state: "yours" })
    expect(carol.news.map(({ state }) => state)).toEqual(["held"])
    all.clock.advance(RESERVED_MS)
    expect(carol.news.at(-1)).toEqual({ state: "yours" })
  })
})

describe("power-cycle between two users", () => {
  /** A board whose power cycles end when the test says so. */
  function setup() {
    const calls: string[] = []
    const ends: ((error?: Error) => void)[] = []
    const all = new LeasedBoards((board) => {
      calls.push(board)
      return new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())))
    })
    const board = all.board("board-a", { onRelease: "power-cycle" })
    const end = async (error?: Error): Promise<void> => {
      ends.shift()!(error)
      for (let turn = 0; turn < 4; turn++) await Promise.resolve()
    }
    return { all, board, calls, end }
  }

  test("is done once, and everybody is held back until it is over", async () => {
    const { all, board, calls, end } = setup()
    const bob = new Connection()
    all.leases.sessionBegan("alice", "1")
    board.program("alice").say("a")
    all.leases.sessionEnded("alice", "1", "clean")
    const program = board.program("bob", bob)
    program.say("too early")
    board.program("alice").say("too early")
    expect(calls).toEqual(["board-a"])
    expect(bob.news).toEqual([{ state: "resetting" }])
    await end()
    program.say("b")
    expect(board.got).toEqual(["a", "b"])
    expect(calls).toEqual(["board-a"])
    expect(all.observer.of("lease-reset")).toEqual([{ type: "lease-reset", board: "board-a", failed: undefined }])
  })

  test("that fails is one line, and the board is usable", async () => {
    const { all, board, end } = setup()
    board.program("alice").say("a")
    all.leases.kick("alice")
    await end(new Error("the BMP does not answer"))
    board.program("bob").say("b")
    expect(board.got).toEqual(["a", "b"])
    expect(all.observer.of("lease-reset")).toMatchObject([{ failed: "the BMP does not answer" }])
  })

  test("that never ends is given up after a minute, and what it says later is not heard", async () => {
    const { all, board, end } = setup()
    board.program("alice").say("a")
    all.leases.kick("alice")
    all.clock.advance(60_000)
    board.program("bob").say("b")
    expect(board.got).toEqual(["a", "b"])
    await end()
    expect(board.lease.state).toMatchObject({ kind: "held", user: "bob" })
    expect(all.observer.of("lease-reset")).toHaveLength(1)
  })

  test("with nobody to do it is one line", async () => {
    const all = new LeasedBoards()
    const board = all.board("board-a", { onRelease: "power-cycle" })
    board.program("alice").say("a")
    all.leases.kick("alice")
    await Promise.resolve()
    expect(all.observer.of("lease-reset")).toMatchObject([{ failed: "no BMP is known that could do it" }])
  })

  test("is not done when the server ends", () => {
    const { all, board, calls } = setup()
    board.program("alice").say("a")
    all.leases.close()
    all.clock.advance(1e6)
    expect(calls).toEqual([])
    expect(all.observer.of("lease-released")).toEqual([])
  })
})
