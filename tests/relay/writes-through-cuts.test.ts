/**
 * Programs write a megabyte and ask for memory through the safe tunnel while the network is cut, in every way and
 * anywhere (FULL=1: in many places): nothing runs twice, and no answer goes astray.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { Command, type ScpReply } from "../../src/protocol/scp.ts"
import type { Clock } from "../../src/transport/clock.ts"
import type { Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { CUTS, type Cut, CutBench, type CutName } from "../support/cut-bench.ts"
import { integer, randomBytes } from "../support/fuzz.ts"
import { type Asked, type ClientTiming, RIG, ScpClient, SPINNMAN } from "../support/scp-client.ts"
import { SDRAM } from "../support/scp-requests.ts"

const FULL = process.env.FULL === "1"
setDefaultTimeout(FULL ? 1_200_000 : 30_000)

const WRITE_BYTES = 1 << 20
const BLOCK_BYTES = 256
const BLOCKS = WRITE_BYTES / BLOCK_BYTES
/** rig reads and writes memory with a window, too. */
const WRITERS = { rig: { ...RIG, window: 8 }, SpiNNMan: SPINNMAN } as const
/** Whose memory is asked for. */
const APP_ID = 30

/** A program that writes `data`, until a write has failed. */
function writer(link: Link, clock: Clock, timing: ClientTiming, data: Uint8Array, onBlock = (_: number): void => {}) {
  let block = 0
  const client: ScpClient = new ScpClient(link, clock, timing, () => {
    if (block === BLOCKS || client.failed > 0) return undefined
    onBlock(block)
    const at = BLOCK_BYTES * block++
    const bytes = data.subarray(at, at + BLOCK_BYTES)
    return { command: Command.WRITE, arg1: SDRAM + at, arg2: BLOCK_BYTES, arg3: 2, data: bytes }
  })
  return client
}

/** A program that asks for memory again and again, each time for another size; VER first, as all programs do. */
function allocator(link: Link, clock: Clock, timing: ClientTiming, stopped: () => boolean) {
  let asked = 0
  /** By size: what it was given. */
  const answers = new Map<number, Uint8Array>()
  const next = (): Asked | undefined => {
    if (stopped()) return undefined
    if (asked++ === 0) return { command: Command.VER }
    return { command: Command.ALLOC, arg1: APP_ID << 8, arg2: 4 * (asked - 1) }
  }
  const onReply = ({ sequence, body }: ScpReply): unknown => sequence > 0 && answers.set(4 * sequence, body.slice())
  return { client: new ScpClient(link, clock, { ...timing, window: 1 }, next, { onReply }), answers }
}

/** Writes through a cut that is made at a block; if that fails, writes other data, as a next run does. */
async function writeThrough(program: keyof typeof WRITERS, cut: Cut, cutAt: number, seed: number, delayMs = 0) {
  await using bench = await CutBench.start({ booted: true }, delayMs)
  const { clock, middleman } = bench
  const random = seededRandom(seed)
  const timing = WRITERS[program]
  const outageMs = cut.outageMs + 12 * delayMs
  let data = randomBytes(random, WRITE_BYTES)
  let over = false
  const heap = allocator(bench.socket("scp"), clock, timing, () => over)
  heap.client.start()
  const first = writer(bench.socket("scp"), clock, timing, data, (block) => {
    if (block === cutAt) clock.after(integer(random, 0, 10), () => cut.make(middleman, clock))
  })
  first.start()
  await clock.until(() => first.done, "the end of the first run", 600_000)
  if (outageMs < timing.timeoutMs * timing.tries) expect(first.failed).toBe(0)
  if (first.failed > 0) {
    await clock.pass(outageMs)
    data = randomBytes(random, WRITE_BYTES)
    const next = writer(bench.socket("scp"), clock, timing, data)
    next.start()
    await clock.until(() => next.done, "the end of the next run", 600_000)
    expect([next.failed, next.stray]).toEqual([0, 0])
  }
  over = true
  await clock.until(() => heap.client.done, "the end of the other program", 60_000)
  // What is still on its way would come now.
  await clock.pass(2_000)
  expect(memoryOf(bench)).toEqual(data)
  expect([first.stray, heap.client.stray]).toEqual([0, 0])
  expectOnce(bench, heap.answers)
  bench.expectOneSession()
}

/** Writes again and again while the network is cut again and again, each time in another way. */
async function writeInStorm(program: keyof typeof WRITERS, seed: number, runs: number) {
  await using bench = await CutBench.start({ booted: true }, 0)
  const { clock, middleman } = bench
  const random = seededRandom(seed)
  const timing = WRITERS[program]
  let over = false
  const cutSoon = (): void => {
    clock.after(integer(random, 1, 7_000), () => {
      if (over) return
      middleman.release()
      middleman.pass()
      CUTS[STORM[integer(random, 0, STORM.length - 1)]!].make(middleman, clock)
      cutSoon()
    })
  }
  cutSoon()
  const heap = allocator(bench.socket("scp"), clock, timing, () => over)
  heap.client.start()
  for (let run = 0; run < runs; run++) {
    const data = randomBytes(random, WRITE_BYTES)
    const client = writer(bench.socket("scp"), clock, timing, data)
    client.start()
    await clock.until(() => client.done, "the end of a run", 600_000)
    if (client.failed === 0) expect(memoryOf(bench)).toEqual(data)
  }
  over = true
  await clock.until(() => heap.client.done, "the end of the other program", 60_000)
  expectOnce(bench, heap.answers)
  expect(bench.client.observer.of("tunnel-up").length).toBeGreaterThan(1)
  bench.expectOneSession()
}

function memoryOf({ chain }: CutBench): Uint8Array {
  return chain.board.board.machine!.chipAt(0, 0)!.memory.read(SDRAM, WRITE_BYTES)
}

/** Each request for memory has come to the board once at most, and its program has had the answer to that one. */
function expectOnce(bench: CutBench, answers: ReadonlyMap<number, Uint8Array>): void {
  const given = bench.executed.filter(({ command }) => command === Command.ALLOC)
  expect(new Set(given.map(({ arg2 }) => arg2)).size).toBe(given.length)
  expect(answers.size).toBeGreaterThan(5)
  const sent = new Map(given.map(({ arg2, answer }) => [arg2, answer]))
  for (const [size, answer] of answers) expect(answer).toEqual(sent.get(size)!)
}

const NAMES = Object.keys(CUTS) as CutName[]
/** All but the one that is longer than everybody waits. */
const STORM = NAMES.filter((name) => name !== "farAway")
const CASES: Record<keyof typeof WRITERS, readonly CutName[]> = FULL
  ? { rig: NAMES, SpiNNMan: NAMES }
  : { rig: ["reset", "blackhole"], SpiNNMan: ["muteServer", "veryLate"] }
const PLACES = FULL ? [0, 1, 7, 8, 100, 1_000, 2_048, 4_087, 4_088, BLOCKS - 1] : [2_048]

describe.each(["rig", "SpiNNMan"] as const)("a megabyte that %s writes", (program) => {
  test.each(CASES[program].map((name) => [CUTS[name].name, name] as const))(
    "while the network is %s is complete, or the next run's is",
    async (_, name) => {
      for (const block of PLACES) {
        await writeThrough(program, CUTS[name], block, block + 1)
        if (FULL && block % 100 === 0) await writeThrough(program, CUTS[name], block, block + 2, 80)
      }
    },
  )
})

test.each(FULL ? [1, 2, 3, 4, 5, 6, 7, 8] : [2])(
  "a storm of cuts makes nothing run twice, and what a program has written is there (seed %d)",
  (seed) => writeInStorm(seed % 2 === 0 ? "SpiNNMan" : "rig", seed, FULL ? 6 : 2),
)
