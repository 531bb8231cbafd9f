/** One connection to a device of the older generation: requests with ids of our own, their replies, and what comes unasked. */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import type { Clock } from "../transport/clock.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import { DevicePort } from "./device-port.ts"
import { JsonDecoder, type JsonEnvelope, parseJsonEnvelope } from "./json-lines.ts"
import type { NoAnswer } from "./pending-requests.ts"

/** A reply, or why there is none. */
export type JsonDeviceReply = { readonly ok: true; readonly envelope: JsonEnvelope } | NoAnswer

/** What the owner of a link hears. */
export interface JsonDeviceLinkOwner {
  /** Something that answers nothing we asked; `object` is on loan. */
  onMessage(envelope: JsonEnvelope, object: Uint8Array): void
  /** The connection is over. Called once, after every request has had its reply. */
  onEnd(detail: string): void
}

/** The connection. */
export class JsonDeviceLink extends DevicePort<{ readonly ok: true; readonly envelope: JsonEnvelope }> {
  readonly #owner: JsonDeviceLinkOwner
  readonly #decoder = new JsonDecoder()

  constructor(port: PausablePort, clock: Clock, owner: JsonDeviceLinkOwner) {
    super(port, clock)
    this.#owner = owner
  }

  /** Sends these fields with a fresh id; `done` is called once. */
  request(
    fields: Readonly<Record<string, unknown>> & { readonly type: string },
    timeoutMs: number,
    done: (reply: JsonDeviceReply) => void,
  ): void {
    this.ask(fields.type, timeoutMs, done, (id) =>
      this.send((output) => output.append(encodeJsonLine({ ...fields, id }))),
    )
  }

  protected override read(chunk: Uint8Array): string | undefined {
    const error = this.#decoder.push(chunk, (object) => {
      this.#received(object)
      return !this.over
    })
    return error && `it sent a line of more than ${error.limit} bytes`
  }

  protected override ended(detail: string): void {
    this.#owner.onEnd(detail)
  }

  #received(object: Uint8Array): void {
    const envelope = parseJsonEnvelope(object)
    if (!envelope) return
    const done = this.requests.take(this.#keyOf(envelope))
    if (done) done({ ok: true, envelope })
    else this.#owner.onMessage(envelope, object)
  }

  /** Whose reply it is: its id's; for one without, as of some emulations, the oldest request's of its type. */
  #keyOf({ id, type, fields }: JsonEnvelope): string | undefined {
    if (typeof id === "string") return id
    return fields.code === undefined ? undefined : this.requests.oldest(type)
  }
}
