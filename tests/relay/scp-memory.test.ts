import { expect, test } from "bun:test"
import { AnswerMemory } from "../../src/relay/scp-memory.ts"
import { requestBytes } from "../support/scp-client.ts"

const toggle = (sequence: number): Uint8Array => requestBytes({ command: 25, arg1: 1 }, sequence)
const answer = (text: string): Uint8Array => new TextEncoder().encode(text)

test("recall() gives the answer to the same bytes with the same number, for its time", () => {
  const memory = new AnswerMemory({ entries: 10, bytes: 1000 })
  memory.remember(7, toggle(7), answer("done"), 0, 5000)
  expect(memory.recall(7, toggle(7), 4999)).toEqual(answer("done"))
  expect(memory.recall(8, toggle(8), 4999)).toBeUndefined()
  expect(memory.recall(7, requestBytes({ command: 25, arg1: 4 }, 7), 4999)).toBeUndefined()
})

test("a client that still asks keeps its answer, one that does not loses it", () => {
  const memory = new AnswerMemory({ entries: 10, bytes: 1000 })
  memory.remember(7, toggle(7), answer("done"), 0, 5000)
  expect(memory.recall(7, toggle(7), 4000)).toBeDefined()
  expect(memory.recall(7, toggle(7), 8000)).toBeDefined()
  expect(memory.recall(7, toggle(7), 13_000)).toBeUndefined()
  expect(memory.size).toBe(0)
})

test("count and bytes are bounded, the oldest answer goes and is counted; outdated ones are not", () => {
  let forgotten = 0
  const memory = new AnswerMemory({ entries: 3, bytes: 1000 }, () => forgotten++)
  for (let n = 0; n < 5; n++) memory.remember(n, toggle(n), answer("x"), n, 5000)
  expect([memory.size, forgotten]).toEqual([3, 2])
  expect(memory.recall(1, toggle(1), 10)).toBeUndefined()
  expect(memory.recall(2, toggle(2), 10)).toBeDefined()
  memory.remember(9, toggle(9), answer("x"), 20_000, 5000)
  expect([memory.size, forgotten]).toEqual([1, 2])
  const narrow = new AnswerMemory({ entries: 100, bytes: 60 }, () => forgotten++)
  narrow.remember(1, toggle(1), answer("1234"), 0, 5000)
  narrow.remember(2, toggle(2), answer("1234"), 0, 5000)
  narrow.remember(3, toggle(3), answer("1234"), 0, 5000)
  expect([narrow.size, forgotten]).toEqual([2, 3])
})
