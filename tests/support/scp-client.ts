/** A SpiNNaker program's SCP connection as the captured ones behave: a window, a time-out, repeats of the same bytes. */
import { decodeScpReply, encodeScpRequest, type ScpReply, type ScpRequest } from "../../src/protocol/scp.ts"
import type { Clock, Timer } from "../../src/transport/clock.ts"
import type { Link } from "../../src/transport/link.ts"

/** A request but for its sequence number. */
export type Asked = Partial<Omit<ScpRequest, "sdp" | "sequence">> & { command: number; cpu?: number; port?: number }

/** How a program asks. Source: wire facts §6. */
export interface ClientTiming {
  timeoutMs: number
  tries: number
  window: number
}

/** rig: one request at a time, 5 tries of 0.5 s. */
export const RIG: ClientTiming = { timeoutMs: 500, tries: 5, window: 1 }
/** SpiNNMan: eight at a time, 11 tries of 1 s. */
export const SPINNMAN: ClientTiming = { timeoutMs: 1_000, tries: 11, window: 8 }
/** ybug: one at a time, 3 tries of 0.5 s. */
export const YBUG: ClientTiming = { timeoutMs: 500, tries: 3, window: 1 }

/** The datagram of `asked`, as all clients fill it in. */
export function requestBytes(asked: Asked, sequence: number): Uint8Array {
  const { command, arg1 = 0, arg2 = 0, arg3 = 0, data = new Uint8Array(0), cpu = 0, port = 0 } = asked
  const chips = { destX: 0, destY: 0, srcX: 0, srcY: 0 }
  const sdp = { flags: 0x87, tag: 255, destPort: port, destCpu: cpu, srcPort: 7, srcCpu: 31, ...chips }
  return encodeScpRequest({ sdp, command, sequence, arg1, arg2, arg3, data })
}

interface Outstanding {
  bytes: Uint8Array
  left: number
  timer: Timer
  sentAt: number
}

/** Asks everything that `next` gives, in order, as many at a time as its window allows. */
export class ScpClient {
  answered = 0
  failed = 0
  /** Replies that matched nothing: what ybug would take for the answer to something else. */
  stray = 0
  /** Time to the answer of each request, milliseconds. */
  readonly latencies: number[] = []
  onDone = (): void => {}
  readonly #outstanding = new Map<number, Outstanding>()
  #sequence: number
  #more = true

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly timing: ClientTiming,
    private readonly next: () => Asked | undefined,
    private readonly options: { firstSequence?: number; onReply?: (reply: ScpReply) => void } = {},
  ) {
    this.#sequence = options.firstSequence ?? 0
    link.onDatagram = (datagram) => this.#receive(datagram)
    link.onClose = () => {}
  }

  get done(): boolean {
    return !this.#more && this.#outstanding.size === 0
  }

  start(): this {
    while (this.#more && this.#outstanding.size < this.timing.window) {
      const asked = this.next()
      if (!asked) this.#more = false
      else this.#ask(asked)
    }
    if (this.done) this.onDone()
    return this
  }

  #ask(asked: Asked): void {
    while (this.#outstanding.has(this.#sequence)) this.#sequence = (this.#sequence + 1) & 0xffff
    const sequence = this.#sequence
    this.#sequence = (this.#sequence + 1) & 0xffff
    const bytes = requestBytes(asked, sequence)
    const timer = this.clock.after(this.timing.timeoutMs, () => this.#late(sequence))
    this.#outstanding.set(sequence, { bytes, left: this.timing.tries - 1, timer, sentAt: this.clock.now() })
    this.link.send(bytes)
  }

  #late(sequence: number): void {
    const waiting = this.#outstanding.get(sequence)
    if (!waiting) return
    if (waiting.left <= 0) {
      this.#outstanding.delete(sequence)
      this.failed++
      this.start()
      return
    }
    waiting.left--
    waiting.timer = this.clock.after(this.timing.timeoutMs, () => this.#late(sequence))
    this.link.send(waiting.bytes)
  }

  #receive(datagram: Uint8Array): void {
    const reply = decodeScpReply(datagram)
    const waiting = reply && this.#outstanding.get(reply.sequence)
    if (!reply || !waiting) {
      this.stray++
      return
    }
    waiting.timer.cancel()
    this.#outstanding.delete(reply.sequence)
    this.latencies.push(this.clock.now() - waiting.sentAt)
    this.answered++
    this.options.onReply?.(reply)
    this.start()
  }
}
