/** One control connection to a device: requests with ids of our own, their answers, and what comes unasked. */
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { encodePing, peekEnvelope, type V1Message } from "./envelope.ts"
import { FrameDecoder } from "./frame.ts"
import { OutputBuffer } from "./output-buffer.ts"

/** An answer, or why there is none. */
export type DeviceReply =
  | { readonly ok: true; readonly message: V1Message }
  | { readonly ok: false; readonly text: string; readonly timedOut?: true }

/** What the owner of a link hears. */
export interface DeviceLinkOwner {
  /** A message that answers nothing we asked; its bytes are on loan. */
  onMessage(message: V1Message): void
  /** The connection is over. Called once, after every request has had its answer. */
  onEnd(detail: string): void
}

/** Bytes that may wait for a device that does not read. */
const MAX_OUTPUT = 4 << 20

interface Pending {
  readonly done: (reply: DeviceReply) => void
  readonly timer: Timer
}

/** The connection. */
export class DeviceLink implements TcpOwner {
  readonly #port: PausablePort
  readonly #clock: Clock
  readonly #owner: DeviceLinkOwner
  readonly #decoder = new FrameDecoder()
  readonly #output = new OutputBuffer()
  readonly #pending = new Map<string, Pending>()
  #pings: ((alive: boolean) => void)[] = []
  #next = 1
  #over = false
  /** When the device last said anything. */
  lastHeard: number

  constructor(port: PausablePort, clock: Clock, owner: DeviceLinkOwner) {
    this.#port = port
    this.#clock = clock
    this.#owner = owner
    this.lastHeard = clock.now()
  }

  /** The address that its datagrams come from. */
  get host(): string {
    return this.#port.peer.host
  }

  /** It has said anything at all. */
  spoken = false

  /** Requests that wait for their answer. */
  get pending(): number {
    return this.#pending.size
  }

  /** Sends the envelope that `encode` makes with a fresh id; `done` is called once. */
  request(encode: (id: string) => Uint8Array, timeoutMs: number, done: (reply: DeviceReply) => void): void {
    if (this.#over) {
      done({ ok: false, text: "not connected" })
      return
    }
    const id = `relay-${this.#next++}`
    const timer = this.#clock.after(timeoutMs, () => {
      this.#pending.delete(id)
      done({ ok: false, text: `no answer in ${timeoutMs / 1000} s`, timedOut: true })
    })
    this.#pending.set(id, { done, timer })
    this.#send(encode(id))
  }

  /** Asks for a sign of life; the answer has no id, so any sign is one. */
  ping(heard: (alive: boolean) => void, timeoutMs: number): void {
    const asked = this.#clock.now()
    const timer = this.#clock.after(timeoutMs, () => {
      this.#pings = this.#pings.filter((other) => other !== answered)
      heard(this.lastHeard > asked)
    })
    const answered = (alive: boolean): void => {
      timer.cancel()
      heard(alive)
    }
    this.#pings.push(answered)
    this.#send(encodePing())
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
    this.spoken = true
    const error = this.#decoder.push(chunk, (body) => {
      this.#received(body)
      return !this.#over
    })
    if (error) {
      const detail =
        error.code === "frame-too-long" ? `it announced a message of ${error.length} bytes` : "it sent no frame"
      this.#port.abort()
      this.onClose(detail)
    }
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
    for (const answered of this.#pings.splice(0)) answered(false)
    this.#owner.onEnd(detail)
  }

  #received(body: Uint8Array): void {
    const message = peekEnvelope(body)
    if (!message) return
    if (message.kind === "pong") {
      this.#pings.shift()?.(true)
      return
    }
    if (message.kind !== "v1") return
    const pending = message.id === undefined ? undefined : this.#pending.get(message.id)
    if (!pending) {
      this.#owner.onMessage(message)
      return
    }
    this.#pending.delete(message.id!)
    pending.timer.cancel()
    // An answer may wait for others': it must not be a view of what was read.
    const copy = peekEnvelope(body.slice())
    if (copy?.kind === "v1") pending.done({ ok: true, message: copy })
  }

  #send(body: Uint8Array): void {
    if (this.#over) return
    this.#output.frame(body)
    this.#output.drain((bytes) => this.#port.write(bytes))
    if (this.#output.bytes > MAX_OUTPUT) this.close("it does not read what it is sent")
  }
}
