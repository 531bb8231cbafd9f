/** The devices' older protocol: JSON objects on a TCP stream, one a line. Pure. */
import { encodeJsonLine, isJsonObject } from "../protocol/json-lines.ts"

/** Longest value that is taken: a device's own buffer is 4096 bytes, but its replies of samples are longer. */
export const MAX_JSON_BYTES = 1 << 20

/** Why a stream cannot be read further. */
export type JsonStreamError = { readonly code: "json-too-long"; readonly limit: number }

const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const NEWLINE = 0x0a
const FIRST_BUFFER = 4096
const NO_BYTES = new Uint8Array(0)

/**
 * Cuts a stream into JSON objects, as the devices do: by their braces, so that the end of line may be missing. What is
 * no object is passed over up to the line's end. It holds at most one unfinished object of the limit.
 */
export class JsonDecoder {
  /** Pieces of the stream that were no object. */
  skipped = 0
  readonly #limit: number
  #depth = 0
  #inString = false
  #escaped = false
  #skipping = false
  #kept: Uint8Array = new Uint8Array(0)
  #filled = 0
  #error: JsonStreamError | undefined
  /** What `emit` stopped before in the last `push`, a view of its chunk: the next `push` is to begin with it. */
  rest: Uint8Array = NO_BYTES

  constructor(limit = MAX_JSON_BYTES) {
    this.#limit = limit
  }

  /** Bytes of an unfinished object. */
  get pendingBytes(): number {
    return this.#filled
  }

  /**
   * Calls `emit` with the bytes of each object, without its end of line; they may be a view of `chunk`. `emit` may
   * return false to stop: the rest of `chunk` is then in `rest`. After an error every call returns that error.
   */
  push(chunk: Uint8Array, emit: (object: Uint8Array) => unknown): JsonStreamError | undefined {
    if (this.#error) return this.#error
    this.rest = NO_BYTES
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#skipping) {
        this.#skipping = byte !== NEWLINE
        continue
      }
      if (this.#depth === 0) {
        if (byte === BRACE_OPEN) {
          start = at
          this.#depth = 1
        } else if (!isSpace(byte)) {
          this.skipped++
          this.#skipping = true
        }
        continue
      }
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
        // No string has an end of line in it: whoever sent this line broke it off.
        else if (byte === NEWLINE) this.#breakOff()
        continue
      }
      if (byte === QUOTE) this.#inString = true
      else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) this.#depth++
      else if ((byte === BRACE_CLOSE || byte === BRACKET_CLOSE) && --this.#depth === 0) {
        const object = this.#whole(chunk.subarray(start, at + 1))
        if (!object) return this.#error
        if (emit(object) === false) {
          this.rest = chunk.subarray(at + 1)
          return undefined
        }
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start))
    return this.#error
  }

  #breakOff(): void {
    this.skipped++
    this.#depth = 0
    this.#inString = false
    this.#filled = 0
    this.#kept = new Uint8Array(0)
  }

  #whole(piece: Uint8Array): Uint8Array | undefined {
    if (this.#filled === 0 && piece.length <= this.#limit) return piece
    this.#keep(piece)
    if (this.#error) return undefined
    const object = this.#kept.subarray(0, this.#filled)
    this.#kept = new Uint8Array(0)
    this.#filled = 0
    return object
  }

  #keep(piece: Uint8Array): void {
    const needed = this.#filled + piece.length
    if (needed > this.#limit) {
      this.#error = { code: "json-too-long", limit: this.#limit }
      this.#kept = new Uint8Array(0)
      this.#filled = 0
      return
    }
    if (needed > this.#kept.length) {
      const grown = new Uint8Array(Math.min(this.#limit, Math.max(FIRST_BUFFER, 2 * needed)))
      grown.set(this.#kept.subarray(0, this.#filled))
      this.#kept = grown
    }
    this.#kept.set(piece, this.#filled)
    this.#filled = needed
  }
}

/** A request, a reply, or what a device says unasked. Fields that are not listed stay in `fields`. */
export interface JsonEnvelope {
  /** All fields, as they came. */
  readonly fields: Readonly<Record<string, unknown>>
  /** What it is; replies have their request's. */
  readonly type: string
  /** Any JSON value; undefined where nobody asked. */
  readonly id: unknown
  /** Empty where there is none. */
  readonly msg: Readonly<Record<string, unknown>>
}

/** The envelope in the bytes of an object; undefined where it is not JSON or has no type. */
export function parseJsonEnvelope(object: Uint8Array): JsonEnvelope | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(object))
  } catch {
    return undefined
  }
  if (!isJsonObject(fields) || typeof fields.type !== "string") return undefined
  return { fields, type: fields.type, id: fields.id ?? undefined, msg: isJsonObject(fields.msg) ? fields.msg : {} }
}

/** A line with the bytes of an object that came without its end. */
export function jsonLine(object: Uint8Array): Uint8Array {
  const line = new Uint8Array(object.length + 1)
  line.set(object)
  line[object.length] = NEWLINE
  return line
}

/** The reply to a request that went well. */
export function jsonReply(request: JsonEnvelope, msg: Readonly<Record<string, unknown>> = {}): Uint8Array {
  return encodeJsonLine({ ...idOf(request), type: request.type, msg, code: 0 })
}

/** The reply to a request that did not; as from a device there is no `msg`. `code` is not 0. */
export function jsonError(request: JsonEnvelope, code: number, error: string): Uint8Array {
  return encodeJsonLine({ ...idOf(request), type: request.type, code, error })
}

function idOf({ id }: JsonEnvelope): { id?: unknown } {
  return id === undefined ? {} : { id }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === NEWLINE || byte === 0x0d
}
