/** One client of the proxy: what it says is told apart, what it may say at once is answered, the rest waits or is passed on. */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import { ARM, armName } from "./arm.ts"
import type { AuthGuard } from "./auth-guard.ts"
import { ClientAuth } from "./client-auth.ts"
import { ClientConnection } from "./client-connection.ts"
import { ClientReader } from "./client-reader.ts"
import { encodeError, encodePong, encodeSuccess, encodeUdpRefused, peekEnvelope, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import { type JsonEnvelope, jsonError, jsonReply, parseJsonEnvelope } from "./json-lines.ts"
import { isJsonWrite, PROXY_ERROR } from "./json-session.ts"
import { decodePayload } from "./payload.ts"
import { AuthRequestSchema } from "./proto/lucidac_pb.ts"
import { isForDevices, WRITES, wantsCache } from "./requests.ts"

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
/** Requests of one client that are held, or under way, at once; it is read no further until some are answered. */
const MAX_REQUESTS = 64
/** Bytes of requests that are held for one client before it is read no further. */
const MAX_HELD_BYTES = 1 << 20
/** Bytes of answers that may wait for a client that has not got the computer before it is read no further. */
const MAX_REPLY_BYTES = 1 << 20

/** The client. */
export class Client {
  readonly id: number
  readonly connection: ClientConnection
  readonly #options: ClientOptions
  readonly #owner: ClientOwner
  readonly #reader: ClientReader
  readonly #auth: ClientAuth
  #spoken = false
  /** It is not read from for now. */
  #throttled = false
  #active = false
  #inFlight = 0
  #held: Request[] = []
  #heldBytes = 0
  /** Held requests are being served. */
  #serving = false
  /** Why it is being sent away. */
  #farewell: string | undefined
  #parting: Timer | undefined

  constructor(options: ClientOptions, owner: ClientOwner) {
    this.#options = options
    this.#owner = owner
    this.id = options.id
    this.#reader = new ClientReader({
      onLanguage: () => {
        if (this.#farewell !== undefined) this.#part()
      },
      onFrame: (body) => {
        this.#frame(body)
        this.#throttle()
      },
      onObject: (object) => {
        this.#object(object)
        this.#throttle()
      },
      onTrouble: (detail) => this.#cutOff(detail),
      ready: () => this.connection.open && !this.#throttled,
    })
    this.connection = new ClientConnection(options.port, options.clock, {
      onBytes: (chunk) => this.#reader.push(chunk),
      onProgress: () => {
        owner.progress(this)
        this.#throttle()
      },
      onGone: (detail) => this.#gone(detail),
    })
    this.#auth = new ClientAuth({
      guard: options.auth,
      host: this.connection.host,
      clock: options.clock,
      admit: () => owner.enter(this),
      onMiss: () => options.onEvent({ type: "auth-failed", client: this.name }),
      giveUp: (text, detail) => {
        this.dismiss(text)
        owner.gone(this, detail)
      },
    })
  }

  get name(): string {
    return this.connection.name
  }

  /** It has the computer: as much as its buffer holds may wait for it. */
  activate(): void {
    this.#active = true
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

  /** Gives up all held requests, in order, before anything that has come since is read. */
  serveHeld(serve: (request: Request) => void): void {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#serving = true
    for (const request of held) serve(request)
    this.#serving = false
    this.#throttle()
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
    if (this.#reader.language === "json") {
      this.connection.sendRaw(encodeJsonLine({ type: "error", code: PROXY_ERROR, error: text }))
    } else this.connection.send(encodeError(undefined, text))
  }

  /** Tells it why, in its own language if it has shown one in time, and parts. */
  dismiss(text: string): void {
    if (this.#farewell !== undefined) return
    this.#farewell = text
    this.#auth.close()
    if (this.#reader.language === undefined) {
      this.#parting = this.#options.clock.after(SNIFF_MS, () => this.#part())
    } else this.#part()
  }

  #part(): void {
    this.#parting?.cancel()
    this.notify(this.#farewell ?? "")
    this.#reader.close()
    this.connection.finish()
  }

  #gone(detail: string): void {
    this.#auth.close()
    this.#parting?.cancel()
    this.#reader.close()
    this.#owner.gone(this, detail)
  }

  /** It speaks another language: a browser's request, say, must not get a second chance. */
  #cutOff(detail: string): void {
    this.#options.onEvent({ type: "client-refused", client: this.name, detail })
    this.connection.abort()
    this.#gone(detail)
  }

  #object(object: Uint8Array): void {
    const envelope = parseJsonEnvelope(object)
    if (envelope) this.#json(envelope, object.length)
    else if (!this.#spoken) this.#cutOff("its first line is no request")
  }

  #json(envelope: JsonEnvelope, bytes: number): void {
    this.#spoken = true
    this.#owner.traffic(this)
    const request: Request = { language: "json", envelope, bytes }
    const { type } = envelope
    this.#options.onEvent({ type: "message", from: this.name, to: "the proxy", kind: type })
    if (!this.#auth.known) this.#jsonLogin(request, envelope)
    else if (type === "ping") {
      this.connection.sendRaw(jsonReply(envelope, { micros: Math.floor(this.#options.clock.now() * 1000) }))
    } else if (isJsonWrite(type) && !this.#options.allowWrites) {
      this.#options.onEvent({ type: "refused-write", client: this.name, command: type })
      this.fail(request, refusalOf(type))
    } else if (!isCacheable(request) || !this.#owner.cached(this, request)) this.#owner.request(this, request)
  }

  /** Programs of this generation can send a password: the secret is one. */
  #jsonLogin(request: Request, envelope: JsonEnvelope): void {
    const { type, msg } = envelope
    if (type !== "login") {
      this.fail(request, "Authentication required: log in with the secret as the password")
      return
    }
    this.#auth.check(typeof msg.password === "string" ? msg.password : "", {
      ok: () => this.connection.sendRaw(jsonReply(envelope)),
      failed: () => this.fail(request, "Authentication failed"),
    })
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
    } else if (arm === ARM.auth) this.#authenticate(message)
    else if (!this.#auth.known) this.connection.send(encodeError(id, "Authentication required"))
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

  #authenticate(message: V1Message): void {
    const token = decodePayload(AuthRequestSchema, message.payload)?.kind
    this.#auth.check(token?.case === "bearer" ? token.value.token : "", {
      ok: () => this.connection.send(encodeSuccess(message.id)),
      failed: () => this.connection.send(encodeError(message.id, "Authentication failed")),
    })
  }

  #throttle(): void {
    const backlogLimit = this.#active ? this.#options.bufferBytes : MAX_REPLY_BYTES
    this.#throttled =
      this.#serving ||
      this.#inFlight >= MAX_REQUESTS ||
      this.#held.length >= MAX_REQUESTS ||
      this.#heldBytes > MAX_HELD_BYTES ||
      this.connection.backlog > backlogLimit
    if (this.#throttled) this.connection.pause()
    else {
      this.connection.resume()
      this.#reader.read()
    }
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
