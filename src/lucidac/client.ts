/** One client of the proxy: what it says is told apart, what it may say at once is answered, the rest waits or is passed on. */
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import { ARM, armName } from "./arm.ts"
import { AUTH_DEADLINE_MS, type AuthGuard, MAX_ATTEMPTS } from "./auth-guard.ts"
import { ClientConnection } from "./client-connection.ts"
import { encodeError, encodePong, encodeSuccess, encodeUdpRefused, peekEnvelope, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { FrameDecoder } from "./frame.ts"
import { decodePayload } from "./payload.ts"
import { AuthRequestSchema } from "./proto/lucidac_pb.ts"
import { isForDevices, WRITES, wantsCache } from "./requests.ts"
import { sniff } from "./sniff.ts"

/** What a client is made of. */
export interface ClientOptions {
  readonly id: number
  readonly port: PausablePort
  readonly clock: Clock
  readonly auth: AuthGuard | undefined
  readonly allowWrites: boolean
  /** Bytes that may wait for it. */
  readonly bufferBytes: number
  readonly onEvent: (event: ProxyEvent) => void
}

/** What the proxy hears of a client. */
export interface ClientOwner {
  /** It has shown the secret and wants a place; false where it was sent away. */
  enter(client: Client): boolean
  /** An extract that may be answered at once; false where it has to wait. */
  cached(client: Client, message: V1Message): boolean
  /** A request for the devices. */
  request(client: Client, message: V1Message): void
  traffic(client: Client): void
  progress(client: Client): void
  gone(client: Client, detail: string): void
}

/** Requests of one client under way at once; it is read no further until some are answered. */
const MAX_IN_FLIGHT = 64
/** Bytes of requests that are held for one client before it is read no further. */
const MAX_HELD_BYTES = 1 << 20
const MAX_HELD = 256

/** The client. */
export class Client {
  readonly id: number
  readonly connection: ClientConnection
  readonly #options: ClientOptions
  readonly #owner: ClientOwner
  readonly #decoder = new FrameDecoder()
  #authenticated: boolean
  #misses = 0
  #checking = false
  #authDeadline: Timer | undefined
  #language: "protobuf" | "json" | undefined
  #first: Uint8Array = new Uint8Array(0)
  #spoken = false
  #inFlight = 0
  #held: V1Message[] = []
  #heldBytes = 0
  #dismissed = false

  constructor(options: ClientOptions, owner: ClientOwner) {
    this.#options = options
    this.#owner = owner
    this.id = options.id
    this.#authenticated = options.auth === undefined
    this.connection = new ClientConnection(options.port, options.clock, {
      onBytes: (chunk) => this.#bytes(chunk),
      onProgress: () => this.#progress(),
      onGone: (detail) => {
        this.#authDeadline?.cancel()
        owner.gone(this, detail)
      },
    })
    if (this.#authenticated) return
    this.#authDeadline = options.clock.after(AUTH_DEADLINE_MS, () => {
      this.dismiss(`Authentication required: no token came in ${AUTH_DEADLINE_MS / 1000} s`)
      owner.gone(this, "it did not authenticate")
    })
  }

  get name(): string {
    return this.connection.name
  }

  /** A request is on its way to the devices. */
  begun(): void {
    this.#inFlight++
    this.#throttle()
  }

  /** It has had its answer. */
  answered(): void {
    this.#inFlight--
    this.#throttle()
  }

  /** Keeps a request until it is the client's turn. */
  hold(message: V1Message): void {
    this.#held.push(message)
    this.#heldBytes += message.body.length
    this.#throttle()
  }

  /** All held requests, in order, held no more. */
  takeHeld(): V1Message[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#throttle()
    return held
  }

  /** Held extracts that need no device, held no more. */
  takeCacheable(): V1Message[] {
    const cacheable = this.#held.filter((message) => message.arm === ARM.extract && wantsCache(message))
    if (cacheable.length > 0) {
      this.#held = this.#held.filter((message) => !cacheable.includes(message))
      for (const { body } of cacheable) this.#heldBytes -= body.length
      this.#throttle()
    }
    return cacheable
  }

  /** Tells it why, and parts. */
  dismiss(text: string): void {
    if (this.#dismissed) return
    this.#dismissed = true
    this.#authDeadline?.cancel()
    this.connection.send(encodeError(undefined, text))
    this.connection.finish()
  }

  #bytes(chunk: Uint8Array): void {
    switch (this.#language) {
      case undefined:
        this.#sniff(chunk)
        break
      case "protobuf":
        this.#frames(chunk)
        break
      case "json":
        break
    }
  }

  #sniff(chunk: Uint8Array): void {
    const bytes = this.#first.length === 0 ? chunk : Buffer.concat([this.#first, chunk])
    const language = sniff(bytes)
    if (language === "more") this.#first = bytes.slice()
    else if (language === "neither") this.#cutOff("its first bytes are of no language that is spoken here")
    else {
      this.#language = language
      this.#first = new Uint8Array(0)
      this.#bytes(bytes)
    }
  }

  #frames(chunk: Uint8Array): void {
    const error = this.#decoder.push(chunk, (body) => {
      this.#frame(body)
      return this.connection.open
    })
    if (!error) return
    this.#cutOff(
      error.code === "frame-too-long"
        ? `it announced a message of ${error.length} bytes: expected at most ${error.limit}`
        : "it sent no frame of this protocol",
    )
  }

  /** It speaks another language: a browser's request, say, must not get a second chance. */
  #cutOff(detail: string): void {
    this.#options.onEvent({ type: "client-refused", client: this.name, detail })
    this.#authDeadline?.cancel()
    this.connection.abort()
    this.#owner.gone(this, detail)
  }

  #frame(body: Uint8Array): void {
    const message = peekEnvelope(body)
    if (!message || (message.kind === "unknown" && !this.#spoken)) {
      if (!this.#spoken) this.#cutOff("its first message is none of this protocol")
      return
    }
    this.#spoken = true
    this.#owner.traffic(this)
    if (message.kind === "ping") this.connection.send(this.#pong())
    else if (message.kind === "v1") this.#message(message, body)
  }

  #pong(): Uint8Array {
    return encodePong(Math.floor(this.#options.clock.now() * 1000) % 2 ** 31)
  }

  #message(message: V1Message, body: Uint8Array): void {
    const { id, arm } = message
    if (arm === ARM.ping) {
      this.connection.send(this.#pong())
    } else if (arm === ARM.auth) this.#auth(message)
    else if (!this.#authenticated) this.connection.send(encodeError(id, "Authentication required"))
    else if (arm === ARM.udpDataStreaming) {
      this.connection.send(encodeUdpRefused(id, "The proxy sends samples by TCP"))
    } else if (WRITES.has(arm) && !this.#options.allowWrites) {
      this.#options.onEvent({ type: "refused-write", client: this.name, command: armName(arm) })
      const text = `Refused ${armName(arm)}: it changes the device for good; the proxy must be started with --allow-writes`
      this.connection.send(encodeError(id, text))
    } else if (!isForDevices(arm)) {
      this.connection.send(encodeError(id, `The proxy does not pass on ${armName(arm)}`))
    } else if (arm === ARM.extract && wantsCache(message) && this.#owner.cached(this, message)) {
      // Answered.
    } else {
      // What waits must not be a view of what was read.
      const kept = peekEnvelope(body.slice())
      if (kept?.kind === "v1") this.#owner.request(this, kept)
    }
  }

  #auth(message: V1Message): void {
    const { auth, clock, onEvent } = this.#options
    const token = decodePayload(AuthRequestSchema, message.payload)?.kind
    if (!auth || this.#authenticated) {
      this.connection.send(encodeSuccess(message.id))
      return
    }
    // Guesses in a row without waiting for the verdict are none.
    if (this.#checking) return
    const verdict = auth.check(this.connection.host, token?.case === "bearer" ? token.value.token : "", clock.now())
    if (verdict.ok) {
      this.#authDeadline?.cancel()
      this.#authenticated = true
      if (this.#owner.enter(this)) this.connection.send(encodeSuccess(message.id))
      return
    }
    onEvent({ type: "auth-failed", client: this.name })
    this.#misses++
    const last = this.#misses >= MAX_ATTEMPTS
    this.#checking = true
    clock.after(verdict.delayMs, () => {
      this.#checking = false
      if (!this.connection.open) return
      this.connection.send(encodeError(message.id, "Authentication failed"))
      if (last) {
        this.dismiss(`Authentication failed ${MAX_ATTEMPTS} times`)
        this.#owner.gone(this, "it did not know the secret")
      }
    })
  }

  #progress(): void {
    this.#owner.progress(this)
    this.#throttle()
  }

  #throttle(): void {
    const tooMuch = this.#inFlight >= MAX_IN_FLIGHT || this.#heldBytes > MAX_HELD_BYTES || this.#held.length >= MAX_HELD
    if (tooMuch || this.connection.backlog > this.#options.bufferBytes) this.connection.pause()
    else this.connection.resume()
  }
}
