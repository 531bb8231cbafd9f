import { expect, test } from "bun:test"
import { leasedBmp } from "../../src/relay/leased-bmp.ts"
import { Connection, LeasedBoards } from "../support/leased-board.ts"

test("while anybody has a board the BMP is for those who have one", () => {
  const all = new LeasedBoards()
  const { clock, observer, leases } = all
  const [a, b] = [all.board("board-a"), all.board("board-b")]
  const stage = leasedBmp({ name: "bmp", leases, clock, observer, tellHost() {} })
  const got: string[] = []
  const connection = new Connection()
  const ask = (user: string): void => {
    const [inner, bmp] = all.pair("relay", "bmp")
    const [near] = all.pair("program", "server")
    const link = stage(inner, {
      ...{ id: 1, owner: user, application: "program" },
      near: Object.assign(near, { notices: connection }),
    })
    bmp.onDatagram = (datagram) => got.push(all.text(datagram))
    link.send(new TextEncoder().encode(user))
    clock.advance(0)
  }
  ask("carol")
  a.program("alice").say("a")
  b.program("bob").say("b")
  for (const user of ["alice", "bob", "carol"]) ask(user)
  expect(got).toEqual(["carol", "alice", "bob"])
  expect(connection.news).toEqual([{ state: "held", by: "alice", idleMs: 0, waitingAhead: 0 }])
  expect(observer.dropped.get("board-in-use")).toBe(1)
  for (const user of ["alice", "bob"]) leases.kick(user)
  ask("carol")
  expect(got.at(-1)).toBe("carol")
})

test("nobody may switch boards while one of them is being reset", () => {
  const all = new LeasedBoards(() => new Promise(() => {}))
  const [a, b] = [all.board("board-a", { onRelease: "power-cycle" }), all.board("board-b")]
  a.program("alice").say("a")
  b.program("bob").say("b")
  all.leases.kick("alice")
  expect(all.leases.keptFrom("bob")).toEqual({ state: "resetting" })
})
