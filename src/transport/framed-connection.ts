/** One TCP connection in the framing of Python's spinnaker_proxy: one stream of datagrams each way, no flows. */

import type { Drops } from "../observe/observer.ts"
import { encodeFrame, FrameDecoder, MAX_DATAGRAM } from "../protocol/frame.ts"
import type { Clock } from "./clock.ts"
import { Outbox } from "./outbox.ts"
import type { TcpPort } from "./tcp-port.ts"

/** What a connection needs from its owner. */
export interface FramedConnectionOptions {
  port: TcpPort
  peer: string
  clock: Clock
  drops: Drops
  /** How long a datagram may wait for the socket. */
  maxAgeMs: number
  onDatagram: (datagram: Uint8Array) => void
  /** The connection cannot be used further: the owner must drop it (the port is still open). */
  onDead: (detail: string) => void
}

/** Reads and writes frames; hand it every chunk. */
export class FramedConnection {
  readonly #options: FramedConnectionOptions
  readonly #decoder = new FrameDecoder()
  readonly #outbox: Outbox

  constructor(options: FramedConnectionOptions) {
    this.#options = options
    this.#outbox = new Outbox({
      write: (bytes) => options.port.write(bytes),
      onOverflow: () => options.onDead("it has stopped reading"),
      clock: options.clock,
      drops: options.drops,
      where: options.peer,
    })
  }

  /** Bytes of a frame that has not come whole. */
  get pendingBytes(): number {
    return this.#decoder.pendingBytes
  }

  /** Bytes waiting for the socket. */
  get queuedBytes(): number {
    return this.#outbox.bytes
  }

  send(datagram: Uint8Array): void {
    if (datagram.length > MAX_DATAGRAM) this.#options.drops.drop("oversize", this.#options.peer)
    else this.#outbox.push(encodeFrame(datagram), this.#options.maxAgeMs)
  }

  /** Bytes from the socket. */
  received(chunk: Uint8Array): void {
    const error = this.#decoder.push(chunk, this.#options.onDatagram)
    if (error) this.#options.onDead(`it announced a frame of ${error.length} bytes, the limit is ${error.limit}`)
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#outbox.drained()
  }

  /** Forgets what waits; the socket is the owner's to close. */
  close(): void {
    this.#outbox.close()
  }
}
