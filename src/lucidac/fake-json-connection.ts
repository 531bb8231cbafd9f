/** One client's connection to a fake device of the older generation. */
import { silentObserver } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import { Outbox } from "../transport/outbox.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { JsonDecoder, type JsonEnvelope, parseJsonEnvelope } from "./json-lines.ts"

/** A connection, with its own login. */
export class FakeJsonConnection implements TcpOwner {
  loggedIn = false
  readonly #options: {
    readonly port: TcpPort
    readonly onMessage: (message: JsonEnvelope) => void
    readonly onClose: () => void
  }
  readonly #decoder = new JsonDecoder()
  readonly #outbox: Outbox
  #closed = false

  constructor(options: {
    readonly port: TcpPort
    readonly clock: Clock
    readonly onMessage: (message: JsonEnvelope) => void
    readonly onClose: () => void
    readonly endOfTurn: ((run: () => void) => void) | undefined
  }) {
    this.#options = options
    const unlimited = Number.POSITIVE_INFINITY
    this.#outbox = new Outbox({
      write: (bytes) => options.port.write(bytes),
      onOverflow: () => {},
      clock: options.clock,
      drops: silentObserver,
      where: "",
      // The device looks at `queuedBytes` before it adds samples.
      limits: { frames: unlimited, bytes: unlimited },
      ...(options.endOfTurn && { endOfTurn: options.endOfTurn }),
    })
  }

  get host(): string {
    return this.#options.port.peer.host
  }

  /** Bytes that the client has not fetched. */
  get queuedBytes(): number {
    return this.#outbox.bytes
  }

  send(line: Uint8Array): void {
    this.#outbox.push(line)
  }

  onData(chunk: Uint8Array): void {
    const error = this.#decoder.push(chunk, (object) => {
      const message = parseJsonEnvelope(object)
      // Devices log what they cannot read, and answer nothing.
      if (message) this.#options.onMessage(message)
      return !this.#closed
    })
    if (error) this.close()
  }

  onDrain(): void {
    this.#outbox.drained()
  }

  onClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#outbox.close()
    this.#options.onClose()
  }

  /** Cuts the connection. */
  close(): void {
    if (this.#closed) return
    this.onClose()
    this.#options.port.abort()
  }
}
