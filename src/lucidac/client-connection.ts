/** A client's bytes: what waits for it, and how it is parted from so that it hears the last word. */
import { formatAddress } from "../transport/address.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { encodeError, peekEnvelope } from "./envelope.ts"
import { MAX_FRAME_BODY, tooLong } from "./frame.ts"
import { OutputBuffer, SLAB_BYTES } from "./output-buffer.ts"

/** What the owner of a connection hears. */
export interface ClientOwner {
  onBytes(chunk: Uint8Array): void
  /** Some of what waited has gone. */
  onProgress(): void
  /** The client is gone; nothing comes after. */
  onGone(detail: string): void
}

/** Samples are gathered for this long, so that many go in one write. */
const GATHER_MS = 1
/**
 * A client that is sent away is parted from when it has taken nothing for so long: of a slow one the system says so only
 * once a good part of its own buffer is free ...
 */
export const LINGER_MS = 5_000
/** ... and after so long in any case. */
const MAX_LINGER_MS = 30_000

type State = "open" | "finishing" | "ended" | "gone"

/** The connection. */
export class ClientConnection implements TcpOwner {
  readonly name: string
  readonly host: string
  readonly #port: PausablePort
  readonly #clock: Clock
  readonly #output = new OutputBuffer()
  #owner: ClientOwner | undefined
  #state: State = "open"
  #gather: Timer | undefined
  #linger: Timer | undefined
  #lastWordBy = 0
  #paused = false
  /** The system took less than it was given: it will say when there is room. */
  #blocked = false

  constructor(port: PausablePort, clock: Clock, owner: ClientOwner) {
    this.#port = port
    this.#clock = clock
    this.#owner = owner
    this.name = formatAddress(port.peer)
    this.host = port.peer.host
  }

  /** Bytes that wait for the client to read. */
  get backlog(): number {
    return this.#output.bytes
  }

  get open(): boolean {
    return this.#state === "open"
  }

  /** It is over, and nothing waits any more. */
  get gone(): boolean {
    return this.#state === "gone"
  }

  /** Sends an envelope as a frame, at once. */
  send(body: Uint8Array): void {
    if (this.#state !== "open") return
    this.#output.frame(fitting(body))
    this.#flush()
  }

  /** Sends bytes as they are, at once. */
  sendRaw(bytes: Uint8Array): void {
    if (this.#state !== "open") return
    this.#output.append(bytes)
    this.#flush()
  }

  /** Sends an envelope as a frame within a millisecond, with others. */
  gather(body: Uint8Array): void {
    if (this.#state !== "open") return
    this.#output.frame(fitting(body))
    this.#flushSoon()
  }

  /** Sends bytes as they are within a millisecond, with others. */
  gatherRaw(bytes: Uint8Array): void {
    if (this.#state !== "open") return
    this.#output.append(bytes)
    this.#flushSoon()
  }

  /** Reads nothing more from the client for now. */
  pause(): void {
    if (this.#paused || this.#state !== "open") return
    this.#paused = true
    this.#port.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#port.resume()
  }

  /**
   * Lets the client have what waits, then closes. Closing at once would reset a connection on which the client has
   * sent something unread, and take the last word from it.
   */
  finish(): void {
    if (this.#state !== "open") return
    this.#state = "finishing"
    this.#owner = undefined
    this.resume()
    this.#lastWordBy = this.#clock.now() + MAX_LINGER_MS
    this.#await()
    this.#flush()
  }

  #await(): void {
    this.#linger?.cancel()
    this.#linger = this.#clock.after(Math.min(LINGER_MS, this.#lastWordBy - this.#clock.now()), () => this.abort())
  }

  /** Closes at once. */
  abort(): void {
    if (this.#state === "gone") return
    this.#port.abort()
    this.#gone()
  }

  onData(chunk: Uint8Array): void {
    if (this.#state === "open") this.#owner?.onBytes(chunk)
  }

  onDrain(): void {
    this.#blocked = false
    this.#flush()
  }

  onClose(detail: string): void {
    const owner = this.#owner
    this.#gone()
    owner?.onGone(detail)
  }

  #flushSoon(): void {
    if (this.#blocked) return
    if (this.#output.bytes >= SLAB_BYTES) this.#flush()
    else this.#gather ??= this.#clock.after(GATHER_MS, () => this.#flush())
  }

  #flush(): void {
    this.#gather?.cancel()
    this.#gather = undefined
    if (this.#blocked || this.#state === "gone" || this.#state === "ended") return
    const before = this.#output.bytes
    const empty = this.#output.drain((bytes) => this.#port.write(bytes))
    this.#blocked = !empty
    if (this.#output.bytes < before) {
      this.#owner?.onProgress()
      if (this.#state === "finishing") this.#await()
    }
    if (empty && this.#state === "finishing") {
      this.#state = "ended"
      this.#port.endSending()
    }
  }

  #gone(): void {
    this.#state = "gone"
    this.#owner = undefined
    this.#gather?.cancel()
    this.#linger?.cancel()
    this.#output.clear()
  }
}

/** An envelope, or the error that takes the place of one that no frame holds, as several devices' answers in one may be. */
function fitting(body: Uint8Array): Uint8Array {
  if (body.length <= MAX_FRAME_BODY) return body
  const message = peekEnvelope(body)
  return encodeError(message?.kind === "v1" ? message.id : undefined, `Cannot answer: ${tooLong(body.length)}`)
}
