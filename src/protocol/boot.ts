/**
 * The boot ROM's protocol, UDP port 54321: an 18-byte big-endian header, then up to 1024 bytes of image.
 * There are no replies and no acknowledgements. Source: spinnaker_bootROM and the captures in tests/captures.
 */

/** UDP port of the boot ROM, and of hosts that listen for its hello. */
export const BOOT_PORT = 54321
/** Bytes of header; unlike SDP there is no pad before it. */
export const BOOT_HEADER = 18
/** Bytes of image in a full block: 256 words. */
export const BOOT_BLOCK_BYTES = 1024
/** Most blocks of one image; 32 KiB in all. */
export const BOOT_MAX_BLOCKS = 32
/** The only protocol version there is. */
export const BOOT_VERSION = 1
/** Offset in the image of the 128 bytes that clients replace with their own `sv` values (time, LEDs, hardware version). */
export const BOOT_SV_OFFSET = 384
/** Length of that area in bytes. */
export const BOOT_SV_LENGTH = 128

/** What a boot datagram is. */
export const BootOpcode = {
  /** Begins a fill; op3 = blocks - 1. */
  start: 1,
  /** One block; op1 = (words - 1) << 8 | block number. */
  block: 3,
  /** Ends the fill; op1 bit 0 = execute. */
  end: 5,
  /** The ROM's beacon, from board to host only. */
  hello: 0x41,
} as const

/** A boot datagram taken apart; `data` is a view, still in wire order (each 32-bit word big-endian). */
export interface BootMessage {
  opcode: number
  op1: number
  op2: number
  op3: number
  data: Uint8Array
}

/** The boot message in a UDP payload; undefined for one that is short, oversized or of another version. */
export function decodeBoot(datagram: Uint8Array): BootMessage | undefined {
  if (datagram.length < BOOT_HEADER || datagram.length > BOOT_HEADER + BOOT_BLOCK_BYTES) return undefined
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  if (view.getUint16(0) !== BOOT_VERSION) return undefined
  return {
    opcode: view.getUint32(2),
    op1: view.getUint32(6),
    op2: view.getUint32(10),
    op3: view.getUint32(14),
    data: datagram.subarray(BOOT_HEADER),
  }
}

/** One UDP payload holding `message`. */
export function encodeBoot(message: BootMessage): Uint8Array {
  const datagram = new Uint8Array(BOOT_HEADER + message.data.length)
  const view = new DataView(datagram.buffer)
  view.setUint16(0, BOOT_VERSION)
  view.setUint32(2, message.opcode)
  view.setUint32(6, message.op1)
  view.setUint32(10, message.op2)
  view.setUint32(14, message.op3)
  datagram.set(message.data, BOOT_HEADER)
  return datagram
}

/** Number of blocks that a START announces, 1..256 (the ROM looks at the low byte only). */
export function startBlocks(message: BootMessage): number {
  return (message.op3 & 0xff) + 1
}

/** Block number of a BLOCK, 0..255. */
export function blockNumber(message: BootMessage): number {
  return message.op1 & 0xff
}

/** `bytes` with the four bytes of every word reversed: image order to wire order and back. A tail shorter than a word is kept. */
export function swapWords(bytes: Uint8Array): Uint8Array {
  // Not slice(): a Buffer's would be a view of the same bytes.
  const swapped = new Uint8Array(bytes)
  for (let i = 0; i + 4 <= swapped.length; i += 4) {
    swapped[i] = bytes[i + 3]!
    swapped[i + 1] = bytes[i + 2]!
    swapped[i + 2] = bytes[i + 1]!
    swapped[i + 3] = bytes[i]!
  }
  return swapped
}

/**
 * The datagrams that boot `image` (in image order), START first and END last.
 * Throws RangeError for an image that is empty, longer than 32 KiB or not a whole number of words.
 */
export function encodeBootImage(image: Uint8Array): Uint8Array[] {
  if (image.length === 0 || image.length > BOOT_BLOCK_BYTES * BOOT_MAX_BLOCKS || image.length % 4 !== 0) {
    throw new RangeError(`Cannot boot an image of ${image.length} bytes: expected 4 to 32768, a multiple of 4`)
  }
  const blocks = Math.ceil(image.length / BOOT_BLOCK_BYTES)
  const none = new Uint8Array(0)
  const datagrams = [encodeBoot({ opcode: BootOpcode.start, op1: 0, op2: 0, op3: blocks - 1, data: none })]
  for (let block = 0; block < blocks; block++) {
    const data = swapWords(image.subarray(block * BOOT_BLOCK_BYTES, (block + 1) * BOOT_BLOCK_BYTES))
    // Every client declares 256 words even for a shorter last block.
    datagrams.push(encodeBoot({ opcode: BootOpcode.block, op1: 0xff00 | block, op2: 0, op3: 0, data }))
  }
  datagrams.push(encodeBoot({ opcode: BootOpcode.end, op1: 1, op2: 0, op3: 0, data: none }))
  return datagrams
}
