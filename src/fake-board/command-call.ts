/** What a command handler is given and what it gives back. */
import { Result, type ScpRequest } from "../protocol/scp.ts"
import type { Chip } from "./chip.ts"
import type { Machine } from "./machine.ts"

/** One command being executed on the monitor core of `chip`. */
export interface CommandCall {
  readonly machine: Machine
  readonly chip: Chip
  readonly request: ScpRequest
  /** IP address of the datagram that carried the request; undefined where it came over P2P from another chip. */
  readonly sourceHost: string | undefined
}

/** A command's outcome: its result code, and what stands in the reply at arg1's place. */
export interface Answer {
  readonly result: number
  readonly body: Uint8Array
  /** Milliseconds that the command takes; at once where absent. */
  readonly afterMs?: number
  /** What happens when that time has passed, just before the reply leaves. */
  readonly whenDone?: () => void
}

/** Executes one command. */
export type CommandHandler = (call: CommandCall) => Answer

const NOTHING = new Uint8Array(0)

/** RC_OK with a body. */
export function ok(body: Uint8Array = NOTHING): Answer {
  return { result: Result.OK, body }
}

/** RC_OK with the arguments that a command leaves in the message. */
export function okWords(...words: number[]): Answer {
  return { result: Result.OK, body: wordsToBytes(words) }
}

/** An error; the body is empty but for the few commands that say more. */
export function fail(result: number, ...words: number[]): Answer {
  return { result, body: words.length === 0 ? NOTHING : wordsToBytes(words) }
}

/** 32-bit words as little-endian bytes. */
export function wordsToBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word >>> 0, true)
  return bytes
}
