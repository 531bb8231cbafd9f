import { describe, expect, test } from "bun:test"
import { BootRom, imageDigest } from "../../src/fake-board/boot-rom.ts"
import { BootOpcode, encodeBoot, encodeBootImage } from "../../src/protocol/boot.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { readBoardLog, readCapture } from "../support/pcap.ts"

const none = new Uint8Array(0)
const start = (blocks: number, target = 0): Uint8Array =>
  encodeBoot({ opcode: BootOpcode.start, op1: target, op2: 0, op3: blocks - 1, data: none })
const block = (number: number, data: Uint8Array): Uint8Array =>
  encodeBoot({ opcode: BootOpcode.block, op1: 0xff00 | number, op2: 0, op3: 0, data })
const end = (op1 = 1): Uint8Array => encodeBoot({ opcode: BootOpcode.end, op1, op2: 0, op3: 0, data: none })

function image(bytes: number, seed = 1): Uint8Array {
  const random = seededRandom(seed)
  return Uint8Array.from({ length: bytes }, () => random() * 256)
}

/** The outcome of the last datagram. */
const feedAll = (rom: BootRom, datagrams: Uint8Array[]) => datagrams.map((datagram) => rom.feed(datagram)).at(-1)!

describe("the boot ROM", () => {
  test("runs an image whose blocks came in order", () => {
    const rom = new BootRom()
    const bytes = image(2500)
    const outcome = feedAll(rom, encodeBootImage(bytes))
    expect(outcome).toEqual({ type: "run", image: { bytes, blocks: 3, digest: imageDigest(bytes) } })
    expect(rom.state.kind).toBe("running")
  })

  test("takes blocks in any order, and repeats, and keeps the first copy of each", () => {
    const rom = new BootRom()
    const bytes = image(3072)
    const [begin, zero, one, two, finish] = encodeBootImage(bytes) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const [, otherZero] = encodeBootImage(image(3072, 2))
    feedAll(rom, [begin, two, zero])
    expect(rom.feed(otherZero!)).toEqual({ type: "block", block: 0, bytes: 1024, first: false })
    expect(feedAll(rom, [one, finish])).toMatchObject({ type: "run", image: { digest: imageDigest(bytes) } })
  })

  test("ignores END while a block is missing, keeps the fill open and runs once the hole is filled", () => {
    const rom = new BootRom()
    const bytes = image(4096)
    const datagrams = encodeBootImage(bytes)
    expect(feedAll(rom, [datagrams[0]!, datagrams[1]!, datagrams[4]!, end()])).toEqual({
      type: "incomplete",
      missing: [1, 2],
    })
    expect(rom.feed(datagrams[0]!)).toEqual({ type: "ignored", why: "already-filling" })
    expect(feedAll(rom, datagrams.slice(1))).toMatchObject({ type: "run", image: { digest: imageDigest(bytes) } })
  })

  test("mixes two images when the second is sent into a partial fill, until it is reset", () => {
    const rom = new BootRom()
    const [first, second] = [image(2048, 1), image(2048, 2)]
    feedAll(rom, encodeBootImage(first).slice(0, 2))
    const mixed = feedAll(rom, encodeBootImage(second))
    expect(mixed).toMatchObject({
      type: "run",
      image: { bytes: Uint8Array.from([...first.subarray(0, 1024), ...second.subarray(1024)]) },
    })
    rom.reset()
    expect(feedAll(rom, encodeBootImage(second))).toMatchObject({ type: "run", image: { digest: imageDigest(second) } })
  })

  test.each([
    ["a BLOCK before START", [block(0, image(4))], "not-filling"],
    ["an END before START", [end()], "not-filling"],
    ["a START for another target", [start(1, 5)], "target"],
    ["a START for more blocks than fit", [start(33)], "too-many-blocks"],
    ["a BLOCK beyond those announced", [start(2), block(2, image(4))], "block-out-of-range"],
    ["an END without the execute bit", [start(1), block(0, image(4)), end(0)], "no-execute"],
    ["an unknown opcode", [encodeBoot({ opcode: 9, op1: 0, op2: 0, op3: 0, data: none })], "opcode"],
    ["a hello", [start(1), encodeBoot({ opcode: 0x41, op1: 0, op2: 0, op3: 0, data: none })], "opcode"],
    ["a datagram of another version", [start(1).fill(0, 0, 2)], "malformed"],
    ["a datagram shorter than a header", [start(1).subarray(0, 17)], "malformed"],
    ["a datagram longer than a full block", [new Uint8Array(1043)], "malformed"],
    ["anything once it has handed over", [...encodeBootImage(image(4)), start(1)], "running"],
  ] as const)("ignores %s", (_what, datagrams, why) => {
    expect(feedAll(new BootRom(), [...datagrams])).toEqual({ type: "ignored", why })
  })

  test("takes fewer bytes than a block carries where it declares fewer words", () => {
    const rom = new BootRom()
    const declared = encodeBoot({ opcode: BootOpcode.block, op1: 1 << 8, op2: 0, op3: 0, data: image(64) })
    expect(feedAll(rom, [start(1), declared])).toEqual({ type: "block", block: 0, bytes: 8, first: true })
  })

  test("never throws, whatever arrives", () => {
    const random = seededRandom(9)
    const rom = new BootRom()
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from({ length: random() * 1100 }, () => random() * 256)
      if (random() < 0.9) bytes.set([0, 1, 0, 0, 0, [1, 3, 5][Math.floor(random() * 3)]!].slice(0, bytes.length))
      rom.feed(bytes)
    }
  })
})

describe("captured boots give the image that the board of the capture ran", () => {
  test.each([
    "rig-boot-spin3",
    "rig-boot-spin5",
    "rig-boot-lossy",
    "spinnman-boot-spin5",
    "spinnman-boot-lossy",
    "ybug-boot-spin5",
    "pyproxy-rig-boot-t",
  ])("%s", async (name) => {
    const log = await readBoardLog(name)
    const bootPort = log[0]!.boot
    const packets = await readCapture(name)
    const datagrams = packets.filter((packet) => packet.protocol === "udp" && packet.destination.port === bootPort)
    // One line of the log for each datagram that arrived: which were lost on purpose, and what the ROM made of the rest.
    const arrivals = log.filter((line) => /^boot_(start|block|end|drop)$/.test(String(line.ev)))
    expect(arrivals).toHaveLength(datagrams.length)
    const rom = new BootRom()
    const ran: { size: number; sha: string }[] = []
    for (const [index, arrival] of arrivals.entries()) {
      if (arrival.ev === "boot_drop") continue
      const outcome = rom.feed(datagrams[index]!.payload)
      if (outcome.type === "run") ran.push({ size: outcome.image.bytes.length, sha: outcome.image.digest })
      else if (outcome.type === "block") expect(arrival).toMatchObject({ b: outcome.block, dup: !outcome.first })
      else if (outcome.type === "incomplete") expect(arrival).toMatchObject({ missing: outcome.missing })
    }
    const images = log.filter((line) => line.ev === "image").map(({ size, sha }) => ({ size, sha }))
    expect(ran).toEqual(images as typeof ran)
    expect(ran).toHaveLength(name === "rig-boot-lossy" ? 0 : 1)
  })
})
