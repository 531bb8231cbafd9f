/** The connection to a device, whatever it speaks: what waits for it to read, when it was last heard, and one end. */
import type { Clock } from "../transport/clock.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { OutputBuffer } from "./output-buffer.ts"
import { type NoAnswer, PendingRequests } from "./pending-requests.ts"

/** Bytes that may wait for a device that does not read. */
const MAX_OUTPUT = 4 << 20

/** What both languages have in common. */
export abstract class DevicePort<Answer> implements TcpOwner {
  /** When the device last said anything; of a new connection, when it began. */
  lastHeard: number
  /** It has said anything at all. */
  spoken = false
  protected readonly clock: Clock
  protected readonly requests: PendingRequests<Answer>
  readonly #port: PausablePort
  readonly #output = new OutputBuffer()
  #over = false

  constructor(port: PausablePort, clock: Clock) {
    this.#port = port
    this.clock = clock
    this.requests = new PendingRequests(clock)
    this.lastHeard = clock.now()
  }

  /** The address that its datagrams come from. */
  get host(): string {
    return this.#port.peer.host
  }

  /** Requests that wait for their answer. */
  get pending(): number {
    return this.requests.size
  }

  get over(): boolean {
    return this.#over
  }

  /** Takes nothing from the device for now. */
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
    this.lastHeard = this.clock.now()
    this.spoken = true
    const wrong = this.read(chunk)
    if (wrong === undefined) return
    this.#port.abort()
    this.onClose(wrong)
  }

  onDrain(): void {
    this.#output.drain((bytes) => this.#port.write(bytes))
  }

  onClose(detail: string): void {
    if (this.#over) return
    this.#over = true
    this.#output.clear()
    this.requests.fail(`connection lost (${detail})`)
    this.ended(detail)
  }

  /** Reads what has come; the text of what is wrong with it, if the stream cannot be read further. */
  protected abstract read(chunk: Uint8Array): string | undefined

  /** The connection is over, every request has had its answer. */
  protected abstract ended(detail: string): void

  /** Asks: `send` gets the fresh id. */
  protected ask(
    about: string,
    timeoutMs: number,
    done: (answer: Answer | NoAnswer) => void,
    send: (id: string) => void,
  ): void {
    if (this.#over) done({ ok: false, text: "not connected" })
    else send(this.requests.add(about, timeoutMs, done))
  }

  /** Sends what `fill` puts into the buffer. */
  protected send(fill: (output: OutputBuffer) => void): void {
    if (this.#over) return
    fill(this.#output)
    this.onDrain()
    if (this.#output.bytes > MAX_OUTPUT) this.close("it does not read what it is sent")
  }
}
