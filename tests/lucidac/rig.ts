/** Fake devices behind a proxy, and clients before it, on one fake clock. */

import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { AuthGuard } from "../../src/lucidac/auth-guard.ts"
import type { DeviceNetwork } from "../../src/lucidac/backend.ts"
import { encodePing, encodeV1, type Peeked, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import type { ProxyEvent } from "../../src/lucidac/events.ts"
import { FakeDevice } from "../../src/lucidac/fake-device.ts"
import { FakeJsonDevice, type FakeJsonOptions } from "../../src/lucidac/fake-json-device.ts"
import { type FakeDeviceOptions, fakeMac } from "../../src/lucidac/fake-options.ts"
import { encodeFrame, FrameDecoder } from "../../src/lucidac/frame.ts"
import { JsonDecoder } from "../../src/lucidac/json-lines.ts"
import { decodePayload, encodePayload } from "../../src/lucidac/payload.ts"
import {
  ErrorMessageSchema,
  ExtractCommandSchema,
  ExtractResponseSchema,
  type Module,
  RunState,
  RunStateChangeMessageSchema,
  StartRunCommandSchema,
  Time_Prefix,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { DeviceProxy, type ProxyOptions } from "../../src/lucidac/proxy.ts"
import { peekRunData, type RunHeader } from "../../src/lucidac/run-header.ts"
import { HOLD_MS } from "../../src/lucidac/session-queue.ts"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { type MemoryEnd, memoryWire } from "./memory-wire.ts"

/** What a test changes. */
export interface RigOptions {
  devices?: number
  device?: Partial<FakeDeviceOptions> | ((index: number) => Partial<FakeDeviceOptions>)
  proxy?: Partial<Omit<ProxyOptions, "auth">>
  secret?: string
  /** Devices stand at 0/0, 0/1 and so on. */
  located?: boolean
  /** So many devices of the older generation, behind the others. */
  jsonDevices?: number
  json?: Partial<FakeJsonOptions>
  udp?: boolean
  idleMs?: number
  maxSessions?: number
  maxHoldMs?: number
  /** Datagrams (counted from 0, over all devices) that get lost. */
  loses?: (datagram: number) => boolean
  /** Datagrams (counted likewise) that the network delivers when it likes; each comes in a moment otherwise. */
  carry?: (datagram: number, deliver: () => void) => void
}

/** What `host` a device has. */
const hostOf = (index: number): string => `10.0.0.${index + 1}`

export class Rig {
  readonly clock = new FakeClock()
  readonly devices: FakeDevice[] = []
  readonly jsonDevices: FakeJsonDevice[] = []
  readonly proxy: DeviceProxy
  readonly events: ProxyEvent[] = []
  /** The proxy's ends of its connections to devices, by index. */
  readonly ends: (MemoryEnd | undefined)[] = []
  readonly off = new Set<number>()
  datagrams = 0
  readonly #data = new Map<number, (datagram: Uint8Array, from: string) => void>()
  #nextPort = 50_000
  #nextClient = 1

  constructor(options: RigOptions = {}) {
    const { clock } = this
    const { devices = 1, udp = false } = options
    for (let index = 0; index < devices; index++) {
      const own = typeof options.device === "function" ? options.device(index) : options.device
      this.devices.push(
        new FakeDevice({
          clock,
          macs: [fakeMac(index)],
          endOfTurn: (run) => void clock.after(0, run),
          ...(udp && { sendDatagram: (_host, port, datagram) => this.#carry(index, port, datagram, options) }),
          ...own,
        }),
      )
    }
    for (let index = 0; index < (options.jsonDevices ?? 0); index++) {
      const mac = fakeMac(devices + index)
      this.jsonDevices.push(
        new FakeJsonDevice({ clock, mac, endOfTurn: (run) => void clock.after(0, run), ...options.json }),
      )
    }
    this.proxy = new DeviceProxy(
      {
        backends: [...this.devices, ...this.jsonDevices].map((_device, index) => ({
          address: { host: hostOf(index), port: 5732 },
          location: options.located ? { stack: 0, carrier: index } : undefined,
        })),
        wires: [],
        limits: {
          maxSessions: options.maxSessions ?? 8,
          idleMs: options.idleMs ?? 10_000,
          holdMs: HOLD_MS,
          maxHoldMs: options.maxHoldMs,
        },
        bufferBytes: 256 << 20,
        require: "all",
        auth: options.secret === undefined ? undefined : new AuthGuard(options.secret),
        allowWrites: false,
        noUdp: false,
        ...options.proxy,
      },
      { clock, random: seededRandom(1), network: this.#network(), onEvent: (event) => this.events.push(event) },
    )
    this.proxy.start()
    this.settle()
  }

  /** Lets everything happen that takes no time. */
  settle(): void {
    this.clock.advance(0)
  }

  /** A client that has connected. */
  client(host = "192.0.2.9"): RigClient {
    const [near, far] = memoryWire(this.clock, host, "relay")
    far.peer.port += this.#nextClient++
    const client = new RigClient(this, near)
    far.owner = this.proxy.accept(far)
    near.owner = client
    return client
  }

  /** A client of the older generation. */
  jsonClient(host = "192.0.2.9"): RigJsonClient {
    const [near, far] = memoryWire(this.clock, host, "relay")
    far.peer.port += this.#nextClient++
    const client = new RigJsonClient(this, near)
    far.owner = this.proxy.accept(far)
    near.owner = client
    return client
  }

  /** The device's connection ends, as when it is switched off; it stays off until `on`. */
  switchOff(index: number): void {
    this.off.add(index)
    this.devices[index]!.die()
    this.settle()
  }

  switchOn(index: number): void {
    this.off.delete(index)
    this.devices[index]!.revive()
  }

  /** A datagram that somebody sends to the proxy's data port of a device. */
  inject(index: number, datagram: Uint8Array, from = hostOf(index)): void {
    const port = [...this.#data.keys()][index]
    if (port !== undefined) this.#data.get(port)!(datagram, from)
  }

  #carry(index: number, port: number, datagram: Uint8Array, { loses, carry }: RigOptions): boolean {
    const number = this.datagrams++
    const receive = this.#data.get(port)
    if (!receive || loses?.(number)) return true
    const copy = datagram.slice()
    const deliver = (): void => receive(copy, hostOf(index))
    if (carry) carry(number, deliver)
    else this.clock.after(0, deliver)
    return true
  }

  #network(): DeviceNetwork {
    return {
      dial: (address, ownerOf, failed) => {
        const index = Number(address.host.split(".")[3]) - 1
        this.clock.after(0, () => {
          const device = [...this.devices, ...this.jsonDevices][index]
          if (!device || this.off.has(index)) {
            failed("it refuses the connection")
            return
          }
          const [near, far] = memoryWire(this.clock, "10.0.0.254", address.host)
          this.ends[index] = near
          far.owner = device.accept(far)
          near.owner = ownerOf(near)
        })
      },
      openData: (_host, onDatagram, opened) => {
        const port = this.#nextPort++
        this.#data.set(port, onDatagram)
        opened({ port, close: () => void this.#data.delete(port) })
      },
    }
  }
}

/** A program that uses the computer. */
export class RigClient {
  readonly told: Peeked[] = []
  gone = false
  #nextId = 1
  readonly #decoder = new FrameDecoder()

  constructor(
    private readonly rig: Rig,
    readonly end: MemoryEnd,
  ) {}

  onData(chunk: Uint8Array): void {
    this.#decoder.push(chunk, (body) => void this.told.push(peekEnvelope(body.slice())!))
  }

  onDrain(): void {}

  onClose(): void {
    this.gone = true
  }

  raw(bytes: Uint8Array): void {
    this.end.write(bytes)
    this.rig.settle()
  }

  leave(): void {
    this.end.end()
    this.rig.settle()
  }

  ping(): void {
    this.raw(encodeFrame(encodePing()))
  }

  /** Asks, and returns the id. */
  post(arm: number, payload: Uint8Array = new Uint8Array(0), id = `id${this.#nextId++}`): string {
    this.raw(encodeFrame(encodeV1(id, arm, payload)))
    return id
  }

  /** Asks; the answer, if there is one at once. */
  ask(arm: number, payload?: Uint8Array): V1Message | undefined {
    return this.answer(this.post(arm, payload))
  }

  request<Desc extends DescMessage>(arm: number, schema: Desc, init: MessageInitShape<Desc>): V1Message | undefined {
    return this.ask(arm, encodePayload(schema, init))
  }

  answer(id: string): V1Message | undefined {
    return this.v1.find((message) => message.id === id)
  }

  extract(path?: string): Module | undefined {
    const answer = this.request(ARM.extract, ExtractCommandSchema, {
      recursive: true,
      specification: true,
      ...(path !== undefined && { entity: { path } }),
    })
    return answer && decodePayload(ExtractResponseSchema, answer.payload)?.module
  }

  /** Starts a run of `opMs`; returns the answer's id. */
  start(run: string, opMs = 10, rate = 1000): string {
    return this.post(
      ARM.startRun,
      encodePayload(StartRunCommandSchema, {
        run: { id: run },
        runConfig: {
          icTime: { value: 100n, prefix: Time_Prefix.MICRO },
          opTime: { value: BigInt(opMs), prefix: Time_Prefix.MILLI },
          streaming: true,
        },
        daqConfig: { numChannels: 2, sampleRate: rate, sampleOp: true },
      }),
    )
  }

  get v1(): V1Message[] {
    return this.told.filter((message): message is V1Message => message.kind === "v1")
  }

  /** Kinds of what it was told, in order. */
  get kinds(): number[] {
    return this.v1.map(({ arm }) => arm)
  }

  all<Desc extends DescMessage>(arm: number, schema: Desc): MessageShape<Desc>[] {
    return this.v1.filter((message) => message.arm === arm).map(({ payload }) => decodePayload(schema, payload)!)
  }

  /** `OP of /MAC` for every state change, in order. */
  get states(): string[] {
    return this.all(ARM.runStateChange, RunStateChangeMessageSchema).map(
      (change) => `${RunState[change.new]} of ${change.entity?.path ?? ""}`,
    )
  }

  get chunks(): RunHeader[] {
    return this.v1.filter(({ arm }) => arm === ARM.runData).map(({ payload }) => peekRunData(payload)!)
  }

  /** Texts of errors that answer nothing. */
  get notices(): string[] {
    return this.v1.filter(({ arm, id }) => arm === ARM.error && id === undefined).map((message) => errorText(message))
  }
}

/** The text of an error. */
export function errorText(message: V1Message | undefined): string {
  if (message?.arm !== ARM.error) return ""
  return decodePayload(ErrorMessageSchema, message.payload)?.description ?? ""
}

/** One reply or message of the older protocol. */
export type JsonTold = {
  id?: unknown
  type: string
  code?: number
  error?: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like.
  msg?: any
}

/** A program of the older generation. */
export class RigJsonClient {
  readonly told: JsonTold[] = []
  gone = false
  #nextId = 1
  readonly #decoder = new JsonDecoder()

  constructor(
    private readonly rig: Rig,
    readonly end: MemoryEnd,
  ) {}

  onData(chunk: Uint8Array): void {
    this.#decoder.push(chunk, (object) => void this.told.push(JSON.parse(new TextDecoder().decode(object))))
  }

  onDrain(): void {}

  onClose(): void {
    this.gone = true
  }

  leave(): void {
    this.end.end()
    this.rig.settle()
  }

  /** Asks, and returns the id. */
  post(type: string, msg: Record<string, unknown> = {}): string {
    const id = `json-${this.#nextId++}`
    this.end.write(encodeJsonLine({ id, type, msg }))
    this.rig.settle()
    return id
  }

  ask(type: string, msg?: Record<string, unknown>): JsonTold | undefined {
    return this.answer(this.post(type, msg))
  }

  answer(id: string): JsonTold | undefined {
    return this.told.find((one) => one.id === id)
  }

  of(type: string): JsonTold[] {
    return this.told.filter((one) => one.type === type && one.id === undefined)
  }
}
