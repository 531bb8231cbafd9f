import { expect, test } from "bun:test"
import { syntheticImage } from "../../scripts/lib/synthetic-image.ts"
import { imageDigest } from "../../src/fake-board/boot-rom.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { paceBoot } from "../../src/relay/boot-pacer.ts"
import type { Link } from "../../src/transport/link.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { BootBench } from "../support/boot-bench.ts"
import { BOOT_TIMINGS, BootClient } from "../support/boot-client.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const IMAGE = syntheticImage()
const DATAGRAMS = encodeBootImage(IMAGE)

/** The stage before a hand-driven board: what arrives there and when. */
function handDriven(bootGapMs?: number) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const context = { clock, random: seededRandom(1), drops: observer }
  const board = { name: "board", clock, random: context.random, observer }
  const probes: Link[] = []
  const dialScp = (): Link => {
    const [near, far] = memoryPair(context, { first: "probe", second: "board" })
    probes.push(far)
    return near
  }
  const stage = paceBoot({ board, dialScp, ...(bootGapMs === undefined ? {} : { bootGapMs }) })
  const arrived: { at: number; datagram: Uint8Array }[] = []
  let id = 0
  const flow = (): Link => {
    const [near, far] = memoryPair(context, { first: "app", second: "board" })
    const link = stage(near, { id: ++id, owner: "test", application: `app${id}` })
    link.onDatagram = () => {}
    link.onClose = () => {}
    far.onDatagram = (datagram) => arrived.push({ at: clock.now(), datagram })
    far.onClose = () => closed.push(id)
    return link
  }
  const closed: number[] = []
  return { clock, observer, stage, arrived, flow, closed, probes }
}

test("whatever bursts come, boot datagrams reach the board in order and at least 10 ms apart", () => {
  const { clock, arrived, flow } = handDriven()
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  clock.advance(10 * (DATAGRAMS.length - 1))
  expect(arrived.map(({ datagram }) => datagram)).toEqual(DATAGRAMS)
  clock.advance(40_000)
  const gaps = arrived.slice(1).map(({ at }, before) => at - arrived[before]!.at)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(10)
  // Three more passes with the same gap, one with twice, then five times the gap.
  expect(gaps.slice(0, 115)).toEqual(Array(115).fill(10))
  expect(gaps.slice(115, 144)).toEqual(Array(29).fill(20))
  expect(gaps.slice(144, 300)).toEqual(Array(156).fill(50))
})

test("--boot-gap is kept", () => {
  const { clock, arrived, flow } = handDriven(25)
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  clock.advance(2_000)
  expect(arrived[28]!.at - arrived[0]!.at).toBe(28 * 25)
})

test("four passes are over before any captured client asks VER, 2 s after its END", () => {
  const { clock, arrived, flow } = handDriven()
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  clock.advance(1_300)
  expect(arrived.length).toBeGreaterThanOrEqual(4 * 29)
})

test("after 30 s without an answer the log gets one failure, the probe ends and nothing waits any more", () => {
  const { clock, observer, arrived, flow, probes } = handDriven()
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  clock.advance(60_000)
  expect(observer.of("boot-failed").length).toBe(1)
  const { length } = arrived
  clock.advance(60_000)
  expect(arrived.length).toBe(length)
  expect(probes.length).toBe(1)
  expect(clock.pending).toBe(0)
})

test("a boot outlives its client: its link to the board closes when the boot is over", () => {
  const { clock, observer, arrived, flow, closed } = handDriven()
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  link.close()
  clock.advance(2_000)
  expect(arrived.length).toBeGreaterThan(4 * 29)
  expect(closed).toEqual([])
  clock.advance(40_000)
  expect(observer.of("boot-failed").length).toBe(1)
  expect(closed).toEqual([1])
})

test("close() ends the boot under way, its probe and its link, at once", () => {
  const { clock, arrived, flow, closed, stage, probes } = handDriven()
  const link = flow()
  for (const datagram of DATAGRAMS) link.send(datagram)
  clock.advance(1_000)
  const [probe] = probes
  let probeClosed = false
  probe!.onDatagram = () => {}
  probe!.onClose = () => {
    probeClosed = true
  }
  link.close({ code: "shutdown" })
  stage.close()
  const { length } = arrived
  clock.advance(0)
  expect([closed, probeClosed]).toEqual([[1], true])
  clock.advance(10_000)
  expect(arrived.length).toBe(length)
  expect(clock.pending).toBe(0)
})

test("a boot ends when the board answers: progress, sent and answered are told", () => {
  const bench = new BootBench()
  const client = new BootClient({
    clock: bench.clock,
    ...bench.client(),
    image: IMAGE,
    timing: BOOT_TIMINGS.ybug,
  }).start()
  expect(bench.until(() => client.outcome === "booted")).toBe(true)
  bench.clock.advance(1_000)
  const { observer } = bench
  expect(
    observer
      .of("boot-progress")
      .map(({ done, total }) => [done, total])
      .at(-1),
  ).toEqual([27, 27])
  expect(observer.of("boot-sent")).toMatchObject([{ blocks: 27, bytes: 27_168 }])
  expect(observer.of("boot-answered")).toMatchObject([{ board: "board", application: "client1" }])
  expect(observer.of("boot-failed")).toEqual([])
  expect(client.attempt).toBe(1)
})

test("a board that is up already is not taken for one that is booting", () => {
  const bench = new BootBench({ booted: true })
  const client = new BootClient({
    clock: bench.clock,
    ...bench.client(),
    image: IMAGE,
    timing: BOOT_TIMINGS.ybug,
  }).start()
  expect(bench.until(() => client.outcome === "booted")).toBe(true)
  expect(bench.observer.of("boot-answered").length).toBe(1)
})

test("two clients with different images at the same time: the first one's is booted, unmixed, the second is refused", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const lan = { drop: 0.05, duplicate: 0.05, jitterMs: 2 }
    const bench = new BootBench({ seed, lan, internet: { delayMs: 5, jitterMs: 40 } })
    const timing = { ...BOOT_TIMINGS.rig, gapMs: 40 }
    const other = Uint8Array.from(IMAGE, (byte) => byte ^ 0xff)
    const first = new BootClient({ clock: bench.clock, ...bench.client("first"), image: IMAGE, timing }).start()
    bench.clock.advance(100)
    const second = new BootClient({ clock: bench.clock, ...bench.client("second"), image: other, timing }).start()
    bench.until(() => first.outcome !== undefined && second.outcome !== undefined)
    expect(first.outcome).toBe("booted")
    const booted = bench.lines.board.image!.bytes.slice()
    booted.fill(0, 384, 512)
    expect(imageDigest(booted)).toBe(imageDigest(IMAGE))
    expect(bench.observer.of("boot-refused")).toMatchObject([{ application: "second", owner: "first" }])
    expect(bench.observer.dropped.get("boot-refused")).toBeGreaterThan(20)
  }
})

test("a different image after a partial fill: the log says that only a reset or power cycle clears the ROM", () => {
  const bench = new BootBench()
  const { boot } = bench.client()
  for (const datagram of DATAGRAMS.slice(0, 10)) boot.send(datagram)
  bench.clock.advance(6_000)
  expect(bench.observer.of("boot-incomplete")).toMatchObject([{ total: 27 }])
  const other = encodeBootImage(Uint8Array.from(IMAGE, (byte) => byte ^ 0xff))
  for (const datagram of other) boot.send(datagram)
  bench.clock.advance(1_000)
  expect(bench.observer.of("boot-mixed").length).toBe(1)
})

test("a board that gets its power only after its client has given up is booted all the same", () => {
  const bench = new BootBench()
  bench.lines.board.powerOff()
  const client = new BootClient({
    clock: bench.clock,
    ...bench.client(),
    image: IMAGE,
    timing: BOOT_TIMINGS.rig,
  }).start()
  expect(bench.until(() => client.outcome === "failed")).toBe(true)
  bench.lines.board.powerCycle()
  expect(bench.until(() => bench.observer.of("boot-answered").length > 0, 10_000)).toBe(true)
})

test("the same client run again at once, from another port, is not refused: its image is on its way", () => {
  const bench = new BootBench()
  bench.lines.board.powerOff()
  const timing = BOOT_TIMINGS.ybug
  const first = new BootClient({ clock: bench.clock, ...bench.client(), image: IMAGE, timing }).start()
  bench.until(() => first.outcome !== undefined)
  const second = new BootClient({ clock: bench.clock, ...bench.client(), image: IMAGE, timing }).start()
  bench.lines.board.powerCycle()
  bench.until(() => second.outcome !== undefined)
  expect([first.outcome, second.outcome]).toEqual(["failed", "booted"])
  expect(bench.observer.of("boot-refused")).toEqual([])
})

test("nonsense, whoever sends it, is counted and goes nowhere", () => {
  const { clock, observer, arrived, flow } = handDriven()
  const link = flow()
  for (const length of [0, 1, 17, 18, 100, 1042, 1043, 65_000]) link.send(new Uint8Array(length))
  clock.advance(60_000)
  expect(arrived).toEqual([])
  expect(observer.dropped.get("malformed")).toBe(8)
})
