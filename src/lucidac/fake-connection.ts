/** One client's connection to a fake device: frames in, frames out, and where its samples go. */
import { silentObserver } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import { Outbox } from "../transport/outbox.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { type Peeked, peekEnvelope } from "./envelope.ts"
import { encodeFrame, FrameDecoder } from "./frame.ts"

/** What a connection needs from its device. */
export interface FakeConnectionOptions {
  readonly port: TcpPort
  readonly clock: Clock
  readonly onMessage: (message: Peeked) => void
  readonly onClose: () => void
  readonly endOfTurn: ((run: () => void) => void) | undefined
}

/** A connection of the protobuf generation. */
export class FakeConnection implements TcpOwner {
  /** Where the client wants samples by UDP. */
  udpPort: number | undefined
  readonly #options: FakeConnectionOptions
  readonly #decoder = new FrameDecoder()
  readonly #outbox: Outbox
  #closed = false

  constructor(options: FakeConnectionOptions) {
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

  get open(): boolean {
    return !this.#closed
  }

  /** Bytes that the client has not fetched. */
  get queuedBytes(): number {
    return this.#outbox.bytes
  }

  send(body: Uint8Array): void {
    this.#outbox.push(encodeFrame(body))
  }

  onData(chunk: Uint8Array): void {
    const error = this.#decoder.push(chunk, (body) => {
      const message = peekEnvelope(body)
      // Devices ignore what they cannot read.
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
