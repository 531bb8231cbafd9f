/** One client's connection to a fake device: messages in, messages out. */
import { silentObserver } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import { Outbox } from "../transport/outbox.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { type Peeked, peekEnvelope } from "./envelope.ts"
import { encodeFrame, FrameDecoder } from "./frame.ts"
import { JsonDecoder, type JsonEnvelope, parseJsonEnvelope } from "./json-lines.ts"

/** Cuts a stream into messages; an error ends the connection. */
interface Decoder {
  push(chunk: Uint8Array, emit: (message: Uint8Array) => unknown): object | undefined
}

/** What a connection needs from its device. */
export interface FakeConnectionOptions<Message, Self> {
  readonly port: TcpPort
  readonly clock: Clock
  readonly onMessage: (message: Message, from: Self) => void
  readonly onClose: (self: Self) => void
  readonly endOfTurn: ((run: () => void) => void) | undefined
}

/** A connection of either generation. */
abstract class FakeConnection<Message, Self> implements TcpOwner {
  readonly #options: FakeConnectionOptions<Message, Self>
  readonly #outbox: Outbox
  #closed = false

  constructor(options: FakeConnectionOptions<Message, Self>) {
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

  protected abstract readonly decoder: Decoder
  /** What the bytes say; undefined where a device would not know either. */
  protected abstract parse(bytes: Uint8Array): Message | undefined
  protected abstract readonly self: Self

  get host(): string {
    return this.#options.port.peer.host
  }

  get open(): boolean {
    return !this.#closed
  }

  /** Bytes that the client has not fetched. */
  get queuedBytes(): number {
    return this.#outbox.bytes
  }

  /** Sends bytes as they are. */
  protected write(bytes: Uint8Array): void {
    this.#outbox.push(bytes)
  }

  onData(chunk: Uint8Array): void {
    const error = this.decoder.push(chunk, (bytes) => {
      const message = this.parse(bytes)
      // Devices ignore what they cannot read.
      if (message !== undefined) this.#options.onMessage(message, this.self)
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
    this.#options.onClose(this.self)
  }

  /** Cuts the connection. */
  close(): void {
    if (this.#closed) return
    this.onClose()
    this.#options.port.abort()
  }
}

/** A connection of the protobuf generation. */
export class FrameConnection extends FakeConnection<Peeked, FrameConnection> {
  /** Where the client wants samples by UDP. */
  udpPort: number | undefined
  protected override readonly decoder = new FrameDecoder()
  protected override readonly self = this

  protected override parse(bytes: Uint8Array): Peeked | undefined {
    return peekEnvelope(bytes)
  }

  /** Sends an envelope. */
  send(body: Uint8Array): void {
    this.write(encodeFrame(body))
  }
}

/** A connection of the older generation, with its own login. */
export class JsonConnection extends FakeConnection<JsonEnvelope, JsonConnection> {
  loggedIn = false
  protected override readonly decoder = new JsonDecoder()
  protected override readonly self = this

  protected override parse(bytes: Uint8Array): JsonEnvelope | undefined {
    return parseJsonEnvelope(bytes)
  }

  /** Sends a line. */
  send(line: Uint8Array): void {
    this.write(line)
  }
}
