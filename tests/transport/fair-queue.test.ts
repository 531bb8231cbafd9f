import { describe, expect, test } from "bun:test"
import { FairQueue, type FairQueueLimits } from "../../src/transport/fair-queue.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { integer } from "../support/fuzz.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const LIMITS: FairQueueLimits = { frames: 256, bytes: 256 << 10, totalBytes: 1 << 20 }

function setup(limits: Partial<FairQueueLimits> = {}) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const queue = new FairQueue({
    limits: { ...LIMITS, ...limits },
    clock,
    drops: observer,
    where: "peer",
    reasons: { full: "queue-full", old: "queue-old" },
  })
  /** Channels of the frames that come out, in order. */
  const order = (count = Number.POSITIVE_INFINITY) => {
    const out: number[] = []
    for (let taken = queue.take(); taken; taken = out.length < count ? queue.take() : undefined)
      out.push(taken.frame[0]!)
    return out
  }
  return { clock, observer, queue, order }
}

/** A frame that says which channel it is of. */
const frame = (channel: number, length = 300) => new Uint8Array(length).fill(channel)

describe("FairQueue", () => {
  test("gives back what one channel sent in order, and nothing when it is empty", () => {
    const { queue, order } = setup()
    expect(queue.take()).toBeUndefined()
    for (const mark of [1, 2, 3]) queue.push(7, frame(mark), 100)
    expect(order()).toEqual([1, 2, 3])
    expect([queue.length, queue.bytes, queue.has(7)]).toEqual([0, 0, false])
  })

  test("lets a channel with one frame through before the rest of one with hundreds", () => {
    const { queue, order } = setup()
    for (let i = 0; i < 200; i++) queue.push(1, frame(1), 100)
    queue.push(2, frame(2), 100)
    expect(order().indexOf(2)).toBeLessThan(16)
  })

  test("gives channels the same share of bytes, whatever the size of their frames", () => {
    const { queue } = setup({ frames: 10_000, bytes: 1 << 20 })
    for (let i = 0; i < 2_000; i++) queue.push(1, frame(1, 100), 100)
    for (let i = 0; i < 20; i++) queue.push(2, frame(2, 20_000), 100)
    const bytes: [number, number] = [0, 0]
    for (let taken = queue.take(); taken && bytes[0] + bytes[1] < 200_000; taken = queue.take()) {
      bytes[taken.frame[0] === 1 ? 0 : 1] += taken.frame.length
    }
    expect(Math.abs(bytes[0] - bytes[1])).toBeLessThan(30_000)
  })

  test("drops a channel's own oldest frames when it has too many or too large ones", () => {
    const { queue, order, observer } = setup({ frames: 3 })
    queue.push(2, frame(9), 100)
    for (const mark of [1, 2, 3, 4, 5]) queue.push(1, frame(mark), 100)
    expect(observer.dropped.get("queue-full")).toBe(2)
    expect(order().sort()).toEqual([3, 4, 5, 9])
    const large = setup({ bytes: 1_000 })
    for (const mark of [1, 2, 3]) large.queue.push(1, frame(mark, 400), 100)
    expect(large.order()).toEqual([2, 3])
  })

  test("takes from the channel that has the most when all together have too much", () => {
    const { queue, order } = setup({ totalBytes: 3_000 })
    for (let i = 0; i < 9; i++) queue.push(1, frame(1), 100)
    queue.push(2, frame(2), 100)
    queue.push(3, frame(3), 100)
    expect(order().sort()).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 3])
  })

  test("drops what nobody waits for any more, counted, and no channel's end", () => {
    const { queue, clock, observer } = setup()
    queue.push(1, frame(1), 250)
    queue.push(1, frame(2), 10_000)
    queue.push(2, frame(3), 250)
    queue.push(2, frame(4), 0, true)
    clock.advance(251)
    const left = [queue.take(), queue.take(), queue.take()].map((taken) => taken?.frame[0])
    expect(left.sort()).toEqual([2, 4, undefined])
    expect(observer.dropped.get("queue-old")).toBe(2)
  })

  test("never drops a channel's end for want of room", () => {
    const { queue, order } = setup({ frames: 2 })
    queue.push(1, frame(1), 100)
    queue.push(1, frame(2), 100, true)
    queue.push(1, frame(3), 100)
    queue.push(1, frame(4), 100)
    expect(order()).toEqual([2, 4])
  })

  test("tells when a frame was queued", () => {
    const { queue, clock } = setup()
    const begun = clock.now()
    queue.push(1, frame(1), 100)
    clock.advance(40)
    expect(queue.take()).toMatchObject({ since: begun, control: false })
  })

  test("forgets everything, counting what was to be sent", () => {
    const { queue, observer } = setup()
    queue.push(1, frame(1), 100)
    queue.push(2, frame(1), 100)
    queue.push(2, frame(1), 100, true)
    queue.clear("closed")
    expect([queue.length, queue.bytes, queue.take()]).toEqual([0, 0, undefined])
    expect(observer.dropped.get("closed")).toBe(2)
  })

  test("keeps its counts and limits through random use", () => {
    const random = seededRandom(7)
    const { queue, clock, observer } = setup({ frames: 20, bytes: 10_000, totalBytes: 30_000 })
    let pushed = 0
    let taken = 0
    for (let i = 0; i < 20_000; i++) {
      if (random() < 0.6) {
        queue.push(integer(random, 0, 9), frame(1, integer(random, 1, 3_000)), integer(random, 0, 400))
        pushed++
      } else if (queue.take()) taken++
      if (random() < 0.1) clock.advance(integer(random, 0, 50))
      expect(queue.bytes).toBeLessThanOrEqual(30_000)
    }
    const dropped = (observer.dropped.get("queue-full") ?? 0) + (observer.dropped.get("queue-old") ?? 0)
    expect(pushed).toBe(taken + dropped + queue.length)
  })

  test("forgets what waits for channels that are no more, and leaves the others their turns", () => {
    const { queue, order, observer } = setup()
    for (const channel of [1, 2, 3, 2, 1]) queue.push(channel, frame(channel), 100)
    queue.push(2, frame(2), 100, true)
    queue.retain((channel) => channel !== 2)
    expect([queue.length, queue.bytes, queue.has(2)]).toEqual([3, 900, false])
    queue.push(2, frame(2), 100)
    expect(order()).toEqual([1, 1, 3, 2])
    // A channel's end is no datagram.
    expect(observer.dropped).toEqual(new Map([["closed", 2]]))
  })
})
