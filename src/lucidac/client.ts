/** One client of the proxy: what it says is told apart, what it may say at once is answered, the rest waits or is passed on. */
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import { ARM, armName } from "./arm.ts"
import { AUTH_DEADLINE_MS, type AuthGuard, MAX_ATTEMPTS } from "./auth-guard.ts"
import { ClientConnection } from "./client-connection.ts"
import { encodeError, encodePong, encodeSuccess, encodeUdpRefused, peekEnvelope, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { FrameDecoder } from "./frame.ts"
import {
  encodeJsonLine,
  JsonDecoder,
  type JsonEnvelope,
  jsonError,
  jsonReply,
  parseJsonEnvelope,
} from "./json-lines.ts"
import { isJsonWrite, PROXY_ERROR } from "./json-session.ts"
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

/** Something that a client wants of the devices, in its language. */
export type Request =
  | { readonly language: "protobuf"; readonly message: V1Message; readonly bytes: number }
  | { readonly language: "json"; readonly envelope: JsonEnvelope; readonly bytes: number }

/** What the proxy hears of a client. */
export interface ClientOwner {
  /** It has shown the secret and wants a place; false where it was sent away. */
  enter(client: Client): boolean
  /** What may be answered at once; false where it has to wait. */
  cached(client: Client, request: Request): boolean
  /** A request for the devices. */
  request(client: Client, request: Request): void
  traffic(client: Client): void
  progress(client: Client): void
  gone(client: Client, detail: string): void
}

/** A client that is sent away before it has said a word is given so long to show its language. */
const SNIFF_MS = 200
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
  readonly #jsonDecoder = new JsonDecoder()
  #authenticated: boolean
  #misses = 0
  #checking = false
  #deadline: Timer | undefined
  #language: "protobuf" | "json" | undefined
  #first: Uint8Array = new Uint8Array(0)
  #spoken = false
  #inFlight = 0
  #held: Request[] = []
  #heldBytes = 0
  /** Why it is being sent away. */
  #farewell: string | undefined

  constructor(options: ClientOptions, owner: ClientOwner) {
    this.#options = options
    this.#owner = owner
    this.id = options.id
    this.#authenticated = options.auth === undefined
    this.connection = new ClientConnection(options.port, options.clock, {
      onBytes: (chunk) => this.#bytes(chunk),
      onProgress: () => this.#progress(),
      onGone: (detail) => {
        this.#deadline?.cancel()
        owner.gone(this, detail)
      },
    })
    if (this.#authenticated) return
    this.#deadline = options.clock.after(AUTH_DEADLINE_MS, () => {
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
  hold(request: Request): void {
    this.#held.push(request)
    this.#heldBytes += request.bytes
    this.#throttle()
  }

  /** All held requests, in order, held no more. */
  takeHeld(): Request[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#throttle()
    return held
  }

  /** Held requests that need no device, held no more. */
  takeCacheable(): Request[] {
    const cacheable = this.#held.filter(isCacheable)
    if (cacheable.length > 0) {
      this.#held = this.#held.filter((request) => !cacheable.includes(request))
      for (const { bytes } of cacheable) this.#heldBytes -= bytes
      this.#throttle()
    }
    return cacheable
  }

  /** Says that a request cannot be served. */
  fail(request: Request, text: string): void {
    if (request.language === "protobuf") this.connection.send(encodeError(request.message.id, text))
    else this.connection.sendRaw(jsonError(request.envelope, PROXY_ERROR, text))
  }

  /** Says something that answers no request. */
  notify(text: string): void {
    if (this.#language === "json") {
      this.connection.sendRaw(encodeJsonLine({ type: "error", code: PROXY_ERROR, error: text }))
    } else this.connection.send(encodeError(undefined, text))
  }

  /** Tells it why, in its own language if it has shown one in time, and parts. */
  dismiss(text: string): void {
    if (this.#farewell !== undefined) return
    this.#farewell = text
    this.#deadline?.cancel()
    if (this.#language === undefined) this.#deadline = this.#options.clock.after(SNIFF_MS, () => this.#part())
    else this.#part()
  }

  #part(): void {
    this.#deadline?.cancel()
    this.notify(this.#farewell ?? "")
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
        this.#lines(chunk)
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
      if (this.#farewell === undefined) this.#bytes(bytes)
      else this.#part()
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

  #lines(chunk: Uint8Array): void {
    const error = this.#jsonDecoder.push(chunk, (object) => {
      const envelope = parseJsonEnvelope(object)
      if (envelope) this.#json(envelope, object.length)
      else if (!this.#spoken) this.#cutOff("its first line is no request")
      return this.connection.open
    })
    if (error) this.#cutOff(`it sent a line of more than ${error.limit} bytes`)
  }

  #json(envelope: JsonEnvelope, bytes: number): void {
    this.#spoken = true
    this.#owner.traffic(this)
    const request: Request = { language: "json", envelope, bytes }
    const { type } = envelope
    this.#options.onEvent({ type: "message", from: this.name, to: "the proxy", kind: type })
    if (!this.#authenticated) this.#jsonAuth(request, envelope)
    else if (type === "ping") {
      this.connection.sendRaw(jsonReply(envelope, { micros: Math.floor(this.#options.clock.now() * 1000) }))
    } else if (isJsonWrite(type) && !this.#options.allowWrites) {
      this.#options.onEvent({ type: "refused-write", client: this.name, command: type })
      this.fail(request, refusalOf(type))
    } else if (!isCacheable(request) || !this.#owner.cached(this, request)) this.#owner.request(this, request)
  }

  /** Programs of this generation can send a password: the secret is one. */
  #jsonAuth(request: Request, { type, msg }: JsonEnvelope): void {
    if (type !== "login") {
      this.fail(request, "Authentication required: log in with the secret as the password")
      return
    }
    this.#checkSecret(typeof msg.password === "string" ? msg.password : "", {
      ok: () => this.connection.sendRaw(jsonReply((request as { envelope: JsonEnvelope }).envelope)),
      failed: () => this.fail(request, "Authentication failed"),
    })
  }

  /** It speaks another language: a browser's request, say, must not get a second chance. */
  #cutOff(detail: string): void {
    this.#options.onEvent({ type: "client-refused", client: this.name, detail })
    this.#deadline?.cancel()
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
    this.#options.onEvent({ type: "message", from: this.name, to: "the proxy", kind: armName(arm) })
    if (arm === ARM.ping) {
      this.connection.send(this.#pong())
    } else if (arm === ARM.auth) this.#auth(message)
    else if (!this.#authenticated) this.connection.send(encodeError(id, "Authentication required"))
    else if (arm === ARM.udpDataStreaming) {
      this.connection.send(encodeUdpRefused(id, "The proxy sends samples by TCP"))
    } else if (WRITES.has(arm) && !this.#options.allowWrites) {
      this.#options.onEvent({ type: "refused-write", client: this.name, command: armName(arm) })
      this.connection.send(encodeError(id, refusalOf(armName(arm))))
    } else if (!isForDevices(arm)) {
      this.connection.send(encodeError(id, `The proxy does not pass on ${armName(arm)}`))
    } else {
      // What waits must not be a view of what was read.
      const kept = peekEnvelope(body.slice())
      if (kept?.kind !== "v1") return
      const request: Request = { language: "protobuf", message: kept, bytes: body.length }
      if (!isCacheable(request) || !this.#owner.cached(this, request)) this.#owner.request(this, request)
    }
  }

  #auth(message: V1Message): void {
    const token = decodePayload(AuthRequestSchema, message.payload)?.kind
    this.#checkSecret(token?.case === "bearer" ? token.value.token : "", {
      ok: () => this.connection.send(encodeSuccess(message.id)),
      failed: () => this.connection.send(encodeError(message.id, "Authentication failed")),
    })
  }

  #checkSecret(token: string, say: { ok: () => void; failed: () => void }): void {
    const { auth, clock, onEvent } = this.#options
    if (!auth || this.#authenticated) {
      say.ok()
      return
    }
    // Guesses in a row without waiting for the verdict are none.
    if (this.#checking) return
    const verdict = auth.check(this.connection.host, token, clock.now())
    if (verdict.ok) {
      this.#deadline?.cancel()
      this.#authenticated = true
      if (this.#owner.enter(this)) say.ok()
      return
    }
    onEvent({ type: "auth-failed", client: this.name })
    this.#misses++
    const last = this.#misses >= MAX_ATTEMPTS
    this.#checking = true
    clock.after(verdict.delayMs, () => {
      this.#checking = false
      if (!this.connection.open) return
      say.failed()
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

/** Whether the proxy itself may know the answer. */
function isCacheable(request: Request): boolean {
  return request.language === "json"
    ? request.envelope.type === "get_entities"
    : request.message.arm === ARM.extract && wantsCache(request.message)
}

function refusalOf(command: string): string {
  return `Refused ${command}: it changes the device for good; the proxy must be started with --allow-writes`
}
