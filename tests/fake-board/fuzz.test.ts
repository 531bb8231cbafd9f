/**
 * Random and mutated datagrams at the decoders and at a running board: nothing throws, and memory stays where it was.
 * FULL=1 runs a million of them, as the issue asks; otherwise a twentieth of that.
 */
import { describe, expect, test } from "bun:test"
import { FakeBoard } from "../../src/fake-board/board.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { decodeBoot, encodeBootImage } from "../../src/protocol/boot.ts"
import { decodeEieioData } from "../../src/protocol/eieio.ts"
import { decodeIptagRecord } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, decodeScpRequest } from "../../src/protocol/scp.ts"
import { decodeSdp } from "../../src/protocol/sdp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"
import type { Address } from "../../src/transport/address.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { readCapture } from "../support/pcap.ts"

const FULL = process.env.FULL === "1"
const ROUNDS = FULL ? 1_000_000 : 50_000
const WARM_UP = ROUNDS / 10
/** What memory may grow by between the first tenth and the end. */
const GROWTH_LIMIT = 10 * 1024 * 1024

const HOST = "127.0.0.1"
const BMP = "127.0.0.9"
const CAPTURES = [
  "rig-boot-spin5",
  "rig-iptag-sdp",
  "spinnman-riptag-eieio",
  "rig-bmp",
  "spinnman-boot-spin5",
  "rig-rw64k-window8",
]
/** Where FILL and ALLOC of arbitrary size would take time or pages by the million, the fuzzer keeps sizes sane. */
const COSTLY = new Set<number>([Command.FILL])

async function seeds(): Promise<Uint8Array[]> {
  const packets = (await Promise.all(CAPTURES.map(readCapture))).flat()
  return packets.filter(({ protocol }) => protocol === "udp").map(({ payload }) => payload)
}

/** A datagram that is random, or a captured one with something changed. */
function next(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  const upTo = (limit: number): number => Math.floor(random() * limit)
  if (random() < 0.2) return Uint8Array.from({ length: upTo(1100) }, () => upTo(256))
  const seed = corpus[upTo(corpus.length)]!
  let bytes = seed.slice()
  for (let change = upTo(4); change >= 0; change--) {
    const kind = upTo(6)
    if (kind === 0) bytes = bytes.slice(0, upTo(bytes.length + 1))
    else if (kind === 1) bytes = Uint8Array.from([...bytes, ...Array.from({ length: upTo(64) }, () => upTo(256))])
    else if (kind === 2 && bytes.length > 11) bytes[10] = upTo(65)
    else if (kind === 3 && bytes.length > 7) bytes.set([upTo(9), upTo(9)], 6)
    else if (bytes.length > 0) bytes[upTo(bytes.length)] = upTo(256)
  }
  // Writes stay within a few pages, so that what grows is not just the board's memory being used.
  if (bytes.length >= 18 && [3, 23, 18].includes(bytes[10]!)) bytes.set([0x60, upTo(4)], 16)
  if (bytes.length >= 26 && bytes[10] === 23) bytes.set([0, 0, 0x80, 0x67], 22)
  if (bytes.length >= 26 && COSTLY.has(bytes[10]!)) bytes.set([0, upTo(64), 0, 0], 22)
  return bytes
}

describe("whatever arrives", () => {
  test(
    `${ROUNDS.toLocaleString("en")} datagrams make no decoder and no board throw, and leave no memory behind`,
    async () => {
      const corpus = await seeds()
      const random = seededRandom(2026)
      const clock = new FakeClock()
      const image = encodeBootImage(new Uint8Array(1024))
      let answers = 0
      let cycles = 0
      const board = new FakeBoard({
        clock,
        send: () => {
          answers++
        },
        listen: () => {},
        booted: true,
        bmp: { host: BMP, powerOnMs: 5 },
        silentMs: 5,
        bootingMs: 5,
        helloBroadcast: undefined,
        programs: [parsePlacedProgram("0,0,5=echo")],
      })
      let heap = 0
      let resident = 0
      for (let round = 0; round < ROUNDS; round++) {
        const datagram = next(random, corpus)
        decodeSdp(datagram)
        decodeScpRequest(datagram)
        const reply = decodeScpReply(datagram)
        if (reply) decodeVersion(reply)
        decodeBoot(datagram)
        decodeEieioData(datagram)
        decodeIptagRecord(datagram)
        const from: Address = { host: `127.0.1.${round & 255}`, port: 1 + (round % 60_000) }
        const choice = random()
        const to =
          choice < 0.6
            ? board.scp
            : choice < 0.8
              ? board.boot
              : choice < 0.9
                ? { host: BMP, port: 17_893 }
                : { host: HOST, port: 1 + Math.floor(random() * 65_535) }
        board.receive(to, from, datagram)
        if (round % 16 === 0) clock.advance(10)
        // Power cycles, so that ROM, boot and shutdown see their share.
        if (round % 5000 === 4999) {
          board.powerCycle()
          cycles++
        }
        if (round % 5000 === 999) {
          for (const block of image) board.receive(board.boot, from, block)
          clock.advance(10)
        }
        if (round === WARM_UP) [heap, resident] = await memory()
      }
      clock.advance(100_000)
      expect(board.counters.images).toBeGreaterThan(cycles / 2)
      expect(answers).toBeGreaterThan(ROUNDS / 10)
      expect(board.counters.executed.size).toBeGreaterThan(20)
      const [heapAfter, residentAfter] = await memory()
      if (FULL)
        console.log(`heap ${heap} -> ${heapAfter}, resident ${resident} -> ${residentAfter}, ${answers} answers`)
      expect(heapAfter - heap).toBeLessThan(GROWTH_LIMIT)
      if (FULL) expect(residentAfter - resident).toBeLessThan(GROWTH_LIMIT)
    },
    FULL ? 600_000 : 30_000,
  )
})

/** Heap in use and resident memory, in bytes, once garbage is collected and its pages have gone back to the system. */
async function memory(): Promise<[number, number]> {
  Bun.gc(true)
  // The allocator gives pages back from later turns of the event loop; only the full run looks at them.
  for (let pass = 0; FULL && pass < 5; pass++) {
    Bun.shrink()
    await new Promise((resolve) => setTimeout(resolve, 100))
    Bun.gc(true)
  }
  const { heapUsed, rss } = process.memoryUsage()
  return [heapUsed, rss]
}
