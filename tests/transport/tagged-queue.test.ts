import { describe, expect, test } from "bun:test"
import { TAGGED_QUEUE, TaggedQueue, type TaggedQueueLimits } from "../../src/transport/tagged-queue.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function queueOf(limits: Partial<TaggedQueueLimits> = {}) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const queue = new TaggedQueue({ datagrams: 4, bytes: 100, ageMs: 1_000, ...limits }, clock, observer, "peer")
  return { clock, observer, queue }
}

const frame = (mark: number, length = 1): Uint8Array => new Uint8Array(length).fill(mark)
const lost = (observer: RecordingObserver): number => observer.dropped.get("tag-overflow") ?? 0

describe("TaggedQueue", () => {
  test("gives back in order what it was given", () => {
    const { queue } = queueOf()
    for (const mark of [1, 2, 3]) queue.push(frame(mark))
    expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([frame(1), frame(2), frame(3), undefined])
  })

  test("drops the oldest above its count and above its bytes, and counts them", () => {
    const { queue, observer } = queueOf()
    for (let mark = 0; mark < 6; mark++) queue.push(frame(mark))
    expect(queue.take()).toEqual(frame(2))
    queue.push(frame(9, 99))
    expect(queue.length).toBe(1 + 1)
    expect(queue.bytes).toBe(100)
    expect(lost(observer)).toBe(2 + 2)
  })

  test("drops what is too old when its turn comes", () => {
    const { queue, observer, clock } = queueOf()
    queue.push(frame(1))
    clock.advance(1_001)
    queue.push(frame(2))
    expect(queue.take()).toEqual(frame(2))
    expect(lost(observer)).toBe(1)
  })

  test("counts what it forgets", () => {
    const { queue, observer } = queueOf()
    queue.push(frame(1))
    queue.push(frame(2))
    queue.clear()
    expect(queue.take()).toBeUndefined()
    expect(lost(observer)).toBe(2)
  })

  test("accounts for every frame over a long time at a steady length", () => {
    const { queue, observer } = queueOf({ datagrams: 5_000, bytes: 1 << 20 })
    let taken = 0
    for (let mark = 0; mark < 50_000; mark++) {
      queue.push(frame(mark & 255, 3))
      if (mark % 10 !== 0 && queue.take()) taken++
    }
    expect(taken + queue.length + lost(observer)).toBe(50_000)
    expect(queue.bytes).toBe(3 * queue.length)
  })

  test("holds four seconds of 5,000 datagrams of 256 bytes as it comes", () => {
    const seconds = Math.min(TAGGED_QUEUE.bytes / (5_000 * (256 + 12)), TAGGED_QUEUE.datagrams / 5_000)
    expect(seconds).toBeGreaterThan(4)
  })
})
