import { expect, test } from "bun:test"
import { Command, Result } from "../../src/protocol/scp.ts"
import { answerOnce, EXPECTED_LIMIT } from "../../src/relay/scp-answer-once.ts"
import { replyTo, StageBench } from "../support/guarded.ts"
import { type Asked, requestBytes } from "../support/scp-client.ts"

const VER: Asked = { command: Command.VER }
const bench = (): StageBench => new StageBench(({ clock, observer }) => answerOnce({ clock, observer }))

test("requests and their repeats pass as they are; the answer passes once", () => {
  const b = bench()
  const flow = b.flow()
  flow.ask(VER, 1)
  flow.ask(VER, 1)
  expect(flow.board).toEqual([requestBytes(VER, 1), requestBytes(VER, 1)])
  flow.answer(0)
  flow.answer(1)
  expect(flow.got.length).toBe(1)
  expect(b.observer.dropped.get("duplicate-answer")).toBe(1)
})

test("the same bytes after the answer are a new request", () => {
  const flow = bench().flow()
  flow.ask(VER, 1)
  flow.answer(0)
  flow.ask(VER, 1)
  flow.answer(1)
  expect(flow.got.length).toBe(2)
})

test("a late error does not reach a client that has gone on to its next request", () => {
  const b = bench()
  const flow = b.flow()
  for (let sent = 0; sent < 5; sent++) {
    flow.ask(VER, 1)
    b.clock.advance(500)
  }
  flow.ask(VER, 2)
  flow.answer(0, { result: Result.P2P_TIMEOUT })
  flow.answer(5)
  expect(flow.got).toEqual([replyTo(requestBytes(VER, 2))])
})

test("of a window, every request is answered, in any order", () => {
  const b = bench()
  const flow = b.flow()
  for (let n = 0; n < 8; n++) flow.ask(VER, n)
  b.clock.advance(900)
  flow.ask(VER, 8)
  for (const n of [8, 3, 1, 0, 2, 7, 6, 5, 4]) flow.answer(n)
  expect(flow.got.length).toBe(9)
})

test("an answer later than any client waits is not delivered", () => {
  const b = bench()
  const flow = b.flow()
  flow.ask(VER, 1)
  b.clock.advance(12_000)
  flow.answer(0)
  expect(flow.got).toEqual([])
})

test("SDP and replies to what is no request of this kind pass", () => {
  const flow = bench().flow()
  const short = requestBytes(VER, 3).subarray(0, 20)
  flow.sendRaw(short)
  flow.fromBoard(replyTo(short, { result: Result.LEN }))
  flow.fromBoard(replyTo(requestBytes({ ...VER, port: 1, cpu: 2 }, 5)))
  flow.fromBoard(Uint8Array.of(7, 0, 0))
  expect(flow.got.length).toBe(3)
})

test("unanswered requests are bounded", () => {
  const flow = bench().flow()
  for (let n = 0; n < 2 * EXPECTED_LIMIT; n++) flow.ask(VER, n)
  flow.answer(0)
  flow.answer(2 * EXPECTED_LIMIT - 1)
  expect(flow.got.length).toBe(1)
})
