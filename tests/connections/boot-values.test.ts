import { describe, expect, test } from "bun:test"
import { boardTypeOf, spinnakerBootMessages, withBootValues } from "../../src/connections/boot-values.ts"
import { SpinnmanInvalidParameterException, SpinnmanIOException } from "../../src/connections/exceptions.ts"
import {
  BOOT_PORT,
  BOOT_SV_OFFSET,
  BootOpcode,
  blockNumber,
  decodeBoot,
  encodeBootImage,
  swapWords,
} from "../../src/protocol/boot.ts"
import { readCapture } from "../support/pcap.ts"

/** The boot datagrams that a client sent, the first copy of each. */
async function sent(capture: string): Promise<Uint8Array[]> {
  const seen = new Set<string>()
  return (await readCapture(capture))
    .filter(({ protocol, destination }) => protocol === "udp" && destination.port === BOOT_PORT)
    .map(({ payload }) => payload)
    .filter((payload) => {
      const { opcode = 0, op1 = 0 } = decodeBoot(payload) ?? {}
      const key = `${opcode}/${op1}`
      if (opcode === BootOpcode.hello || seen.has(key)) return false
      seen.add(key)
      return true
    })
}

/** The image in them, in file order. */
function imageOf(datagrams: Uint8Array[]): Uint8Array {
  const blocks = datagrams
    .map((datagram) => decodeBoot(datagram)!)
    .filter(({ opcode }) => opcode === BootOpcode.block)
    .sort((a, b) => blockNumber(a) - blockNumber(b))
  return Uint8Array.from(Buffer.concat(blocks.map(({ data }) => swapWords(data))))
}

const word = (image: Uint8Array, at: number): number => new DataView(image.buffer).getUint32(at, true)

describe("withBootValues", () => {
  test.each([
    ["rig-boot-spin3", "spin3"],
    ["rig-boot-spin5", "spin5"],
  ] as const)("%s: makes the very datagrams that rig sent", async (capture, type) => {
    const datagrams = await sent(capture)
    expect(datagrams.length).toBe(29)
    const image = imageOf(datagrams)
    const time = word(image, BOOT_SV_OFFSET + 0x1c)
    const blank = image.slice().fill(0xee, BOOT_SV_OFFSET, BOOT_SV_OFFSET + 128)
    expect(encodeBootImage(withBootValues(blank, type, time))).toEqual(datagrams)
  })

  test("spinnman-boot-spin5: SpiNNMan's own values go on top", async () => {
    const datagrams = await sent("spinnman-boot-spin5")
    const image = imageOf(datagrams)
    const time = word(image, BOOT_SV_OFFSET + 0x1c)
    expect(withBootValues(image, "spin5", time, { boot_delay: 20, soft_wdog: 0, sdram_heap: 0 })).toEqual(image)
  })

  test("the file's own bytes stay as they are", () => {
    const image = new Uint8Array(512)
    withBootValues(image, "spin5", 1)
    expect(image).toEqual(new Uint8Array(512))
  })

  test.each([0, 508, 510, 514, 32772])("an image of %p bytes is refused", (length) => {
    expect(() => withBootValues(new Uint8Array(length), "spin5", 0)).toThrow(SpinnmanIOException)
  })

  test("an image of 32 KiB is the largest", () => {
    expect(withBootValues(new Uint8Array(32768), "spin5", 0).length).toBe(32768)
  })
})

describe("boardTypeOf", () => {
  test("knows versions 1 to 5", () => {
    expect([1, 2, 3, 4, 5].map(boardTypeOf)).toEqual(["spin1", "spin2", "spin3", "spin4", "spin5"])
    for (const version of [0, 6, 1.5]) expect(() => boardTypeOf(version)).toThrow(SpinnmanInvalidParameterException)
  })
})

describe("spinnakerBootMessages", () => {
  test("is START with the last block's number, each block as 256 words, END", () => {
    const messages = spinnakerBootMessages(new Uint8Array(2500), 5, 1)
    expect(messages.map(({ opcode, op1, op3 }) => [opcode, op1, op3])).toEqual([
      [BootOpcode.start, 0, 2],
      [BootOpcode.block, 0xff00, 0],
      [BootOpcode.block, 0xff01, 0],
      [BootOpcode.block, 0xff02, 0],
      [BootOpcode.end, 1, 0],
    ])
    expect(messages.map(({ data }) => data.length)).toEqual([0, 1024, 1024, 452, 0])
  })

  test("refuses a board version and an image that are none", () => {
    expect(() => spinnakerBootMessages(new Uint8Array(512), 6, 1)).toThrow(SpinnmanInvalidParameterException)
    expect(() => spinnakerBootMessages(new Uint8Array(511), 5, 1)).toThrow(SpinnmanIOException)
  })
})
