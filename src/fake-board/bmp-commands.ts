/** A BMP's commands as a table keyed by code. Source: spinnaker_tools 4.0.0, bmp_cmd.c; values from tests/captures/rig-bmp. */
import { ipToWord } from "../protocol/iptag.ts"
import { Command, Result, SCP_MAX_DATA, type ScpRequest } from "../protocol/scp.ts"
import type { Bmp, BmpSlot } from "./bmp.ts"
import { type Answer, fail, ok, okWords } from "./command-call.ts"
import { afterLeds } from "./hardware-commands.ts"
import { iptagCommand } from "./ip-tag-command.ts"
import { fillCommand, readCommand, writeCommand } from "./memory-commands.ts"
import { versionBody } from "./version-text.ts"

/** One command being executed for the board in `slot`. */
export interface BmpCall {
  readonly bmp: Bmp
  readonly slot: BmpSlot
  readonly board: number
  readonly request: ScpRequest
  readonly sourceHost: string
}

type BmpHandler = (call: BmpCall) => Answer

/** What this BMP calls itself; version and build time are the captures'. */
export const BMP_VERSION = { name: "BC&MP/Spin5-BMP", version: "2.1.2", buildTime: 1_450_000_000 } as const

const POWER_ON = 1

/** arg1 delay << 16 | 1 on, 0 off; arg2 board mask. Boards are switched one `delay` after another; the reply waits for the addressed board only. */
const power: BmpHandler = ({ bmp, board, request: { arg1, arg2: mask } }) => {
  const on = (arg1 & 0xff) === POWER_ON
  if ((arg1 & 0xff) > POWER_ON) return fail(Result.ARG)
  const staggerMs = arg1 >>> 16
  const switchBoard = (number: number): void => bmp.power(number, on)
  for (let other = 0; other < bmp.slots.length; other++) {
    if (other === board || (mask & (1 << other)) === 0) continue
    const waitMs = staggerMs * other + (on ? bmp.powerOnMs : 0)
    if (waitMs === 0) switchBoard(other)
    else bmp.outside.clock.after(waitMs, () => switchBoard(other))
  }
  if ((mask & (1 << board)) === 0) return ok()
  const afterMs = staggerMs * board + (on ? bmp.powerOnMs : 0)
  if (afterMs === 0) {
    switchBoard(board)
    return ok()
  }
  // The board goes dark when its power is switched and comes up when its FPGAs are loaded.
  if (on) bmp.power(board, false)
  return { ...ok(), afterMs, whenDone: () => switchBoard(board) }
}

/** arg1 delay << 16 | code, arg2 board mask: as a power cycle for the boards' ROMs. */
const reset: BmpHandler = ({ bmp, request: { arg1, arg2: mask } }) => {
  if ((arg1 & 0xfb) > 2) return fail(Result.ARG)
  for (let board = 0; board < bmp.slots.length; board++) if (mask & (1 << board)) bmp.outside.power(board, true)
  return ok()
}

const led: BmpHandler = ({ bmp, request: { arg1, arg2: mask } }) => {
  for (const [board, slot] of bmp.slots.entries()) if (mask & (1 << board)) slot.leds = afterLeds(slot.leds, arg1)
  return ok()
}

/** FPGA of a request: arg3 0..2. */
const fpgaOf = ({ slot, request: { arg2, arg3 } }: BmpCall): BmpSlot["memory"] | undefined =>
  arg2 > SCP_MAX_DATA ? undefined : slot.fpgas[arg3 as 0 | 1 | 2]

const fpgaRead: BmpHandler = (call) => {
  const { arg1: address, arg2: length } = call.request
  const fpga = fpgaOf(call)
  if (!fpga) return fail(Result.ARG)
  const body = new Uint8Array(length)
  fpga.readInto(body.subarray(0, length - (length % 4)), address - (address % 4))
  return ok(body)
}

const fpgaWrite: BmpHandler = (call) => {
  const { arg1: address, arg2: length, data } = call.request
  const fpga = fpgaOf(call)
  if (!fpga) return fail(Result.ARG)
  const bytes = new Uint8Array(length - (length % 4))
  bytes.set(data.subarray(0, bytes.length))
  fpga.write(address - (address % 4), bytes)
  return ok()
}

/** Eight voltages, four board temperatures, four outside, four fans, two words of warnings. Raw values of the capture. */
const ADC = new Uint16Array([
  0x0000, 0x07ae, 0x07ae, 0x07ae, 0x0b85, 0x0000, 0x0e14, 0x0ccc, 0x1f40, 0x1e78, 0, 0, 0x8000, 0x8000, 0, 0, 0x04b0,
  0xffff, 0, 0, 0, 0, 0, 0,
])

const BmpInfo = { basic: 0, eeprom: 1, can: 2, boardStatus: 3, addresses: 4, vectors: 5 } as const

const info: BmpHandler = ({ bmp, request: { arg1 } }) => {
  switch (arg1) {
    case BmpInfo.basic:
      // Hardware version, serial number (4 words), addresses of buffers that no host reads.
      return okWords(1, 0, 0, 0, 0, 0, 0, 0)
    case BmpInfo.eeprom:
    case BmpInfo.can:
      return ok(new Uint8Array(32))
    case BmpInfo.boardStatus:
      return ok(new Uint8Array(ADC.buffer))
    case BmpInfo.addresses: {
      const body = new Uint8Array(64)
      const view = new DataView(body.buffer)
      // Flags u16, MAC 6, IP, gateway, mask, port u16, pad: the BMP's record, then the board's.
      view.setUint32(8, ipToWord(bmp.address.host), true)
      view.setUint16(20, bmp.address.port, true)
      return ok(body)
    }
    case BmpInfo.vectors:
      return ok(new Uint8Array(32))
    default:
      return fail(Result.ARG)
  }
}

const SerialOp = { read: 0, write: 1, crc: 2 } as const

/** BMP_SF and BMP_EE: arg1 address, arg2 length, arg3 operation. */
const serialMemory =
  (operations: number): BmpHandler =>
  ({ slot, request: { arg1: address, arg2: length, arg3: operation, data } }) => {
    if (operation > operations || (operation !== SerialOp.crc && length > SCP_MAX_DATA)) return fail(Result.ARG)
    if (operation === SerialOp.read) return ok(slot.flash.read(address, length))
    if (operation === SerialOp.write) {
      slot.flash.write(address, data.subarray(0, length))
      return ok()
    }
    return okWords(Bun.hash.crc32(slot.flash.read(address, Math.min(length, CRC_LIMIT))))
  }

/** Serial flash of a BMP: 2 MiB. */
const CRC_LIMIT = 2 * 1024 * 1024
/** Address that FLASH_ERASE gives for the buffer that FLASH_WRITE writes from. */
const FLASH_BUFFER = 0x2007c000

/** Who executes what; any other code is answered CMD. */
export const bmpCommands: ReadonlyMap<number, BmpHandler> = new Map<number, BmpHandler>([
  [Command.VER, ({ board }) => ok(versionBody({ identity: board, ...BMP_VERSION }))],
  [Command.READ, ({ slot, request }) => readCommand(slot.memory, request)],
  [Command.WRITE, ({ slot, request }) => writeCommand(slot.memory, request)],
  [Command.FILL, ({ slot, request }) => fillCommand(slot.memory, request)],
  [Command.LINK_READ, fpgaRead],
  [Command.LINK_WRITE, fpgaWrite],
  [Command.LED, led],
  [
    Command.IPTAG,
    ({ bmp, request, sourceHost }) =>
      iptagCommand({ tags: bmp.tags, request, sourceHost, now: bmp.outside.clock.now() }),
  ],
  [Command.BMP_INFO, info],
  [Command.FLASH_COPY, () => ok()],
  [Command.FLASH_ERASE, () => okWords(FLASH_BUFFER)],
  [Command.FLASH_WRITE, () => ok()],
  [Command.BMP_SF, serialMemory(SerialOp.crc)],
  [Command.BMP_EE, serialMemory(SerialOp.write)],
  [Command.RESET, reset],
  [Command.XILINX, ({ request }) => (request.arg1 > 2 ? fail(Result.ARG) : ok())],
  [Command.POWER, power],
  [Command.I2C, () => ok()],
])
