/** Programs boot a board through the safe tunnel while the network is cut, in every way and anywhere (FULL=1: everywhere). */
import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { imageDigest } from "../../src/fake-board/boot-rom.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { BOOT_TIMINGS, BootClient } from "../support/boot-client.ts"
import { CUTS, type Cut, CutBench, type CutName } from "../support/cut-bench.ts"
import { integer, randomBytes } from "../support/fuzz.ts"

const FULL = process.env.FULL === "1"
setDefaultTimeout(FULL ? 600_000 : 30_000)

/** As long as the captured one: 27 blocks, between START and END. */
const IMAGE_BYTES = 27_168
const DATAGRAMS = 29
/** Longest from the last datagram's arrival to an answer: pacing, silence, and until the program asks again. */
const BOOT_MS = 2_500
/** A boot is kept for its server this long after its last datagram. */
const KEPT_MS = 10_000

type Program = "rig" | "SpiNNMan"

/** The digest of the image that a program's attempt of that number sends: each has the time in it. */
function digestOf(image: Uint8Array, attempt: number): string {
  const copy = image.slice()
  // The image is little-endian: the wire's byte 0 of a word is its byte 3.
  copy[384 + 0x1f] = attempt
  return imageDigest(copy)
}

/** Boots through a cut that is made when `sent` datagrams of the boot have been sent; if that fails, once more. */
async function bootThrough(program: Program, cut: Cut, sent: number, seed: number, delayMs = 0): Promise<void> {
  await using bench = await CutBench.start({ silentMs: 100, bootingMs: 100 }, delayMs)
  const { clock, middleman, chain } = bench
  const random = seededRandom(seed)
  const timing = BOOT_TIMINGS[program]
  const image = randomBytes(random, IMAGE_BYTES)
  const run = (): BootClient =>
    new BootClient({ clock, boot: counted, scp: bench.socket("scp"), image, timing }).start()
  // Before the next datagram goes out, or before a program that has sent all asks.
  const laterMs = sent === 0 ? 0 : integer(random, 0, sent === DATAGRAMS ? timing.waitMs : timing.gapMs)
  let cutAt: number | undefined
  const make = (): void => {
    cutAt = clock.now()
    cut.make(middleman, clock)
  }
  const counted = bench.socket("boot")
  const send = counted.send.bind(counted)
  let count = 0
  counted.send = (datagram) => {
    send(datagram)
    if (++count === sent) clock.after(laterMs, make)
  }
  if (sent === 0) make()

  const first = run()
  await clock.until(() => first.outcome !== undefined && cutAt !== undefined, "the end of the first run", 60_000)
  const outageMs = cut.outageMs + 12 * delayMs
  const { gapMs, waitMs, verTimeoutMs, verTries, attempts } = timing
  const askMs = waitMs + verTimeoutMs * verTries
  const patienceMs = (DATAGRAMS - sent) * gapMs + askMs - laterMs + (attempts - 1) * (DATAGRAMS * gapMs + askMs)
  if (outageMs + BOOT_MS < patienceMs) expect(first.outcome).toBe("booted")
  if (first.outcome === "failed") {
    await clock.pass(outageMs + BOOT_MS)
    // A boot that was cut is completed, by itself if what was sent of it is still kept.
    if (outageMs < KEPT_MS) expect(chain.board.board.phase).toBe("up")
    const next = run()
    await clock.until(() => next.outcome !== undefined, "the end of the next run", 60_000)
    expect(next.outcome).toBe("booted")
  }
  const digests = Array.from({ length: attempts }, (_, index) => digestOf(image, index + 1))
  expect(digests).toContain(chain.board.board.image!.digest)
  bench.expectOneSession()
}

const NAMES = Object.keys(CUTS) as CutName[]
/** How many datagrams are sent before the cut: none, some, all. */
const PLACES: Record<Program, readonly number[]> = FULL
  ? { rig: everyPlace(), SpiNNMan: everyPlace() }
  : { rig: [14], SpiNNMan: [DATAGRAMS] }

const CASES: Record<Program, readonly CutName[]> = {
  rig: NAMES,
  SpiNNMan: FULL ? NAMES : ["reset", "blackhole", "muteServer", "veryLate"],
}

function everyPlace(): number[] {
  return Array.from({ length: DATAGRAMS + 1 }, (_, sent) => sent)
}

describe.each(["rig", "SpiNNMan"] as const)("a boot by %s", (program) => {
  test.each(CASES[program].map((name) => [CUTS[name].name, name] as const))(
    "whose network is %s ends complete",
    async (_, name) => {
      for (const sent of PLACES[program]) {
        await bootThrough(program, CUTS[name], sent, sent + 1)
        if (FULL) await bootThrough(program, CUTS[name], sent, sent + 101, 80)
      }
    },
  )
})
