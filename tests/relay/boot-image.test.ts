import { expect, test } from "bun:test"
import { BOOT_HEADER, BOOT_SV_OFFSET, encodeBoot, encodeBootImage } from "../../src/protocol/boot.ts"
import { BootImage, bootPart } from "../../src/relay/boot-image.ts"

const DATAGRAMS = encodeBootImage(Uint8Array.from({ length: 2600 }, (_, at) => at))
const part = (datagram: Uint8Array) => bootPart(datagram)!
const changed = (datagram: Uint8Array, at: number) => {
  const copy = datagram.slice()
  copy[at]! ^= 1
  return part(copy)
}

function whole(): BootImage {
  const image = new BootImage()
  for (const datagram of DATAGRAMS) image.add(part(datagram))
  return image
}

test("bootPart() knows START, blocks and END, and nothing that the ROM would not look at", () => {
  expect(DATAGRAMS.map((datagram) => part(datagram).kind)).toEqual(["start", "block", "block", "block", "end"])
  expect(bootPart(new Uint8Array(0))).toBeUndefined()
  expect(bootPart(new Uint8Array(17))).toBeUndefined()
  expect(bootPart(new Uint8Array(1500))).toBeUndefined()
  const none = new Uint8Array(0)
  expect(bootPart(encodeBoot({ opcode: 0x41, op1: 0, op2: 0, op3: 0, data: none }))).toBeUndefined()
  expect(bootPart(encodeBoot({ opcode: 1, op1: 0, op2: 0, op3: 32, data: none }))).toBeUndefined()
  expect(bootPart(encodeBoot({ opcode: 3, op1: 0xff20, op2: 0, op3: 0, data: none }))).toBeUndefined()
})

test("an image is complete with START, all blocks and END, in any order", () => {
  const image = new BootImage()
  for (const at of [4, 3, 0, 1]) image.add(part(DATAGRAMS[at]!))
  expect([image.complete, image.missing, image.done, image.total]).toEqual([false, [1], 2, 3])
  image.add(part(DATAGRAMS[2]!))
  expect([image.complete, image.missing, image.bytes]).toEqual([true, [], 2600])
  expect(image.sequence()).toEqual(DATAGRAMS)
})

test("agrees() and has(): another time in block 0's sv area is the same image, any other byte is not", () => {
  const image = whole()
  const block0 = DATAGRAMS[1]!
  for (const at of [BOOT_HEADER + BOOT_SV_OFFSET, BOOT_HEADER + BOOT_SV_OFFSET + 127]) {
    expect([image.agrees(changed(block0, at)), image.has(changed(block0, at))]).toEqual([true, true])
  }
  for (const at of [BOOT_HEADER + BOOT_SV_OFFSET - 1, BOOT_HEADER + BOOT_SV_OFFSET + 128, BOOT_HEADER, 1041]) {
    expect([image.agrees(changed(block0, at)), image.has(changed(block0, at))]).toEqual([false, false])
  }
  expect(image.agrees(changed(DATAGRAMS[2]!, BOOT_HEADER + BOOT_SV_OFFSET))).toBe(false)
  expect(image.agrees(part(DATAGRAMS[2]!.subarray(0, 1000)))).toBe(false)
})

test("agrees(): a START with another count, or fewer blocks than have come, is another image", () => {
  const other = part(encodeBootImage(new Uint8Array(1024))[0]!)
  expect(whole().agrees(other)).toBe(false)
  const unled = new BootImage()
  unled.add(part(DATAGRAMS[3]!))
  expect(unled.agrees(other)).toBe(false)
  expect(unled.agrees(part(DATAGRAMS[0]!))).toBe(true)
})

test("only() keeps START and the blocks named", () => {
  expect(
    whole()
      .only(new Set([1]))
      .sequence(),
  ).toEqual([DATAGRAMS[0]!, DATAGRAMS[2]!])
})
