import { describe, expect, test } from "bun:test"
import { PeerSessions, RESUME_MS } from "../../src/relay/peer-sessions.ts"
import { LeasedBoards } from "../support/leased-board.ts"

function setup() {
  const all = new LeasedBoards()
  const board = all.board()
  const sessions = new PeerSessions(all.leases, all.clock)
  const ended = sessions.began("192.0.2.1")
  board.program("192.0.2.1").say("a")
  return { all, board, sessions, ended, kind: () => board.lease.state.kind }
}

describe("a host's connections", () => {
  test("one that its client ends takes the host's boards with it, if it is the last", () => {
    const { sessions, ended, kind } = setup()
    const second = sessions.began("192.0.2.1")
    ended("clean")
    expect(kind()).toBe("held")
    second("clean")
    expect(kind()).toBe("free")
  })

  test("one that is lost has a minute to come back", () => {
    const { all, sessions, ended, kind } = setup()
    ended("lost")
    all.clock.advance(RESUME_MS - 1)
    expect(kind()).toBe("held")
    const again = sessions.began("192.0.2.1")
    all.clock.advance(1)
    expect(kind()).toBe("held")
    again("lost")
    all.clock.advance(RESUME_MS)
    expect(kind()).toBe("free")
    expect(all.observer.of("lease-released")).toMatchObject([{ cause: "lost" }])
  })

  test("any number that are lost at once are remembered up to a limit", () => {
    const { all, sessions } = setup()
    const before = all.clock.pending
    for (let host = 0; host < 1_000; host++) sessions.began(`host${host}`)("lost")
    expect(all.clock.pending - before).toBe(256)
    sessions.close()
    expect(all.clock.pending).toBe(before)
  })
})
