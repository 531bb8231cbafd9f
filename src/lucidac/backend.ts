/** One device of the assembly: connected, asked what it is, watched, and connected again for as long as it takes. */
import { type Address, formatAddress } from "../transport/address.ts"
import { Backoff } from "../transport/backoff.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { DeviceLink, type DeviceReply } from "./device-link.ts"
import { carrierOf } from "./entity-path.ts"
import { peekDatagram, type V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import type { CarrierLocation } from "./extract.ts"
import {
  type DataChannel,
  type Greeted,
  greetDevice,
  greetJsonDevice,
  type OpenData,
  REQUEST_TIMEOUT_MS,
} from "./greet-device.ts"
import { JsonDeviceLink, type JsonDeviceReply } from "./json-device-link.ts"
import type { JsonEnvelope } from "./json-lines.ts"
import type { Module } from "./proto/lucidac_pb.ts"
import { carriersOf } from "./route-table.ts"

/** How devices are reached; the sockets are elsewhere. */
export interface DeviceNetwork {
  /** Connects; `failed` is called instead when that cannot be done. */
  dial(address: Address, ownerOf: (port: PausablePort) => TcpOwner, failed: (detail: string) => void): void
  /** Opens a UDP port for samples from `host`; undefined where there is none to be had. */
  openData(
    host: string,
    onDatagram: (datagram: Uint8Array, from: string) => void,
    opened: (channel: DataChannel | undefined) => void,
  ): void
}

/** Where a device is and how to treat it. */
export interface BackendOptions {
  readonly address: Address
  readonly location: CarrierLocation | undefined
  /** Never ask for samples by UDP. */
  readonly noUdp: boolean
  readonly clock: Clock
  readonly random: Random
  readonly network: DeviceNetwork
  readonly onEvent: (event: ProxyEvent) => void
  /** It is there, or gone. */
  readonly onChange: (backend: Backend, lost: string | undefined) => void
  /** It says something that nobody asked; the bytes are on loan. */
  readonly onMessage: (backend: Backend, message: V1Message) => void
  /** The same of a device of the older generation. */
  readonly onJson: (backend: Backend, envelope: JsonEnvelope, object: Uint8Array) => void
}

/** A device that says nothing in this time is asked in the other language; it gets twice the time each time. */
const LANGUAGE_MS = 2_000
/** Waits between two tries to connect. */
const RETRY = { firstMs: 250, capMs: 4_000 }
/** A device that has been silent for so long is asked whether it lives ... */
const PROBE_AFTER_MS = 2_000
/** ... and given up without an answer in this time, twice. */
const PROBE_TIMEOUT_MS = 3_000

type State =
  | { readonly kind: "down" }
  | { readonly kind: "connecting"; link: DeviceLink | JsonDeviceLink | undefined }
  | { readonly kind: "up"; readonly link: DeviceLink | JsonDeviceLink }
  | { readonly kind: "closed" }

/** The device. */
export class Backend {
  readonly name: string
  readonly location: CarrierLocation | undefined
  /** Empty until it has told. */
  specification: Module | undefined
  carriers: readonly string[] = []
  /** What a device of the older generation has, by its MACs. */
  entities: Readonly<Record<string, unknown>> = {}
  /** Why it is not there. */
  trouble = "not connected yet"
  #rebootingUntil = 0
  /** A run may keep it from answering probes. */
  busy = false
  readonly #options: BackendOptions
  readonly #backoff: Backoff
  #state: State = { kind: "down" }
  /** The language to try, or that it is known to speak. */
  #language: "protobuf" | "json" = "protobuf"
  /** How long its first answer may take while its language is not known; undefined once it is. */
  #languageMs: number | undefined = LANGUAGE_MS
  #data: DataChannel | undefined
  #timer: Timer | undefined
  #paused = false
  #probing = false
  #toldForeign = false
  /** Which connection things belong to. */
  #generation = 0

  constructor(options: BackendOptions) {
    this.#options = options
    this.name = formatAddress(options.address)
    this.location = options.location
    this.#backoff = new Backoff({ ...RETRY, random: options.random })
  }

  get up(): boolean {
    return this.#state.kind === "up"
  }

  /** What it speaks. */
  get language(): "protobuf" | "json" {
    return this.#language
  }

  /** How its samples come. */
  get carriesBy(): "udp" | "tcp" {
    return this.#data ? "udp" : "tcp"
  }

  /** It was told to start anew and has time to. */
  get rebooting(): boolean {
    return this.#options.clock.now() < this.#rebootingUntil
  }

  /** An update has been committed: that it goes away for a while is as it should be. */
  expectReboot(forMs: number): void {
    this.#rebootingUntil = this.#options.clock.now() + forMs
  }

  /** Begins, and goes on until `close`. */
  start(): void {
    this.#options.onEvent({ type: "connecting", device: this.name })
    this.#connect()
  }

  close(): void {
    const state = this.#state
    this.#state = { kind: "closed" }
    this.#timer?.cancel()
    this.#dropData()
    if (state.kind === "up" || state.kind === "connecting") state.link?.close("the proxy ends")
  }

  /** Asks the device; `done` is called once, at once if it is not there. */
  request(encode: (id: string) => Uint8Array, timeoutMs: number, done: (reply: DeviceReply) => void): void {
    const state = this.#state
    if (state.kind !== "up") done({ ok: false, text: `not connected (${this.trouble})` })
    else if (state.link instanceof DeviceLink) state.link.request(encode, timeoutMs, done)
    else done({ ok: false, text: "the device speaks the older protocol of JSON lines" })
  }

  /** The same of a device of the older generation. */
  requestJson(
    fields: Readonly<Record<string, unknown>> & { readonly type: string },
    timeoutMs: number,
    done: (reply: JsonDeviceReply) => void,
  ): void {
    const state = this.#state
    if (state.kind !== "up") done({ ok: false, text: `not connected (${this.trouble})` })
    else if (state.link instanceof JsonDeviceLink) state.link.request(fields, timeoutMs, done)
    else done({ ok: false, text: "the device speaks the newer protocol, protobuf" })
  }

  /** Connects anew, as to log out. */
  reconnect(why: string): void {
    if (this.#state.kind === "up") this.#state.link.close(why)
  }

  /** Takes nothing from it for now; its own buffer has to hold. Only what comes by TCP can be held back. */
  pause(): boolean {
    if (this.#paused || this.#data || this.#state.kind !== "up") return false
    this.#paused = true
    this.#state.link.pause()
    return true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#state.kind === "up") this.#state.link.resume()
  }

  #connect(): void {
    const { address, clock, network } = this.#options
    const generation = ++this.#generation
    const state: State = { kind: "connecting", link: undefined }
    this.#state = state
    const mine = (): boolean => generation === this.#generation && this.#state.kind !== "closed"
    const onEnd = (detail: string): void => {
      if (mine()) this.#ended(detail)
    }
    network.dial(
      address,
      (port) => {
        const link =
          this.#language === "protobuf"
            ? new DeviceLink(port, clock, { onMessage: (message) => this.#message(message), onEnd })
            : new JsonDeviceLink(port, clock, { onMessage: (envelope, object) => this.#json(envelope, object), onEnd })
        state.link = link
        if (mine()) this.#greet(link, mine)
        else link.close("too late")
        return link
      },
      onEnd,
    )
  }

  #greet(link: DeviceLink | JsonDeviceLink, mine: () => boolean): void {
    const timeoutMs = this.#languageMs ?? REQUEST_TIMEOUT_MS
    this.#dropData()
    if (link instanceof DeviceLink) {
      greetDevice(link, timeoutMs, this.#openData(link), (result) => {
        if (result.ok && mine()) {
          this.#data = result.data
          this.#greeted(link, result.module)
        } else if (result.ok) result.data?.close()
        else if (mine()) this.#failed(link, result)
      })
      return
    }
    greetJsonDevice(link, timeoutMs, (result) => {
      if (!mine()) return
      if (!result.ok) this.#failed(link, result)
      else {
        this.entities = result.entities
        this.#greeted(link, undefined)
      }
    })
  }

  #openData(link: DeviceLink): OpenData | undefined {
    if (this.#options.noUdp) return undefined
    const receive = (datagram: Uint8Array, from: string): void => {
      if (sameHost(from, link.host)) this.#datagram(datagram)
      else this.#foreign(from)
    }
    return (opened) => this.#options.network.openData(link.host, receive, opened)
  }

  /** One that says nothing may speak the other language: that is tried next. */
  #failed(link: DeviceLink | JsonDeviceLink, { detail, silent }: Extract<Greeted<object>, { ok: false }>): void {
    if (!silent) {
      link.close(detail)
      return
    }
    // Both languages have been tried for as long.
    if (this.#language === "json") {
      this.#languageMs = Math.min(2 * (this.#languageMs ?? LANGUAGE_MS / 2), REQUEST_TIMEOUT_MS)
    } else this.#languageMs ??= LANGUAGE_MS
    const [language, next] = this.#language === "protobuf" ? ["protobuf", "JSON lines"] : ["JSON lines", "protobuf"]
    this.#language = this.#language === "protobuf" ? "json" : "protobuf"
    if (this.#language === "json") this.#backoff.reset()
    link.close(`it does not answer in ${language}; ${next} next`)
  }

  #greeted(link: DeviceLink | JsonDeviceLink, module: Module | undefined): void {
    this.#languageMs = undefined
    this.specification = module
    this.carriers = module ? carriersOf(module).carriers : Object.keys(this.entities).map(carrierOf)
    this.#rebootingUntil = 0
    this.#paused = false
    this.#probing = false
    this.#state = { kind: "up", link }
    this.#backoff.reset()
    this.#options.onEvent({ type: "device-up", device: this.name, carriers: this.carriers, data: this.carriesBy })
    this.#watch(link)
    this.#options.onChange(this, undefined)
  }

  #ended(detail: string): void {
    const wasUp = this.#state.kind === "up"
    this.#state = { kind: "down" }
    this.#generation++
    this.trouble = detail
    this.#timer?.cancel()
    this.#dropData()
    const retryMs = this.#backoff.next()
    this.#timer = this.#options.clock.after(retryMs, () => this.#connect())
    this.#options.onEvent({ type: wasUp ? "device-lost" : "device-failed", device: this.name, detail, retryMs })
    if (wasUp) this.#options.onChange(this, detail)
  }

  #watch(link: DeviceLink | JsonDeviceLink): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(PROBE_AFTER_MS / 2, () => {
      if (this.#state.kind !== "up" || this.#state.link !== link) return
      this.#watch(link)
      const silentMs = this.#options.clock.now() - link.lastHeard
      // One that is held back, or at work on a request or a run, need not answer.
      if (silentMs < PROBE_AFTER_MS || this.#probing || this.#paused || this.busy || link.pending > 0) return
      this.#probing = true
      this.#probe(link, 2)
    })
  }

  #probe(link: DeviceLink | JsonDeviceLink, tries: number): void {
    const heard = (alive: boolean): void => {
      if (this.#state.kind !== "up" || this.#state.link !== link) return
      if (alive || this.busy || this.#paused) this.#probing = false
      else if (tries > 1) this.#probe(link, tries - 1)
      else link.close(`it did not answer a ping in ${(2 * PROBE_TIMEOUT_MS) / 1000} s`)
    }
    if (link instanceof DeviceLink) link.ping(heard, PROBE_TIMEOUT_MS)
    else link.request({ type: "ping", msg: {} }, PROBE_TIMEOUT_MS, ({ ok }) => heard(ok))
  }

  #message(message: V1Message): void {
    if (this.#state.kind === "up") this.#options.onMessage(this, message)
  }

  #json(envelope: JsonEnvelope, object: Uint8Array): void {
    if (this.#state.kind === "up") this.#options.onJson(this, envelope, object)
  }

  #datagram(datagram: Uint8Array): void {
    const message = peekDatagram(datagram)
    if (message?.kind === "v1") this.#message(message)
  }

  #foreign(from: string): void {
    if (this.#toldForeign) return
    this.#toldForeign = true
    this.#options.onEvent({ type: "foreign-datagram", device: this.name, from })
  }

  #dropData(): void {
    this.#data?.close()
    this.#data = undefined
  }
}

function sameHost(from: string, host: string): boolean {
  return from === host || from.split("%")[0] === host.split("%")[0]
}
