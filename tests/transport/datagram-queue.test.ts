/** The bounded queue in front of a socket that cannot take more. */
import { describe, expect, test } from "bun:test"
import { DatagramQueue } from "../../src/transport/datagram-queue.ts"
import { FakeClock } from "../support/fake-clock.ts"

function setup() {
  const clock = new FakeClock()
  const dropped: string[] = []
  const limits = { datagrams: 3, bytes: 10, ageMs: 100 }
  const queue = new DatagramQueue<string>(limits, clock, (reason, target) => dropped.push(`${reason} ${target}`))
  const flushed: string[] = []
  const flush = () =>
    queue.flush((datagram, target) => {
      flushed.push(`${target}${datagram.length}`)
      return true
    })
  return { clock, dropped, queue, flush, flushed }
}

describe("DatagramQueue", () => {
  test("is first in, first out", () => {
    const { queue, flush, flushed } = setup()
    queue.push(new Uint8Array(1), "a")
    queue.push(new Uint8Array(2), "b")
    flush()
    expect(flushed).toEqual(["a1", "b2"])
    expect(queue.length).toBe(0)
  })

  test("drops the oldest beyond its count", () => {
    const { queue, dropped } = setup()
    for (const target of ["a", "b", "c", "d", "e"]) queue.push(new Uint8Array(1), target)
    expect(dropped).toEqual(["queue-full a", "queue-full b"])
  })

  test("drops the oldest beyond its bytes, and even a single one that is too long", () => {
    const { queue, dropped } = setup()
    queue.push(new Uint8Array(6), "a")
    queue.push(new Uint8Array(6), "b")
    expect(dropped).toEqual(["queue-full a"])
    queue.push(new Uint8Array(11), "c")
    expect(dropped).toEqual(["queue-full a", "queue-full b", "queue-full c"])
    queue.push(new Uint8Array(10), "d")
    expect(queue.length).toBe(1)
  })

  test("drops what is older than its age", () => {
    const { queue, clock, dropped, flush, flushed } = setup()
    queue.push(new Uint8Array(1), "a")
    clock.advance(60)
    queue.push(new Uint8Array(1), "b")
    clock.advance(60)
    flush()
    expect(dropped).toEqual(["queue-old a"])
    expect(flushed).toEqual(["b1"])
  })

  test("keeps the one that did not go at the front", () => {
    const { queue, flush, flushed } = setup()
    queue.push(new Uint8Array(1), "a")
    queue.push(new Uint8Array(2), "b")
    queue.flush((_, target) => target !== "b")
    flush()
    expect(flushed).toEqual(["b2"])
  })

  test("forgets one target's, or all", () => {
    const { queue, dropped } = setup()
    for (const target of ["a", "b", "a"]) queue.push(new Uint8Array(3), target)
    queue.clear("closed", "a")
    expect(dropped).toEqual(["closed a", "closed a"])
    queue.push(new Uint8Array(7), "c")
    expect(queue.length).toBe(2)
    queue.clear("unreachable")
    expect(dropped.slice(2)).toEqual(["unreachable b", "unreachable c"])
    expect(queue.length).toBe(0)
  })
})
