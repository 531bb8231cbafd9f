/** JSON values on a stream, one a line, UTF-8: what the control endpoint speaks. */

/** What a reader finds next; after "trouble" there is nothing more to be had of the stream. */
export type JsonLine =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "trouble"; readonly trouble: "line-too-long" | "not-json" }

const NEWLINE = 0x0a

/** Cuts a stream into lines of at most `maxBytes` and reads each; empty lines are passed over. */
export class JsonLineReader {
  readonly #maxBytes: number
  readonly #decoder = new TextDecoder("utf-8", { fatal: true })
  #chunks: Uint8Array[] = []
  #bytes = 0
  #lines: Uint8Array[] = []
  #trouble: "line-too-long" | "not-json" | undefined
  #over = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Takes a chunk; lines that wait count as one with what comes, so that nobody can pile them up. */
  push(chunk: Uint8Array): void {
    let rest = chunk
    while (!this.#trouble) {
      const end = rest.indexOf(NEWLINE)
      const piece = end < 0 ? rest : rest.subarray(0, end)
      this.#bytes += piece.length
      if (this.#bytes > this.#maxBytes) {
        this.#trouble = "line-too-long"
        this.#chunks = []
        return
      }
      // A copy: the chunk may be the receiver's buffer, and a few bytes must not keep all of it.
      if (piece.length > 0) this.#chunks.push(Uint8Array.from(piece))
      if (end < 0) return
      if (this.#chunks.length > 0) this.#lines.push(Buffer.concat(this.#chunks.splice(0)))
      rest = rest.subarray(end + 1)
    }
  }

  /** The next line's value or what is wrong; undefined while no line is whole. */
  next(): JsonLine | undefined {
    if (this.#over) return undefined
    for (let line = this.#lines.shift(); line; line = this.#lines.shift()) {
      this.#bytes -= line.length
      const read = this.#read(line)
      if (read?.kind === "trouble") this.#over = true
      if (read) return read
    }
    if (!this.#trouble) return undefined
    this.#over = true
    return { kind: "trouble", trouble: this.#trouble }
  }

  #read(line: Uint8Array): JsonLine | undefined {
    try {
      const text = this.#decoder.decode(line)
      return text.trim() === "" ? undefined : { kind: "value", value: JSON.parse(text) }
    } catch {
      return { kind: "trouble", trouble: "not-json" }
    }
  }
}

const encoder = new TextEncoder()

/** True for what JSON calls an object. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** `value` as a line. */
export function encodeJsonLine(value: unknown): Uint8Array {
  return encoder.encode(`${JSON.stringify(value)}\n`)
}
