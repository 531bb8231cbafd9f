import { describe, expect, test } from "bun:test"
import { encodeFrame, FrameDecoder } from "../../src/protocol/frame.ts"
import { BURST_GAP_MS, BUSY_BURST, BUSY_GAP_MS } from "../../src/transport/burst-pace.ts"
import { Outbox, type OutboxLimits } from "../../src/transport/outbox.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { integer, randomBytes } from "../support/fuzz.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** An outbox over a socket that takes as many bytes as the test says. */
function setup(options: { limits?: OutboxLimits; takes?: number } = {}) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const writes: Buffer[] = []
  const turn: (() => void)[] = []
  const socket = { takes: options.takes ?? Number.POSITIVE_INFINITY, calls: 0 }
  let overflows = 0
  let rooms = 0
  const outbox = new Outbox({
    write(bytes) {
      socket.calls++
      const taken = Math.min(bytes.length, socket.takes)
      socket.takes -= taken
      if (taken > 0) writes.push(Buffer.from(bytes.subarray(0, taken)))
      return taken
    },
    onOverflow: () => overflows++,
    onRoom: () => rooms++,
    clock,
    drops: observer,
    where: "peer",
    endOfTurn: (run) => turn.push(run),
    ...(options.limits ? { limits: options.limits } : {}),
  })
  return {
    clock,
    observer,
    outbox,
    writes,
    socket,
    /** The event loop comes round. */
    endTurn: () => {
      for (const run of turn.splice(0)) run()
    },
    /** The socket takes `bytes` more. */
    drain(bytes = Number.POSITIVE_INFINITY) {
      socket.takes = bytes
      outbox.drained()
    },
    written: () => [...Buffer.concat(writes)],
    get overflows() {
      return overflows
    },
    get rooms() {
      return rooms
    },
  }
}

const frame = (length: number, fill: number) => new Uint8Array(length).fill(fill)

describe("Outbox", () => {
  test("writes the first frame of a burst at once and the rest of the turn in one write", () => {
    const { clock, outbox, writes, endTurn } = setup()
    for (let i = 1; i <= 4; i++) outbox.push(frame(i, i))
    expect(writes.map(({ length }) => length)).toEqual([1])
    endTurn()
    expect(writes.map(({ length }) => length)).toEqual([1, 9])
    expect([...writes[1]!]).toEqual([2, 2, 3, 3, 3, 4, 4, 4, 4])
    clock.advance(BURST_GAP_MS)
    outbox.push(frame(1, 5))
    expect(writes).toHaveLength(3)
  })

  test("while bursts come turn after turn, writes once a turn", () => {
    const { clock, outbox, writes, endTurn } = setup()
    for (let turn = 0; turn < 5; turn++) {
      for (let i = 0; i <= BUSY_BURST; i++) outbox.push(frame(1, i))
      endTurn()
      clock.advance(BUSY_GAP_MS / 2)
    }
    expect(writes.map(({ length }) => length)).toEqual([1, BUSY_BURST, ...Array(4).fill(BUSY_BURST + 1)])
  })

  test("gathers 64 KiB into one write at most, and writes a frame that is longer as it is", () => {
    const { outbox, writes, endTurn } = setup()
    for (const length of [1, 40_000, 30_000, 65_515, 30, 20]) outbox.push(frame(length, 1))
    endTurn()
    expect(writes.map(({ length }) => length)).toEqual([1, 40_000, 30_000, 65_515, 50])
  })

  test("goes on where a short write ended, at every byte", () => {
    const frames = [frame(3, 1), frame(1, 2), frame(4, 3), frame(2, 4)]
    const whole = frames.flatMap((bytes) => [...bytes])
    for (let first = 0; first <= whole.length; first++) {
      for (let second = 0; second <= whole.length - first; second++) {
        const { outbox, written, endTurn, drain } = setup({ takes: first })
        for (const bytes of frames) outbox.push(bytes)
        endTurn()
        expect(written()).toEqual(whole.slice(0, first))
        drain(second)
        expect(written()).toEqual(whole.slice(0, first + second))
        expect(outbox.bytes).toBe(whole.length - first - second)
        drain()
        expect(written()).toEqual(whole)
        expect([outbox.bytes, outbox.frames]).toEqual([0, 0])
      }
    }
  })

  test("says that there is room whenever nothing waits any more: after a frame, a turn, and a short write's rest", () => {
    const box = setup()
    box.outbox.push(frame(1, 1))
    expect(box.rooms).toBe(1)
    box.outbox.push(frame(1, 2))
    expect(box.rooms).toBe(1)
    box.endTurn()
    expect(box.rooms).toBe(2)
    box.clock.advance(BURST_GAP_MS)
    box.socket.takes = 1
    box.outbox.push(frame(2, 3))
    expect(box.rooms).toBe(2)
    box.drain()
    expect(box.rooms).toBe(3)
  })

  test("waits for drained() after a short write: no write before", () => {
    const { outbox, writes, endTurn, socket, drain } = setup({ takes: 1 })
    outbox.push(frame(2, 1))
    expect(socket.calls).toBe(1)
    socket.takes = 100
    outbox.push(frame(2, 2))
    endTurn()
    expect(Buffer.concat(writes)).toHaveLength(1)
    drain(100)
    expect(Buffer.concat(writes)).toHaveLength(4)
  })

  test("drops the oldest above its count, counted, but finishes the frame that is partly written", () => {
    const { outbox, observer, written, drain } = setup({ limits: { frames: 3, bytes: 1000 }, takes: 1 })
    for (let i = 1; i <= 6; i++) outbox.push(frame(2, i))
    expect(outbox.frames).toBe(3)
    expect(observer.dropped.get("queue-full")).toBe(3)
    drain()
    expect(written()).toEqual([1, 1, 5, 5, 6, 6])
  })

  test("drops the oldest above its bytes, counted", () => {
    const { outbox, observer, written, drain } = setup({ limits: { frames: 1000, bytes: 10 }, takes: 0 })
    for (let i = 1; i <= 6; i++) outbox.push(frame(3, i))
    expect(outbox.bytes).toBe(9)
    expect(observer.dropped.get("queue-full")).toBe(3)
    drain()
    expect(written()).toEqual([4, 4, 4, 5, 5, 5, 6, 6, 6])
  })

  test("drops what nobody waits for any more, counted as old", () => {
    const { outbox, observer, written, drain, clock } = setup({ takes: 0 })
    outbox.push(frame(1, 1), 400)
    clock.advance(300)
    outbox.push(frame(1, 2), 400)
    outbox.push(frame(1, 3), 10_000)
    clock.advance(100)
    drain()
    expect(written()).toEqual([2, 3])
    expect(observer.dropped.get("queue-old")).toBe(1)
    expect(outbox.bytes).toBe(0)
  })

  test("drops the old behind a frame that is partly written, and behind one that never goes stale", () => {
    const { outbox, observer, written, drain, clock } = setup({ takes: 1 })
    outbox.push(frame(2, 1), 400)
    outbox.push(frame(2, 2), 400)
    outbox.push(frame(2, 3), Number.POSITIVE_INFINITY, true)
    outbox.push(frame(2, 4), 400)
    clock.advance(500)
    outbox.push(frame(2, 5), 400)
    drain()
    expect(written()).toEqual([1, 1, 3, 3, 5, 5])
    expect(observer.dropped.get("queue-old")).toBe(2)
  })

  test("never drops control frames, by count, bytes or age", () => {
    const { outbox, observer, written, drain, clock } = setup({ limits: { frames: 3, bytes: 1000 }, takes: 0 })
    outbox.push(frame(1, 1), Number.POSITIVE_INFINITY, true)
    for (let i = 2; i <= 5; i++) outbox.push(frame(1, i), 400)
    outbox.push(frame(1, 6), Number.POSITIVE_INFINITY, true)
    clock.advance(60_000)
    drain()
    expect(written()).toEqual([1, 6])
    expect(observer.dropped.get("queue-full")).toBe(3)
    expect(observer.dropped.get("queue-old")).toBe(1)
  })

  test("says so when control frames alone are over the limit, and not before", () => {
    const made = setup({ limits: { frames: 3, bytes: 1000 }, takes: 0 })
    for (let i = 0; i < 50; i++) made.outbox.push(frame(1, 9), 400)
    for (let i = 0; i < 3; i++) made.outbox.push(frame(1, i), Number.POSITIVE_INFINITY, true)
    expect(made.overflows).toBe(0)
    made.outbox.push(frame(1, 3), Number.POSITIVE_INFINITY, true)
    expect(made.overflows).toBe(1)
  })

  test("close() counts what was waiting, control frames not, and takes nothing more", () => {
    const { outbox, observer, writes, drain } = setup({ takes: 1 })
    outbox.push(frame(2, 1))
    outbox.push(frame(2, 2))
    outbox.push(frame(2, 3), Number.POSITIVE_INFINITY, true)
    outbox.close()
    outbox.push(frame(2, 4))
    drain()
    outbox.close()
    expect(observer.dropped.get("closed")).toBe(2)
    expect(writes).toHaveLength(1)
    expect([outbox.bytes, outbox.frames]).toEqual([0, 0])
  })

  test("whatever the socket takes and the limits drop, the stream stays readable and bounded, and every loss is counted", () => {
    const random = seededRandom(7)
    for (let round = 0; round < 60; round++) {
      const limits = { frames: integer(random, 2, 30), bytes: integer(random, 300, 2000) }
      const made = setup({ limits, takes: 0 })
      const sent = 200
      for (let i = 0; i < sent; i++) {
        const datagram = randomBytes(random, integer(random, 2, 60))
        new DataView(datagram.buffer).setUint16(0, i)
        made.outbox.push(encodeFrame(datagram), integer(random, 1, 400))
        expect(made.outbox.frames).toBeLessThanOrEqual(limits.frames)
        expect(made.outbox.bytes).toBeLessThanOrEqual(limits.bytes)
        if (random() < 0.3) made.endTurn()
        if (random() < 0.3) made.drain(integer(random, 0, 150))
        if (random() < 0.3) made.clock.advance(integer(random, 1, 200))
      }
      made.drain()
      made.endTurn()
      const decoder = new FrameDecoder()
      const got: number[] = []
      const stream = Buffer.concat(made.writes)
      expect(decoder.push(stream, (datagram) => got.push((datagram[0]! << 8) | datagram[1]!))).toBeUndefined()
      expect(decoder.pendingBytes).toBe(0)
      expect(got).toEqual(got.toSorted((a, b) => a - b))
      const lost = [...made.observer.dropped.values()].reduce((sum, count) => sum + count, 0)
      expect(got.length + lost).toBe(sent)
    }
  })
})
