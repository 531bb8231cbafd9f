/**
 * What a host writes into a boot image before it sends it: the first 128 bytes of SC&MP's system variables, which tell
 * it the board's kind and the time. Source: sark.struct of spinnaker_tools, and rig's and SpiNNMan's boots in tests/captures.
 */
import {
  BOOT_BLOCK_BYTES,
  BOOT_MAX_BLOCKS,
  BOOT_SV_LENGTH,
  BOOT_SV_OFFSET,
  type BootMessage,
  decodeBoot,
  encodeBootImage,
} from "../protocol/boot.ts"
import { SpinnmanInvalidParameterException, SpinnmanIOException } from "./exceptions.ts"

/** Most bytes of an image that the ROM has room for. */
export const BOOT_IMAGE_MAX = BOOT_BLOCK_BYTES * BOOT_MAX_BLOCKS

/** A field of the system variables: its offset and its width in bytes. */
interface Field {
  readonly at: number
  readonly bytes: 1 | 2 | 4
  /** Its value where nobody sets another; the struct file's, which rig uses too. */
  readonly value: number
}

/** The fields that have a value; all others are 0. Little-endian. */
const FIELDS = {
  hw_ver: { at: 0x0a, bytes: 1, value: 0 },
  p2pb_repeats: { at: 0x0c, bytes: 1, value: 4 },
  p2p_sql: { at: 0x0d, bytes: 1, value: 4 },
  clk_div: { at: 0x0e, bytes: 1, value: 0x33 },
  unix_time: { at: 0x1c, bytes: 4, value: 0 },
  cpu_clk: { at: 0x24, bytes: 2, value: 200 },
  mem_clk: { at: 0x26, bytes: 2, value: 130 },
  forward: { at: 0x28, bytes: 1, value: 0x3f },
  peek_time: { at: 0x2a, bytes: 1, value: 100 },
  led_period: { at: 0x2b, bytes: 1, value: 1 },
  netinit_bc_wait: { at: 0x2c, bytes: 1, value: 50 },
  led0: { at: 0x30, bytes: 4, value: 1 },
  led1: { at: 0x34, bytes: 4, value: 0 },
  /** The chip that the image is sent to is the root. */
  root_chip: { at: 0x40, bytes: 1, value: 1 },
  num_buf: { at: 0x41, bytes: 1, value: 7 },
  boot_delay: { at: 0x42, bytes: 1, value: 10 },
  soft_wdog: { at: 0x43, bytes: 1, value: 3 },
  sysram_heap: { at: 0x48, bytes: 4, value: 1024 },
  sdram_heap: { at: 0x4c, bytes: 4, value: 1048576 },
  iobuf_size: { at: 0x50, bytes: 4, value: 16384 },
  sys_bufs: { at: 0x54, bytes: 4, value: 8388608 },
  sysbuf_size: { at: 0x58, bytes: 4, value: 32768 },
  boot_sig: { at: 0x5c, bytes: 4, value: 0 },
  link_en: { at: 0x65, bytes: 1, value: 0x3f },
} as const satisfies Record<string, Field>

/** Values by the names of sark.struct. */
export type BootValues = Partial<Record<keyof typeof FIELDS, number>>

/** What SC&MP must know of each kind of board: its version number and how its LEDs are wired. */
export const BOARD_VALUES: Readonly<Record<BoardType, BootValues>> = {
  spin1: { hw_ver: 1, led0: 0x76104 },
  spin2: { hw_ver: 2, led0: 0x6103 },
  spin3: { hw_ver: 3, led0: 0x502 },
  spin4: { hw_ver: 4, led0: 0x1 },
  spin5: { hw_ver: 5, led0: 0x1 },
}

/** The kinds of board. */
export type BoardType = "spin1" | "spin2" | "spin3" | "spin4" | "spin5"

/** The kind of board of a hardware version, 1..5. Throws SpinnmanInvalidParameterException for others. */
export function boardTypeOf(version: number): BoardType {
  const type = `spin${version}`
  if (type in BOARD_VALUES) return type as BoardType
  throw new SpinnmanInvalidParameterException("board version", version, "expected 1 to 5")
}

/**
 * `image` (as in its file) with its system variables set: the defaults, the board's own, the time (Unix, seconds) as
 * `unix_time` and `boot_sig`, and `extra` on top. Throws SpinnmanIOException for an image that the ROM cannot take.
 */
export function withBootValues(
  image: Uint8Array,
  type: BoardType,
  unixTime: number,
  extra: BootValues = {},
): Uint8Array {
  checkImage(image)
  const values: BootValues = { ...BOARD_VALUES[type], unix_time: unixTime, boot_sig: unixTime, ...extra }
  const patched = image.slice()
  const area = patched.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_LENGTH).fill(0)
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength)
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = values[name as keyof typeof FIELDS] ?? field.value
    if (field.bytes === 1) view.setUint8(field.at, value)
    else if (field.bytes === 2) view.setUint16(field.at, value, true)
    else view.setUint32(field.at, value, true)
  }
  return patched
}

/**
 * The messages that boot a board of hardware version 1..5, as SpiNNMan's SpinnakerBootMessages: START, the blocks, END.
 * Throws SpinnmanInvalidParameterException for another version and SpinnmanIOException for an image that the ROM cannot take.
 */
export function spinnakerBootMessages(
  image: Uint8Array,
  boardVersion: number,
  unixTime: number,
  extra: BootValues = {},
): BootMessage[] {
  const patched = withBootValues(image, boardTypeOf(boardVersion), unixTime, extra)
  return encodeBootImage(patched).flatMap((datagram) => decodeBoot(datagram) ?? [])
}

function checkImage(image: Uint8Array): void {
  const least = BOOT_SV_OFFSET + BOOT_SV_LENGTH
  if (image.length < least || image.length > BOOT_IMAGE_MAX || image.length % 4 !== 0) {
    const problem = `it has ${image.length} bytes, expected ${least} to ${BOOT_IMAGE_MAX} and a multiple of 4`
    throw new SpinnmanIOException(`Cannot use the boot image: ${problem}`)
  }
}
