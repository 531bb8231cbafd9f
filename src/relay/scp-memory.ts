/**
 * Answers that were given, kept for a while: a repeat of a command that must not run twice gets the same answer again
 * instead of a second execution. Pure; bounded in count, bytes and age, the oldest goes first.
 */
import { sameRequest } from "./scp-classify.ts"

/** Repeats come while a client still waits: rig and Perl ask every 0.5 s and give up after 2.5 s. */
export const REMEMBER_MS = 5_000
/** Where sequence numbers move a client is at work; SpiNNMan and Java go on asking for 11 s, through any loss. */
export const REMEMBER_MOVING_MS = 12_000
/** Power, reset and flash: rig repeats a power-on for 27 s (5 tries of 5.5 s); twice that. */
export const REMEMBER_NEVER_AGAIN_MS = 60_000

/** Bounds of one memory. */
export interface MemoryLimits {
  readonly entries: number
  readonly bytes: number
}

interface Remembered {
  readonly request: Uint8Array
  readonly answer: Uint8Array
  readonly lifeMs: number
  until: number
}

/** The answers of one flow, by the client's sequence number. */
export class AnswerMemory {
  readonly #entries = new Map<number, Remembered>()
  #bytes = 0

  /** `onForgotten` is called for each answer that made room before its time was over. */
  constructor(
    private readonly limits: MemoryLimits,
    private readonly onForgotten: () => void = () => {},
  ) {}

  get size(): number {
    return this.#entries.size
  }

  /** Keeps `answer` to `request`, the client's own bytes (they may differ in the sequence number). */
  remember(sequence: number, request: Uint8Array, answer: Uint8Array, now: number, lifeMs: number): void {
    this.#forget(sequence)
    this.#entries.set(sequence, { request, answer, lifeMs, until: now + lifeMs })
    this.#bytes += request.length + answer.length
    for (const [oldest, entry] of this.#entries) {
      const full = this.#entries.size > this.limits.entries || this.#bytes > this.limits.bytes
      if (!full && entry.until > now) break
      if (entry.until > now) this.onForgotten()
      this.#forget(oldest)
    }
  }

  /** The answer to an earlier request of the same bytes, or undefined. A client that still asks keeps it alive. */
  recall(sequence: number, request: Uint8Array, now: number): Uint8Array | undefined {
    const entry = this.#entries.get(sequence)
    if (!entry) return undefined
    if (entry.until <= now) {
      this.#forget(sequence)
      return undefined
    }
    if (!sameRequest(entry.request, request)) return undefined
    entry.until = now + entry.lifeMs
    return entry.answer
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #forget(sequence: number): void {
    const entry = this.#entries.get(sequence)
    if (!entry) return
    this.#bytes -= entry.request.length + entry.answer.length
    this.#entries.delete(sequence)
  }
}
