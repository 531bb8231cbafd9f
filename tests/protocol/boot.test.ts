import { describe, expect, test } from "bun:test"
import {
  BOOT_BLOCK_BYTES,
  BOOT_HEADER,
  BOOT_MAX_BLOCKS,
  BOOT_PORT,
  BootOpcode,
  blockNumber,
  decodeBoot,
  encodeBoot,
  encodeBootImage,
  startBlocks,
  swapWords,
} from "../../src/protocol/boot.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { fromHex, integer, mutate, randomBytes } from "../support/fuzz.ts"
import { readCapture } from "../support/pcap.ts"

describe("the boot protocol", () => {
  test("decodeBoot() reads the ROM's hello", () => {
    const hello = decodeBoot(fromHex("0001 00000041 02010000 00000000 43505453"))
    expect(hello).toMatchObject({ opcode: BootOpcode.hello, op1: 0x02010000, op2: 0, op3: 0x43505453 })
    expect(hello?.data.length).toBe(0)
  })

  test("encodeBoot() writes what decodeBoot() reads, for 300 random messages", () => {
    const random = seededRandom(1)
    const u32 = () => integer(random, 0, 0xffff_ffff)
    for (let run = 0; run < 300; run++) {
      const data = randomBytes(random, integer(random, 0, BOOT_BLOCK_BYTES))
      const message = { opcode: u32(), op1: u32(), op2: u32(), op3: u32(), data }
      expect(decodeBoot(encodeBoot(message))).toEqual(message)
    }
  })

  test("decodeBoot() takes 18 to 1042 bytes of version 1 and nothing else", () => {
    for (let length = 0; length < 1100; length++) {
      const datagram = new Uint8Array(length)
      if (length > 1) datagram[1] = 1
      expect(decodeBoot(datagram) !== undefined).toBe(length >= BOOT_HEADER && length <= BOOT_HEADER + BOOT_BLOCK_BYTES)
    }
    for (const version of [0, 2, 0x0100, 0x0101]) {
      const datagram = new Uint8Array(18)
      new DataView(datagram.buffer).setUint16(0, version)
      expect(decodeBoot(datagram)).toBeUndefined()
    }
  })

  test("decodeBoot() never throws, whatever comes", () => {
    const random = seededRandom(2)
    const whole = encodeBoot({ opcode: 3, op1: 0xff00, op2: 0, op3: 0, data: new Uint8Array(1024) })
    for (let run = 0; run < 2000; run++) {
      const datagram = run % 2 ? mutate(random, whole) : randomBytes(random, integer(random, 0, 60))
      const message = decodeBoot(datagram)
      if (message) expect(message.data.length).toBe(datagram.length - BOOT_HEADER)
    }
  })

  test("startBlocks() and blockNumber() look at the low byte only, as the ROM does", () => {
    const message = (op1: number, op3: number) => ({ opcode: 1, op1, op2: 0, op3, data: new Uint8Array(0) })
    expect(startBlocks(message(0, 26))).toBe(27)
    expect(startBlocks(message(0, 0x1ff))).toBe(256)
    expect(blockNumber(message(0xff1a, 0))).toBe(26)
  })
})

describe("swapWords()", () => {
  test("reverses the bytes of each word and keeps a tail", () => {
    expect([...swapWords(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))]).toEqual([4, 3, 2, 1, 8, 7, 6, 5, 9, 10])
  })

  test("done twice gives back the bytes, and leaves its argument alone", () => {
    const bytes = randomBytes(seededRandom(3), 1023)
    const before = bytes.slice()
    expect(swapWords(swapWords(bytes))).toEqual(before)
    expect(bytes).toEqual(before)
  })

  test("copies a Buffer too, whose slice() is only a view", () => {
    const buffer = Buffer.from([1, 2, 3, 4])
    expect([...swapWords(buffer)]).toEqual([4, 3, 2, 1])
    expect([...buffer]).toEqual([1, 2, 3, 4])
  })
})

describe("encodeBootImage()", () => {
  test("makes exactly the datagrams that rig sent for its image", async () => {
    const packets = await readCapture("rig-boot-spin5")
    const sent = packets.filter((packet) => packet.destination.port === BOOT_PORT).map(({ payload }) => payload)
    expect(sent).toHaveLength(29)
    const image = Buffer.concat(sent.slice(1, -1).map((datagram) => swapWords(decodeBoot(datagram)!.data)))
    expect(image.length).toBe(27168)
    expect(encodeBootImage(image).map((datagram) => Buffer.from(datagram))).toEqual(
      sent.map((datagram) => Buffer.from(datagram)),
    )
  })

  test("takes 4 bytes to 32 KiB in whole words and throws RangeError for anything else", () => {
    expect(encodeBootImage(new Uint8Array(4))).toHaveLength(3)
    expect(encodeBootImage(new Uint8Array(BOOT_BLOCK_BYTES * BOOT_MAX_BLOCKS))).toHaveLength(BOOT_MAX_BLOCKS + 2)
    for (const length of [0, 1, 3, 5, 1023, BOOT_BLOCK_BYTES * BOOT_MAX_BLOCKS + 4]) {
      expect(() => encodeBootImage(new Uint8Array(length))).toThrow(RangeError)
    }
  })
})
