/** A client of any spalloc server, old or new: commands one after another, and notifications. */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { connectTcp, type TcpPort } from "../transport/tcp-port.ts"
import { type JsonObject, LineDecoder } from "./line-codec.ts"

/** Longest line taken from a server: `list_jobs` of 10,000 jobs, with room. */
const MAX_REPLY_BYTES = 64 << 20

/** Talking to a server failed; the message is for people and says what to do. */
export class SpallocClientError extends Error {
  override readonly name = "SpallocClientError"
}

export interface SpallocClientOptions {
  readonly address: Address
  readonly clock: Clock
  /** For connecting and for each reply. */
  readonly timeoutMs: number
}

interface Waiting {
  readonly resolve: (reply: JsonObject) => void
  readonly reject: (error: Error) => void
}

/** One connection. */
export class SpallocClient {
  readonly #waiting: Waiting[] = []
  readonly #lines = new LineDecoder(MAX_REPLY_BYTES)
  #port: TcpPort | undefined
  #notified = false
  #onNotification: (() => void) | undefined
  #ended: SpallocClientError | undefined
  #unsent: Uint8Array = new Uint8Array(0)

  private constructor(private readonly options: SpallocClientOptions) {}

  /** Connects and asks for the version. Rejects with SpallocClientError. */
  static async connect(options: SpallocClientOptions): Promise<SpallocClient> {
    const client = new SpallocClient(options)
    const { address, clock, timeoutMs } = options
    const result = await connectTcp({
      address,
      clock,
      timeoutMs,
      ownerOf: (port) => {
        client.#port = port
        return {
          onData: (chunk) => client.#received(chunk),
          onDrain: () => client.#flush(),
          onClose: (detail) => client.#end(detail),
        }
      },
    })
    const where = formatAddress(address)
    if (!result.ok) {
      const why = result.code === "ECONNREFUSED" ? "nothing listens there" : result.detail
      const advice = "Is the server running, and is --host (or hostname in .spalloc) right?"
      throw new SpallocClientError(`No spalloc server at ${where}: ${why}. ${advice}`)
    }
    const version = await client.call("version")
    if (typeof version !== "string" || !/^(\d+!)?\d+(\.\w+)*$/.test(version)) {
      client.close()
      const said = JSON.stringify(version).slice(0, 60)
      throw new SpallocClientError(`The server at ${where} says version ${said}: this program knows spalloc v1 only.`)
    }
    return client
  }

  /** What the server returns. Rejects with SpallocClientError, also for an exception that it tells. */
  async call(command: string, args: readonly unknown[] = [], kwargs: JsonObject = {}): Promise<unknown> {
    const where = formatAddress(this.options.address)
    if (this.#ended) throw this.#ended
    const reply = await new Promise<JsonObject>((resolve, reject) => {
      const timer = this.options.clock.after(this.options.timeoutMs, () => {
        const limit = this.options.timeoutMs / 1000
        const text = `${where} did not answer ${command} in ${limit} s: is it a spalloc server, and is it well?`
        this.#end(text, new SpallocClientError(text))
        this.close()
      })
      this.#waiting.push({
        resolve: (value) => {
          timer.cancel()
          resolve(value)
        },
        reject: (error) => {
          timer.cancel()
          reject(error)
        },
      })
      this.#send(encodeJsonLine({ command, args, kwargs }))
    })
    if ("exception" in reply) throw new SpallocClientError(`The server refuses ${command}: ${String(reply.exception)}`)
    return reply.return
  }

  /** Resolves at the next notification, or at once if one has come since the last call. Rejects when the connection ends. */
  async notification(signal: AbortSignal): Promise<void> {
    while (!this.#notified) {
      if (this.#ended) throw this.#ended
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        this.#onNotification = resolve
        signal.addEventListener("abort", () => resolve(), { once: true })
      })
    }
    this.#notified = false
  }

  close(): void {
    this.#port?.end()
    this.#port = undefined
  }

  #send(line: Uint8Array): void {
    this.#unsent = this.#unsent.length === 0 ? line : Buffer.concat([this.#unsent, line])
    this.#flush()
  }

  #flush(): void {
    const taken = this.#port?.write(this.#unsent) ?? 0
    this.#unsent = this.#unsent.subarray(taken)
  }

  #received(chunk: Uint8Array): void {
    this.#lines.push(chunk)
    for (let line = this.#lines.next(); line.kind !== "none"; line = this.#lines.next()) {
      if (line.kind === "trouble") {
        this.#end(`it sent what is no spalloc reply (${line.trouble})`)
        this.close()
        return
      }
      const { value } = line
      if ("return" in value || "exception" in value) this.#answered(value)
      else {
        this.#notified = true
        this.#onNotification?.()
      }
    }
  }

  #answered(value: JsonObject): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting.resolve(value)
    // A refusal comes before anything was asked.
    else if ("exception" in value) this.#end(String(value.exception))
  }

  #end(detail: string, error?: SpallocClientError): void {
    const where = formatAddress(this.options.address)
    this.#ended ??= error ?? new SpallocClientError(`The connection to ${where} has ended: ${detail}`)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#ended)
    this.#onNotification?.()
  }
}
