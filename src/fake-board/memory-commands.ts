/**
 * READ, WRITE and FILL as SARK's sark_cmd_read and its siblings do them, for monitors and application cores alike.
 * Source: spinnaker_tools 4.0.0, sark_base.c.
 */
import { Result, SCP_MAX_DATA, type ScpRequest } from "../protocol/scp.ts"
import { type Answer, fail, ok } from "./command-call.ts"
import type { Memory } from "./memory.ts"

/** Bytes moved at a time, by the type argument: 0 byte, 1 half, 2 word. */
const UNIT_BYTES = [1, 2, 4] as const

/** Bytes of `length` that a transfer in units of `unit` really moves: whole units only. */
const whole = (length: number, unit: number): number => length - (length % unit)

/** arg1 address, arg2 length up to 256, arg3 type. An address that does not fit the type is rounded down, as the ARM968 does. */
export function readCommand(memory: Memory, request: ScpRequest): Answer {
  const { arg1: address, arg2: length, arg3: type } = request
  const unit = UNIT_BYTES[type]
  if (length > SCP_MAX_DATA || unit === undefined) return fail(Result.ARG)
  // The reply has the length that was asked for; what is not a whole unit of it stays zero here, stale on the chip.
  const body = new Uint8Array(length)
  memory.readInto(body.subarray(0, whole(length, unit)), address - (address % unit))
  return ok(body)
}

/** arg1 address, arg2 length up to 256, arg3 type, then the data. */
export function writeCommand(memory: Memory, request: ScpRequest): Answer {
  const { arg1: address, arg2: length, arg3: type, data } = request
  const unit = UNIT_BYTES[type]
  if (length > SCP_MAX_DATA || unit === undefined) return fail(Result.ARG)
  // SC&MP trusts arg2 and would copy stale buffer bytes for a datagram that is too short: zeros here.
  const count = whole(length, unit)
  const bytes = data.length >= count ? data.subarray(0, count) : padded(data, count)
  memory.write(address - (address % unit), bytes)
  return ok()
}

/** Longest FILL that is carried out, in bytes: all of a chip's SDRAM. */
export const FILL_MAX_BYTES = 128 * 1024 * 1024

/** arg1 address, arg2 word, arg3 bytes; SC&MP masks neither, clients send multiples of 4. */
export function fillCommand(memory: Memory, request: ScpRequest): Answer {
  const { arg1: address, arg2: word, arg3: bytes } = request
  memory.fill(address - (address % 4), word, Math.min(whole(bytes, 4), FILL_MAX_BYTES))
  return ok()
}

function padded(data: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes.set(data)
  return bytes
}
