/** One control connection to a device: requests with ids of our own, their answers, and what comes unasked. */
import type { Clock } from "../transport/clock.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import { ARM } from "./arm.ts"
import { DevicePort } from "./device-port.ts"
import { encodePing, peekEnvelope, type V1Message } from "./envelope.ts"
import { FrameDecoder, MAX_FRAME_BODY, tooLong } from "./frame.ts"
import { isOurs, type NoAnswer } from "./pending-requests.ts"

/** An answer, or why there is none. */
export type DeviceReply = { readonly ok: true; readonly message: V1Message } | NoAnswer

/** What the owner of a link hears. */
export interface DeviceLinkOwner {
  /** A message that answers nothing we asked; its bytes are on loan. */
  onMessage(message: V1Message): void
  /** The connection is over. Called once, after every request has had its answer. */
  onEnd(detail: string): void
}

/** The connection. */
export class DeviceLink extends DevicePort<{ readonly ok: true; readonly message: V1Message }> {
  readonly #owner: DeviceLinkOwner
  readonly #decoder = new FrameDecoder()
  #pings: ((alive: boolean) => void)[] = []

  constructor(port: PausablePort, clock: Clock, owner: DeviceLinkOwner) {
    super(port, clock)
    this.#owner = owner
  }

  /** Sends the envelope that `encode` makes with a fresh id; `done` is called once. */
  request(encode: (id: string) => Uint8Array, timeoutMs: number, done: (reply: DeviceReply) => void): void {
    this.ask("", timeoutMs, done, (id) => {
      const body = encode(id)
      if (body.length <= MAX_FRAME_BODY) this.send((output) => output.frame(body))
      else this.requests.take(id)?.({ ok: false, text: tooLong(body.length) })
    })
  }

  /** Asks for a sign of life; the answer has no id, so any sign is one. */
  ping(heard: (alive: boolean) => void, timeoutMs: number): void {
    const asked = this.clock.now()
    const timer = this.clock.after(timeoutMs, () => {
      this.#pings = this.#pings.filter((other) => other !== answered)
      heard(this.lastHeard > asked)
    })
    const answered = (alive: boolean): void => {
      timer.cancel()
      heard(alive)
    }
    this.#pings.push(answered)
    this.send((output) => output.frame(encodePing()))
  }

  protected override read(chunk: Uint8Array): string | undefined {
    const error = this.#decoder.push(chunk, (body) => {
      this.#received(body)
      return !this.over
    })
    if (!error) return undefined
    return error.code === "frame-too-long" ? `it announced a message of ${error.length} bytes` : "it sent no frame"
  }

  protected override ended(detail: string): void {
    for (const answered of this.#pings.splice(0)) answered(false)
    this.#owner.onEnd(detail)
  }

  #received(body: Uint8Array): void {
    const message = peekEnvelope(body)
    if (message?.kind === "pong") this.#pings.shift()?.(true)
    if (message?.kind !== "v1") return
    const done = this.requests.take(message.id)
    if (!done) {
      // An error after its time is nobody's; runs are told apart by their own ids.
      if (message.arm !== ARM.error || !isOurs(message.id)) this.#owner.onMessage(message)
      return
    }
    // An answer may wait for others': it must not be a view of what was read.
    const copy = peekEnvelope(body.slice())
    if (copy?.kind === "v1") done({ ok: true, message: copy })
  }
}
