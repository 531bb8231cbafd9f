import { expect, test } from "bun:test"
import { BOOT_QUEUE_LIMIT, BootQueue } from "../../src/relay/boot-queue.ts"

const item = (n: number, gapMs = 10) => ({ datagram: Uint8Array.of(n), gapMs })

test("datagrams leave in order, each no sooner than its gap after the last", () => {
  const queue = new BootQueue()
  queue.push(item(1))
  queue.push(item(2))
  queue.push(item(3, 20))
  expect(queue.take(100)).toEqual(item(1))
  expect(queue.dueAt).toBe(110)
  expect(queue.take(109.9)).toBeUndefined()
  expect(queue.take(110)).toEqual(item(2))
  expect(queue.take(129)).toBeUndefined()
  expect(queue.take(130)).toEqual(item(3, 20))
  expect(queue.dueAt).toBe(Number.POSITIVE_INFINITY)
})

test("the gap counts from the last datagram sent, also over a time when the queue was empty", () => {
  const queue = new BootQueue()
  queue.push(item(1))
  queue.take(100)
  queue.push(item(2))
  expect(queue.take(105)).toBeUndefined()
  expect(queue.take(110)).toEqual(item(2))
})

test("the queue is bounded: the oldest go, and how many is told", () => {
  const queue = new BootQueue()
  for (let n = 0; n < BOOT_QUEUE_LIMIT; n++) expect(queue.push(item(n))).toBe(0)
  expect(queue.push(item(999))).toBe(1)
  expect(queue.take(0)).toEqual(item(1))
  queue.clear()
  expect(queue.size).toBe(0)
})
