/** Boots over lines that lose, double, delay and reorder: with the stages all of them end well, without most do not. */
import { expect, test } from "bun:test"
import { imageDigest } from "../../src/fake-board/boot-rom.ts"
import type { LineFaults } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { BootBench } from "../support/boot-bench.ts"
import { BOOT_TIMINGS, BootClient, type BootTiming } from "../support/boot-client.ts"

const BOOTS = 200
/** The board's own network. */
const LAN: LineFaults = { drop: 0.05, duplicate: 0.05, jitterMs: 2 }
/** A network that doubles and reorders, or, worse than TCP, only delays. */
const REORDERING: LineFaults = { duplicate: 0.05, delayMs: 20, jitterMs: 40 }
const LOSSY: LineFaults = { drop: 0.05, ...REORDERING }
/** As long as the captured one: 27 blocks, the last shorter. */
const IMAGE_BYTES = 27_168

function image(seed: number): Uint8Array {
  const random = seededRandom(seed)
  return Uint8Array.from({ length: IMAGE_BYTES }, () => random() * 256)
}

/** The digests that a client's attempts may end in: each has another time in its sv area. */
function digests(bytes: Uint8Array, attempts: number): string[] {
  return Array.from({ length: attempts }, (_, attempt) => {
    const copy = bytes.slice()
    // The image is little-endian: the wire's byte 0 of a word is its byte 3.
    copy[384 + 0x1f] = attempt + 1
    return imageDigest(copy)
  })
}

interface Tally {
  booted: number
  runs: number
  firstAttempts: number
}

/** Boots `BOOTS` boards, each by one client that is started again until it succeeds, `mostRuns` times at most. */
function bootAll(timing: BootTiming, internet: LineFaults, guarded: boolean, mostRuns = 1): Tally {
  const tally: Tally = { booted: 0, runs: 0, firstAttempts: 0 }
  for (let seed = 1; seed <= BOOTS; seed++) {
    const bench = new BootBench({ seed, guarded, internet, lan: LAN })
    const bytes = image(seed)
    let runs = 0
    let client: BootClient
    do {
      runs++
      client = new BootClient({ clock: bench.clock, ...bench.client(), image: bytes, timing }).start()
      bench.until(() => client.outcome !== undefined)
    } while (client.outcome === "failed" && runs < mostRuns)
    tally.runs += runs
    if (client.outcome !== "booted") continue
    tally.booted++
    if (client.attempt === 1 && runs === 1) tally.firstAttempts++
    expect(digests(bytes, timing.attempts)).toContain(bench.lines.board.image?.digest ?? "no image")
  }
  return tally
}

for (const [name, timing] of Object.entries(BOOT_TIMINGS)) {
  test(`${BOOTS} boots in ${name}'s timing over a reordering network and a lossy LAN all end booted, at the first attempt`, () => {
    const { booted, firstAttempts } = bootAll(timing, REORDERING, true)
    expect([booted, firstAttempts]).toEqual([BOOTS, BOOTS])
  })

  test(`${BOOTS} boots in ${name}'s timing over a network that loses 5 % as well all end booted when run again`, () => {
    const { booted, runs } = bootAll(timing, LOSSY, true, 6)
    expect(booted).toBe(BOOTS)
    // What the internet loses is not there to be repeated: UDP costs the impatient clients a second run (1.9 on average).
    expect(runs).toBeLessThan(2.2 * BOOTS)
  })

  test(`a bare relay boots fewer than 40 % of ${name}'s at the first attempt`, () => {
    const tally = bootAll(timing, REORDERING, false)
    expect(tally.firstAttempts).toBeLessThan(0.4 * BOOTS)
    if (timing.attempts === 1) expect(tally.booted).toBeLessThan(0.4 * BOOTS)
  })
}
