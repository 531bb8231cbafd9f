/** One connection to a device of the older generation: requests with ids of our own, their replies, and what comes unasked. */
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { encodeJsonLine, JsonDecoder, type JsonEnvelope, parseJsonEnvelope } from "./json-lines.ts"
import { OutputBuffer } from "./output-buffer.ts"

/** A reply, or why there is none. */
export type JsonDeviceReply =
  | { readonly ok: true; readonly envelope: JsonEnvelope }
  | { readonly ok: false; readonly text: string; readonly timedOut?: true }

/** What the owner of a link hears. */
export interface JsonDeviceLinkOwner {
  /** Something that answers nothing we asked; `object` is on loan. */
  onMessage(envelope: JsonEnvelope, object: Uint8Array): void
  /** The connection is over. Called once, after every request has had its reply. */
  onEnd(detail: string): void
}

/** Bytes that may wait for a device that does not read. */
const MAX_OUTPUT = 4 << 20

interface Pending {
  readonly type: string
  readonly done: (reply: JsonDeviceReply) => void
  readonly timer: Timer
}

/** The connection. */
export class JsonDeviceLink implements TcpOwner {
  readonly #port: PausablePort
  readonly #clock: Clock
  readonly #owner: JsonDeviceLinkOwner
  readonly #decoder = new JsonDecoder()
  readonly #output = new OutputBuffer()
  readonly #pending = new Map<string, Pending>()
  #next = 1
  #over = false
  /** When the device last said anything. */
  lastHeard: number

  constructor(port: PausablePort, clock: Clock, owner: JsonDeviceLinkOwner) {
    this.#port = port
    this.#clock = clock
    this.#owner = owner
    this.lastHeard = clock.now()
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Sends these fields with a fresh id; `done` is called once. */
  request(
    fields: Readonly<Record<string, unknown>> & { readonly type: string },
    timeoutMs: number,
    done: (reply: JsonDeviceReply) => void,
  ): void {
    if (this.#over) {
      done({ ok: false, text: "not connected" })
      return
    }
    const id = `relay-${this.#next++}`
    const timer = this.#clock.after(timeoutMs, () => {
      this.#pending.delete(id)
      done({ ok: false, text: `no answer in ${timeoutMs / 1000} s`, timedOut: true })
    })
    this.#pending.set(id, { type: fields.type, done, timer })
    this.#output.append(encodeJsonLine({ ...fields, id }))
    this.#output.drain((bytes) => this.#port.write(bytes))
    if (this.#output.bytes > MAX_OUTPUT) this.close("it does not read what it is sent")
  }

  pause(): void {
    this.#port.pause()
  }

  resume(): void {
    this.#port.resume()
  }

  /** Ends the connection from here. */
  close(detail: string): void {
    if (this.#over) return
    this.#port.end()
    this.onClose(detail)
  }

  onData(chunk: Uint8Array): void {
    this.lastHeard = this.#clock.now()
    const error = this.#decoder.push(chunk, (object) => {
      this.#received(object)
      return !this.#over
    })
    if (!error) return
    this.#port.abort()
    this.onClose(`it sent a line of more than ${error.limit} bytes`)
  }

  onDrain(): void {
    this.#output.drain((bytes) => this.#port.write(bytes))
  }

  onClose(detail: string): void {
    if (this.#over) return
    this.#over = true
    this.#output.clear()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { done, timer } of pending) {
      timer.cancel()
      done({ ok: false, text: `connection lost (${detail})` })
    }
    this.#owner.onEnd(detail)
  }

  #received(object: Uint8Array): void {
    const envelope = parseJsonEnvelope(object)
    if (!envelope) return
    const key = this.#keyOf(envelope)
    const pending = key === undefined ? undefined : this.#pending.get(key)
    if (key === undefined || !pending) {
      this.#owner.onMessage(envelope, object)
      return
    }
    this.#pending.delete(key)
    pending.timer.cancel()
    pending.done({ ok: true, envelope })
  }

  /** Whose reply it is: its id's; for one without, as of some emulations, the oldest request's of its type. */
  #keyOf({ id, type, fields }: JsonEnvelope): string | undefined {
    if (typeof id === "string") return id
    if (fields.code === undefined) return undefined
    for (const [key, pending] of this.#pending) if (pending.type === type) return key
    return undefined
  }
}
