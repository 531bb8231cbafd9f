import { expect, test } from "bun:test"
import { Command, Result } from "../../src/protocol/scp.ts"
import { sequenceOf } from "../../src/relay/scp-classify.ts"
import { guardScp, OUTSTANDING_LIMIT } from "../../src/relay/scp-guard.ts"
import { replyTo, StageBench } from "../support/guarded.ts"
import { type Asked, requestBytes } from "../support/scp-client.ts"

const VER: Asked = { command: Command.VER }
const ALLOC: Asked = { command: Command.ALLOC, arg1: 0x1e00, arg2: 1024 }
const TOGGLE: Asked = { command: Command.LED, arg1: 1 }
const WRITE: Asked = { command: Command.WRITE, arg1: 0x6000_0000, arg2: 4, data: new Uint8Array(4) }
const POWER: Asked = { command: Command.POWER, arg1: 1, arg2: 1 }
const CORE: Asked = { command: Command.VER, cpu: 3 }

const guarded = (): StageBench => new StageBench(({ clock, observer }) => guardScp({ clock, observer }))

test("a request reaches the board with a number of the relay's own, the answer comes back with the client's", () => {
  const flow = guarded().flow()
  flow.ask(VER, 5)
  expect(sequenceOf(flow.board[0]!)).not.toBe(5)
  flow.answer(0, { body: Uint8Array.of(1, 2, 3) })
  expect(flow.got).toEqual([replyTo(requestBytes(VER, 5), { body: Uint8Array.of(1, 2, 3) })])
})

test("a repeat before the answer is absorbed for 450 ms, then goes on", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(ALLOC, 1)
  bench.clock.advance(449)
  flow.ask(ALLOC, 1)
  expect(flow.board.length).toBe(1)
  expect(bench.observer.dropped.get("absorbed-repeat")).toBe(1)
  bench.clock.advance(1)
  flow.ask(ALLOC, 1)
  expect(flow.board.length).toBe(2)
  flow.answer(0)
  flow.answer(1)
  expect(flow.got.length).toBe(1)
  expect(bench.observer.dropped.get("duplicate-answer")).toBe(1)
})

test("a repeat of an answered command that does more each time gets the same answer, not a second execution", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(ALLOC, 1)
  flow.answer(0, { body: Uint8Array.of(0, 0, 0, 0x60) })
  bench.clock.advance(4_900)
  flow.ask(ALLOC, 1)
  expect(flow.board.length).toBe(1)
  expect(flow.got[1]).toEqual(flow.got[0]!)
  expect(bench.observer.dropped.get("answered-repeat")).toBe(1)
  bench.clock.advance(5_001)
  flow.ask(ALLOC, 1)
  expect(flow.board.length).toBe(2)
})

test("a repeat of an answered read is executed afresh: nobody is served stale memory", () => {
  const flow = guarded().flow()
  const read: Asked = { command: Command.READ, arg1: 0x6000_0000, arg2: 4 }
  flow.ask(read, 1)
  flow.answer(0, { body: Uint8Array.of(1, 0, 0, 0) })
  flow.ask(read, 1)
  flow.answer(1, { body: Uint8Array.of(2, 0, 0, 0) })
  expect(flow.got.map((reply) => reply[14])).toEqual([1, 2])
})

test("a late duplicate of a write does not undo a newer write", () => {
  const flow = guarded().flow()
  flow.ask(WRITE, 1)
  flow.answer(0)
  flow.ask({ ...WRITE, data: Uint8Array.of(1, 2, 3, 4) }, 2)
  flow.answer(1)
  flow.ask(WRITE, 1)
  expect(flow.board.length).toBe(2)
})

test("an answer that is an error is not remembered: the client's next try is one", () => {
  const flow = guarded().flow()
  flow.ask(ALLOC, 1)
  flow.answer(0, { result: Result.P2P_TIMEOUT })
  flow.ask(ALLOC, 1)
  expect(flow.board.length).toBe(2)
})

test("power, reset and flash are sent once for one request, however often the client repeats it", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(POWER, 1)
  for (let second = 0; second < 9; second++) {
    bench.clock.advance(1_000)
    flow.ask(POWER, 1)
  }
  expect(flow.board.length).toBe(1)
  flow.answer(0)
  bench.clock.advance(20_000)
  flow.ask(POWER, 1)
  expect(flow.board.length).toBe(1)
  expect(flow.got.length).toBe(2)
  flow.ask(POWER, 2)
  expect(flow.board.length).toBe(2)
})

test("a script whose numbers stand still is never answered from memory", () => {
  const flow = guarded().flow()
  const off: Asked = { command: Command.LED, arg1: 4 }
  flow.ask(TOGGLE, 0)
  flow.answer(0)
  flow.ask(off, 0)
  flow.answer(1)
  for (let n = 2; n < 10; n++) {
    flow.ask(TOGGLE, 0)
    expect(flow.board.length).toBe(n + 1)
    flow.answer(n)
  }
})

test("the second run of a program behind a Python client, on the same flow, is not answered with the first one's answers", () => {
  const bench = guarded()
  const flow = bench.flow()
  const run = (): void => {
    for (const [sequence, asked] of [VER, ALLOC, TOGGLE].entries()) {
      flow.ask(asked, sequence)
      flow.answer(flow.board.length - 1)
    }
  }
  run()
  bench.clock.advance(1_100)
  run()
  expect(flow.board.length).toBe(6)
  // The network's duplicate of a first request changes nothing.
  flow.ask(VER, 0)
  flow.answer(6)
  flow.ask(TOGGLE, 2)
  expect(flow.board.length).toBe(7)
})

test("an answer after any client's patience is not delivered", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(ALLOC, 1)
  bench.clock.advance(12_001)
  flow.answer(0, { result: Result.P2P_TIMEOUT })
  expect(flow.got).toEqual([])
  expect(bench.observer.dropped.get("unmatched")).toBe(1)
})

test("a lost quick harmless request is tried again after 100 ms, twice; the client repeats after that", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(VER, 1)
  bench.clock.advance(99)
  expect(flow.board.length).toBe(1)
  bench.clock.advance(1)
  expect(flow.board.length).toBe(2)
  bench.clock.advance(100)
  expect(flow.board.length).toBe(3)
  bench.clock.advance(249)
  flow.ask(VER, 1)
  expect(flow.board.length).toBe(3)
  bench.clock.advance(51)
  flow.ask(VER, 1)
  expect(flow.board.length).toBe(4)
  flow.answer(3)
  expect(flow.got.length).toBe(1)
  bench.clock.advance(60_000)
  expect(flow.board.length).toBe(4)
  expect(bench.clock.pending).toBe(0)
})

test("what does more each time, and what goes to an application core, is not tried again", () => {
  const bench = guarded()
  const flow = bench.flow()
  flow.ask(ALLOC, 1)
  flow.ask(CORE, 2)
  bench.clock.advance(10_000)
  expect(flow.board.length).toBe(2)
})

test("seven are in flight over all flows; waiting flows take turns", () => {
  const bench = guarded()
  const flows = [bench.flow(), bench.flow(), bench.flow()]
  for (let n = 0; n < 9; n++) flows[0]!.ask(ALLOC, n)
  flows[1]!.ask(ALLOC, 0)
  flows[2]!.ask(ALLOC, 0)
  expect(flows.map((flow) => flow.board.length)).toEqual([7, 0, 0])
  for (let n = 0; n < 3; n++) flows[0]!.answer(n)
  expect(flows.map((flow) => flow.board.length)).toEqual([8, 1, 1])
})

test("a lost quick command holds its slot for 100 ms, one to an application core for 2.56 s", () => {
  const bench = guarded()
  const quick = bench.flow()
  for (let n = 0; n < 8; n++) quick.ask(ALLOC, n)
  bench.clock.advance(100)
  expect(quick.board.length).toBe(8)
  const other = guarded()
  const slow = other.flow()
  for (let n = 0; n < 7; n++) slow.ask(CORE, n)
  other.clock.advance(2_400)
  slow.ask(VER, 10)
  other.clock.advance(159)
  expect(slow.board.length).toBe(7)
  other.clock.advance(1)
  expect(slow.board.length).toBe(8)
})

test("a request that finds no slot within 400 ms is dropped and counted; its repeat is a new one", () => {
  const bench = guarded()
  const flow = bench.flow()
  for (let n = 0; n < 7; n++) flow.ask(CORE, n)
  flow.ask(VER, 10)
  bench.clock.advance(400)
  expect(bench.observer.dropped.get("slot-wait")).toBe(1)
  for (let n = 0; n < 7; n++) flow.answer(n)
  expect(flow.board.length).toBe(7)
  flow.ask(VER, 10)
  expect(flow.board.length).toBe(8)
})

test("other SDP is never held, repeated or dropped, but counts where it takes a tag", () => {
  const bench = guarded()
  const flow = bench.flow()
  for (let n = 0; n < 7; n++) flow.ask({ ...VER, cpu: 3, port: 1 }, 1)
  expect(flow.board.length).toBe(7)
  flow.ask(VER, 2)
  expect(flow.board.length).toBe(7)
  // An application's answer through a transient tag gives one slot back.
  const fromCore = replyTo(requestBytes({ ...VER, cpu: 3, port: 1 }, 9), { result: 1 })
  flow.fromBoard(fromCore)
  expect(flow.got).toEqual([fromCore])
  expect(flow.board.length).toBe(8)
  flow.sendRaw(requestBytes({ ...VER, cpu: 3, port: 1 }, 1))
  flow.sendRaw(Uint8Array.of(7, 0, 0x60, 0xff, 0, 0, 0, 0))
  flow.sendRaw(new Uint8Array(0))
  flow.sendRaw(new Uint8Array(1500))
  expect(flow.board.length).toBe(12)
  bench.clock.advance(10_000)
  expect(flow.board.length).toBe(12)
})

test("SDP from the board passes, and so do replies that no request of this kind waits for", () => {
  const flow = guarded().flow()
  const short = requestBytes(VER, 3).subarray(0, 20)
  flow.sendRaw(short)
  flow.fromBoard(replyTo(short, { result: Result.LEN }))
  flow.fromBoard(Uint8Array.of(1, 2, 3))
  expect(flow.got.length).toBe(2)
})

test("requests of two flows with equal numbers stay apart", () => {
  const bench = guarded()
  const [one, two] = [bench.flow(), bench.flow()]
  one.ask(VER, 1)
  two.ask(ALLOC, 1)
  two.answer(0, { body: Uint8Array.of(2) })
  one.answer(0, { body: Uint8Array.of(1) })
  expect([one.got[0]![14], two.got[0]![14]]).toEqual([1, 2])
})

test("a flow's requests without answers are bounded", () => {
  const bench = guarded()
  const flow = bench.flow()
  for (let n = 0; n < 3 * OUTSTANDING_LIMIT; n++) {
    flow.ask(ALLOC, n)
    bench.clock.advance(20)
  }
  expect(bench.observer.dropped.get("queue-full")).toBeGreaterThan(OUTSTANDING_LIMIT)
})

test("a closed flow's waiting requests go, and nothing of it is tried again", () => {
  const bench = guarded()
  const flow = bench.flow()
  const other = bench.flow()
  for (let n = 0; n < 9; n++) flow.ask(VER, n)
  flow.link.close()
  expect(bench.observer.dropped.get("closed")).toBe(2)
  bench.clock.advance(99)
  other.ask(VER, 1)
  expect(other.board.length).toBe(0)
  bench.clock.advance(1)
  expect(other.board.length).toBe(1)
  expect(flow.board.length).toBe(7)
})
