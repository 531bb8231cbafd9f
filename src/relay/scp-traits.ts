/**
 * What may be done with an SCP request: whether running it twice is harmless, and how long its answer may take.
 * One table over all commands of SC&MP, SARK and BMPs. Source: the wire facts §3 and §6.1 (scamp-cmd.c, bmp_cmd.c).
 * What the table does not know counts as harmful to repeat.
 */
import { Command, SCP_OFFSET } from "../protocol/scp.ts"
import { isRam, readsWithoutEffect } from "./scp-addresses.ts"
import { toMonitor } from "./scp-classify.ts"

/** What executing a request does, which decides whether it may be executed again. */
export type Effect =
  /** Nothing: a repeat is executed afresh, so that nobody is ever served stale memory. */
  | "none"
  /** The same however often, while nothing else runs in between: a lost one may be tried again. */
  | "same"
  /** Something more each time: never executed again of the relay's own accord. */
  | "more"
  /** Power, reset, flash: never sent twice for one request, whatever the client repeats. */
  | "never-again"

/** A request's traits. */
export interface Traits {
  readonly effect: Effect
  /** A monitor answers it within milliseconds, so that 100 ms of silence mean it is lost. */
  readonly quick: boolean
  /** Until this long after it was sent, milliseconds, the board may still answer and a repeat is nothing new. */
  readonly answerMs: number
}

/** Healthy boards answer in milliseconds, rig and Perl repeat after 500: between the two. */
export const ANSWER_MS = 450
/** Slow commands: a transient tag's life; after that no answer can leave the board. */
export const SLOW_ANSWER_MS = 2_560
/** A BMP's POWER: 2 to 5 s where FPGAs are loaded; SpiNNMan and Java wait 10 s for it. */
export const POWER_ANSWER_MS = 10_000
/** A FILL of more bytes is slow: SDRAM takes some 100 ns a word, 1 MiB then 26 ms. */
const SLOW_FILL_BYTES = 1 << 20

const ARG1 = SCP_OFFSET + 4
const ARG2 = SCP_OFFSET + 8
const ARG3 = SCP_OFFSET + 12

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)
const u32 = (bytes: Uint8Array, at: number): number => (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0

/** The traits of `request`, which must be an SCP request (`isRequest`). */
export function traitsOf(request: Uint8Array): Traits {
  const slowMs = slowAnswerMs(request)
  return {
    effect: effectOf(request),
    quick: slowMs === 0 && toMonitor(request),
    answerMs: slowMs || ANSWER_MS,
  }
}

function slowAnswerMs(request: Uint8Array): number {
  switch (u16(request, SCP_OFFSET)) {
    case Command.POWER:
      return POWER_ANSWER_MS
    case Command.APP_COPY_RUN:
    case Command.FLASH_COPY:
    case Command.FLASH_ERASE:
    case Command.FLASH_WRITE:
    case Command.RESET:
    case Command.XILINX:
    case Command.BMP_SF:
    case Command.BMP_EE:
      return SLOW_ANSWER_MS
    case Command.SROM:
      return sromChanges(request) || (request[ARG1]! & SROM_WAIT) !== 0 ? SLOW_ANSWER_MS : 0
    case Command.FILL:
      return u32(request, ARG3) > SLOW_FILL_BYTES ? SLOW_ANSWER_MS : 0
    default:
      return 0
  }
}

/** What executing `request` does. */
export function effectOf(request: Uint8Array): Effect {
  switch (u16(request, SCP_OFFSET)) {
    case Command.VER:
    case Command.COUNT:
    case Command.INFO:
    case Command.BMP_INFO:
      return "none"
    case Command.READ:
    case Command.LINK_READ:
      return readsWithoutEffect(u32(request, ARG1), u32(request, ARG2)) ? "none" : "more"
    case Command.WRITE:
    case Command.LINK_WRITE:
      return isRam(u32(request, ARG1), u32(request, ARG2)) ? "same" : "more"
    case Command.FILL:
      return isRam(u32(request, ARG1), u32(request, ARG3)) ? "same" : "more"
    case Command.SYNC:
      return "same"
    case Command.NNP:
      // Bit 31 of arg3: the monitor gives each packet a new identity, and the machine takes it for a new order.
      return (request[ARG3 + 3]! & 0x80) !== 0 ? "more" : "same"
    case Command.SIG:
      // Type 1 was the state count of SC&MP before 4.0. Signals themselves step barriers and wake applications.
      return u32(request, ARG1) === 1 ? "none" : "more"
    case Command.LED:
      return togglesLed(u32(request, ARG1)) ? "more" : "same"
    case Command.IPTAG:
      return effectOfTag(request)
    case Command.ALLOC:
      // 6 asks for free space, 7 for a tag's pointer.
      return request[ARG1] === 6 || request[ARG1] === 7 ? "none" : "more"
    case Command.RTR:
      return effectOfRouter(request)
    case Command.SROM:
      return sromChanges(request) ? "more" : "none"
    case Command.BMP_SF:
      return u32(request, ARG3) === BMP_WRITE ? "never-again" : "none"
    case Command.BMP_EE:
      return u32(request, ARG3) === BMP_WRITE ? "more" : "none"
    case Command.FLASH_COPY:
    case Command.FLASH_ERASE:
    case Command.FLASH_WRITE:
    case Command.RESET:
    case Command.POWER:
      return "never-again"
    // RUN, APLX, REMAP, AR, AS, APP_COPY_RUN, FFD (tolerated by receivers, perhaps), XILINX, I2C, PWM and strangers.
    default:
      return "more"
  }
}

/** Operation of BMP_SF and BMP_EE: 0 read, 1 write, 2 checksum. */
const BMP_WRITE = 1

/** Bit 6 of an SROM request's arg1: wait until the flash is done. */
const SROM_WAIT = 0x40

/** SROM: bit 7 enables writing, bit 8 writes. */
function sromChanges(request: Uint8Array): boolean {
  return (request[ARG1]! & 0x80) !== 0 || (request[ARG1 + 1]! & 1) !== 0
}

/** LED: two bits a lamp, 1 = toggle. True if any is. */
function togglesLed(lamps: number): boolean {
  return (lamps & ~(lamps >>> 1) & 0x5555_5555) !== 0
}

/** IPTAG: op 0 NEW takes another entry each time; SET, GET, CLR and TTO do not. */
function effectOfTag(request: Uint8Array): Effect {
  switch (request[ARG1 + 2]) {
    case 1:
    case 3:
    case 4:
      return "same"
    case 2:
      return "none"
    default:
      return "more"
  }
}

/** RTR: 0 init, 2 load, 3 fixed route (arg2 bit 31 reads it); 1 clear fails the second time. */
function effectOfRouter(request: Uint8Array): Effect {
  switch (request[ARG1]) {
    case 0:
    case 2:
      return "same"
    case 3:
      return (request[ARG2 + 3]! & 0x80) !== 0 ? "none" : "same"
    default:
      return "more"
  }
}
