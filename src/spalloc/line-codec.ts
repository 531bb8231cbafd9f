/**
 * spalloc's framing: one JSON object a line, UTF-8, `\n` (a `\r` before it is white space to JSON). A line that is no
 * object is told of and ends the connection.
 */
import { isJsonObject } from "../protocol/json-lines.ts"

/** Most bytes of one line, its end not counted: longer than the 200 kB that other servers were seen to take. */
export const MAX_LINE_BYTES = 256 << 10

/** A JSON object; its own keys only, nothing else is known of it. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Why a line ends its connection. */
export type LineTrouble = "line-too-long" | "not-utf8" | "not-json" | "not-an-object"

/** What `next` finds. */
export type Line =
  | { readonly kind: "object"; readonly value: JsonObject }
  | { readonly kind: "trouble"; readonly trouble: LineTrouble }
  /** Nothing whole is left. */
  | { readonly kind: "none" }

const NEWLINE = 0x0a
const NONE: Line = { kind: "none" }

/** Reads lines from a stream cut anywhere. The owner takes them one by one and may stop: what waits is the last chunk. */
export class LineDecoder {
  readonly #maxBytes: number
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  /** What has not been taken yet is `#bytes[#start..#end]`. */
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** No line ends before this. */
  #scanned = 0
  #trouble: LineTrouble | undefined

  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Bytes that have come and are not taken: of a line that is not whole, or of lines that wait. */
  get pendingBytes(): number {
    return this.#end - this.#start
  }

  /** Takes a chunk in; it may be of any length and is not kept where it ends with a line that is taken at once. */
  push(chunk: Uint8Array): void {
    if (this.#trouble) return
    if (this.pendingBytes === 0) {
      this.#bytes = chunk
      this.#start = 0
      this.#scanned = 0
      this.#end = chunk.length
      return
    }
    this.#append(chunk)
  }

  /** The next object, or what is wrong with the next line; after trouble there is nothing more. Empty lines are nothing. */
  next(): Line {
    while (!this.#trouble) {
      const newline = this.#bytes.subarray(0, this.#end).indexOf(NEWLINE, this.#scanned)
      const length = (newline < 0 ? this.#end : newline) - this.#start
      if (length > this.#maxBytes) return this.#fail("line-too-long")
      if (newline < 0) {
        this.#scanned = this.#end
        return NONE
      }
      const line = this.#bytes.subarray(this.#start, newline)
      this.#start = newline + 1
      this.#scanned = this.#start
      const found = this.#read(line)
      if (found) return found
    }
    return NONE
  }

  /** Copies what is left of a chunk, so that a few bytes do not keep all of it; call it when `next` has found none. */
  settle(): void {
    const pending = this.pendingBytes
    if (this.#bytes.buffer.byteLength <= 2 * pending + 64) return
    this.#bytes = this.#bytes.slice(this.#start, this.#end)
    this.#scanned -= this.#start
    this.#start = 0
    this.#end = pending
  }

  #append(chunk: Uint8Array): void {
    const pending = this.pendingBytes
    const needed = pending + chunk.length
    if (this.#start > 0 || needed > this.#bytes.length || this.#end !== pending) {
      // Doubling, so that a line that comes byte by byte is not copied for each of them.
      const grown = new Uint8Array(needed <= this.#bytes.length ? this.#bytes.length : Math.max(needed, 2 * pending))
      grown.set(this.#bytes.subarray(this.#start, this.#end))
      this.#bytes = grown
      this.#scanned -= this.#start
      this.#start = 0
    }
    this.#bytes.set(chunk, pending)
    this.#end = needed
  }

  #read(line: Uint8Array): Line | undefined {
    let text: string
    try {
      text = this.#text.decode(line)
    } catch {
      return this.#fail("not-utf8")
    }
    if (text.trim() === "") return undefined
    try {
      const value: unknown = JSON.parse(text)
      return isJsonObject(value) ? { kind: "object", value } : this.#fail("not-an-object")
    } catch {
      return this.#fail("not-json")
    }
  }

  #fail(trouble: LineTrouble): Line {
    this.#trouble = trouble
    this.#bytes = new Uint8Array(0)
    this.#start = 0
    this.#end = 0
    return { kind: "trouble", trouble }
  }
}
