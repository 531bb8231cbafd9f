/** What both ends of the control endpoint have in common: a local socket that carries JSON lines. */
import type { Socket } from "bun"
import { encodeJsonLine, type JsonLine, JsonLineReader } from "../protocol/json-lines.ts"

/** Bytes that may wait to be written; far above the longest status report. */
export const MAX_CONTROL_PENDING = 8 << 20

/** A connection that reads and writes values. */
export class ControlSocket {
  readonly #socket: Socket<unknown>
  readonly #reader: JsonLineReader
  #pending: Uint8Array = new Uint8Array(0)
  #ending = false

  constructor(socket: Socket<unknown>, maxLineBytes: number) {
    this.#socket = socket
    this.#reader = new JsonLineReader(maxLineBytes)
  }

  /** Nothing waits to be written. */
  get isClear(): boolean {
    return this.#pending.length === 0
  }

  received(chunk: Uint8Array): void {
    this.#reader.push(chunk)
  }

  next(): JsonLine | undefined {
    return this.#reader.next()
  }

  /** Writes `value`; a peer that reads nothing is cut off when too much waits for it. */
  send(value: unknown): void {
    if (this.#ending) return
    const line = encodeJsonLine(value)
    if (this.#pending.length + line.length > MAX_CONTROL_PENDING) {
      this.abort()
      return
    }
    this.#pending = this.isClear ? line : Buffer.concat([this.#pending, line])
    this.drained()
  }

  /** The socket takes bytes, perhaps again. */
  drained(): void {
    const taken = this.isClear ? 0 : Math.max(0, this.#socket.write(this.#pending))
    this.#pending = this.#pending.subarray(taken)
    if (this.#ending && this.isClear) this.#socket.end()
  }

  /** Ends the connection once everything is written. */
  end(): void {
    this.#ending = true
    this.drained()
  }

  abort(): void {
    this.#ending = true
    this.#pending = new Uint8Array(0)
    this.#socket.terminate()
  }
}
