/** A LUCIDAC that isn't there, of the protobuf generation: answers, runs, streams and fails like one. No sockets here. */
import type { TcpPort } from "../transport/tcp-port.ts"
import { ARM, armName } from "./arm.ts"
import {
  encodeError,
  encodePong,
  encodeSuccess,
  encodeUdpRefused,
  encodeV1,
  type Peeked,
  type V1Message,
} from "./envelope.ts"
import { FakeCircuit } from "./fake-circuit.ts"
import { FrameConnection } from "./fake-connection.ts"
import { MortalDevice } from "./fake-mortal.ts"
import { type Death, FAKE_BUFFER_BYTES, type FakeDeviceOptions, REBOOT_DELAY_MS } from "./fake-options.ts"
import { planRun, type RunPlan } from "./fake-run.ts"
import { RunQueue } from "./fake-run-queue.ts"
import { FakeUpdate } from "./fake-update.ts"
import { decodePayload, encodeMessage } from "./payload.ts"
import {
  ConfigCommandSchema,
  ExtractCommandSchema,
  ExtractResponseSchema,
  GetOverloadStatusResponseSchema,
  GetSystemIdentResponseSchema,
  ReadTemperatureResponseSchema,
  ResetCommandSchema,
  type RunState,
  RunStateChangeMessageSchema,
  StartRunCommandSchema,
  SyslogResponseSchema,
  SystemStatsResponseSchema,
  Temperature_Unit,
  Time_Prefix,
  UdpDataStreamingCommandSchema,
  UpdateCommandSchema,
  UpdateResponseSchema,
  WriteSystemIdentResponseSchema,
} from "./proto/lucidac_pb.ts"

/** Which request is which death. */
const DEATH_OF_REQUEST: ReadonlyMap<number, Death> = new Map<number, Death>([
  [ARM.extract, "extract"],
  [ARM.reset, "reset"],
  [ARM.config, "config"],
  [ARM.startRun, "start"],
])

/** The device. Give it connections; it takes any number, each with its own runs. */
export class FakeDevice extends MortalDevice<FrameConnection> {
  /** Datagrams that the system would not take. */
  lostDatagrams = 0
  /** Messages of samples sent, over all runs. */
  sentChunks = 0
  /** Elements in overload, and the sum of them; set it at will. */
  overloaded = false
  readonly #options: FakeDeviceOptions
  readonly #circuit: FakeCircuit
  readonly #runs: RunQueue<FrameConnection>
  readonly #update = new FakeUpdate()
  #refuse: Map<number, string>
  #ignore: Set<number>
  #failRuns: string | undefined

  constructor(options: FakeDeviceOptions) {
    super(options)
    this.#options = options
    this.#refuse = new Map(options.refuse)
    this.#ignore = new Set(options.ignore)
    this.#failRuns = options.failRuns
    this.#circuit = new FakeCircuit(options.macs, options.nested ?? options.macs.length > 1)
    this.#runs = new RunQueue(options.clock, {
      state: (owner, plan, change) => this.#onState(owner, plan, change),
      samples: (owner, body) => this.#onSamples(owner, body),
    })
  }

  override get macs(): readonly string[] {
    return this.#options.macs
  }

  /** Id of the run under way. */
  get runId(): string | undefined {
    return this.#runs.current
  }

  protected override connection(port: TcpPort, onClose: (client: FrameConnection) => void): FrameConnection {
    const { clock, endOfTurn } = this.#options
    const onMessage = (message: Peeked, from: FrameConnection) => this.#onMessage(from, message)
    return new FrameConnection({ port, clock, endOfTurn, onClose, onMessage })
  }

  protected override forget(): void {
    this.#runs.vanish()
    this.#circuit.clear()
  }

  /** From now on requests of this kind get an error with this text, or with undefined their answer again. */
  refuse(arm: number, text: string | undefined): void {
    if (text === undefined) this.#refuse.delete(arm)
    else this.#refuse.set(arm, text)
  }

  /** From now on requests of this kind get no answer, or with false their answer again. */
  ignore(arm: number, on = true): void {
    if (on) this.#ignore.add(arm)
    else this.#ignore.delete(arm)
  }

  /** Runs from now on end in ERROR with this text, or with undefined as they should. */
  failRuns(text: string | undefined): void {
    this.#failRuns = text
  }

  /** Ends the run under way in ERROR. */
  failRun(reason: string): void {
    this.#runs.fail(reason)
  }

  /** Says something that nobody asked for to every client. */
  broadcast(body: Uint8Array): void {
    for (const connection of this.connections) connection.send(body)
  }

  #onMessage(from: FrameConnection, message: Peeked): void {
    switch (message.kind) {
      case "ping":
        from.send(encodePong(this.#micros()))
        return
      case "pong":
      case "unknown":
        return
      case "v1":
        this.#onRequest(from, message)
    }
  }

  #onRequest(from: FrameConnection, message: V1Message): void {
    const { arm, id } = message
    this.noteRequest(armName(arm), from)
    if (this.diesAt(DEATH_OF_REQUEST.get(arm)) || this.#ignore.has(arm)) return
    const refusal = this.#refuse.get(arm)
    if (refusal !== undefined) from.send(encodeError(id, refusal))
    else from.send(this.#answer(from, message))
  }

  #answer(from: FrameConnection, message: V1Message): Uint8Array {
    const { arm, id, payload } = message
    switch (arm) {
      case ARM.ping:
        return encodePong(this.#micros())
      case ARM.auth:
      case ARM.standBy:
      case ARM.registerExternalEntities:
        return encodeSuccess(id)
      case ARM.reset: {
        const command = decodePayload(ResetCommandSchema, payload)
        if (!command) return malformed(message)
        if (command.circuitReset) this.#circuit.clear()
        if (command.overloadReset) this.overloaded = false
        return encodeV1(id, ARM.resetResponse)
      }
      case ARM.extract: {
        const command = decodePayload(ExtractCommandSchema, payload)
        if (!command) return malformed(message)
        const items = this.#circuit.extract(command)
        if (!items) return encodeError(id, `Entity not found: ${command.entity?.path}`)
        return encodeMessage(id, ARM.extractResponse, ExtractResponseSchema, { module: { items } })
      }
      case ARM.config: {
        const command = decodePayload(ConfigCommandSchema, payload)
        if (!command) return malformed(message)
        const unknown = this.#circuit.configure(command)
        return unknown === undefined
          ? encodeV1(id, ARM.configResponse)
          : encodeError(id, `Entity not found: ${unknown}`)
      }
      case ARM.startRun:
        return this.#startRun(from, message)
      case ARM.stopRun:
        this.#runs.stop()
        return encodeSuccess(id)
      case ARM.manualControl:
        return this.#runs.current === undefined ? encodeSuccess(id) : encodeError(id, "A run is under way")
      case ARM.udpDataStreaming:
        return this.#udp(from, message)
      case ARM.calibration:
        return encodeV1(id, ARM.calibrationResponse)
      case ARM.update: {
        const command = decodePayload(UpdateCommandSchema, payload)
        if (!command) return malformed(message)
        if (command.kind.case === "commit" && this.#update.whole) {
          this.#options.clock.after(REBOOT_DELAY_MS, () => this.reboot())
        }
        return encodeMessage(id, ARM.updateResponse, UpdateResponseSchema, { kind: this.#update.take(command) })
      }
      default:
        return this.#tell(message) ?? encodeError(id, `Unknown command: ${armName(arm)}`)
    }
  }

  /** What it says of itself. */
  #tell({ arm, id }: V1Message): Uint8Array | undefined {
    const mac = this.macs[0]!
    switch (arm) {
      case ARM.getOverloadStatus: {
        const element = { entity: { path: `/${mac}/0/M0` }, idx: 0, overload: true }
        const status = { globalOverload: this.overloaded, elements: this.overloaded ? [element] : [] }
        return encodeMessage(id, ARM.getOverloadStatusResponse, GetOverloadStatusResponseSchema, { status })
      }
      case ARM.getSystemIdent:
        return encodeMessage(id, ARM.getSystemIdentResponse, GetSystemIdentResponseSchema, {
          mac,
          fwBuild: { entries: { name: "spinnaker-relay fake" } },
          fwImage: { size: 0n, sha256sum: "0".repeat(64) },
        })
      case ARM.syslog:
        return encodeMessage(id, ARM.syslogResponse, SyslogResponseSchema, {
          isActive: true,
          maxSize: 1000n,
          entries: [`${mac} is up`],
        })
      case ARM.systemStats:
        return encodeMessage(id, ARM.systemStatsResponse, SystemStatsResponseSchema, {
          perfCounters: { totalNumberOfRuns: BigInt(this.#runs.finished) },
        })
      case ARM.readTemperature:
        return encodeMessage(id, ARM.readTemperatureResponse, ReadTemperatureResponseSchema, {
          dataset: {
            measurements: this.macs.map((each) => ({
              entity: { path: `/${each}` },
              temperature: { value: 31.5, unit: Temperature_Unit.CELSIUS },
            })),
          },
        })
      case ARM.readSystemIdent:
        return encodeV1(id, ARM.readSystemIdentResponse)
      case ARM.resetSystemIdent:
        return encodeV1(id, ARM.resetSystemIdentResponse)
      case ARM.writeSystemIdent:
        return encodeMessage(id, ARM.writeSystemIdentResponse, WriteSystemIdentResponseSchema, { valid: true })
      default:
        return undefined
    }
  }

  #startRun(from: FrameConnection, message: V1Message): Uint8Array {
    const { id, payload } = message
    const command = decodePayload(StartRunCommandSchema, payload)
    if (!command) return malformed(message)
    if (command.clearQueue) this.#runs.clear()
    if (command.endRepetitive) this.#runs.stop(false)
    const { rate, hangRuns = false } = this.#options
    const paths = this.macs.map((mac) => `/${mac}`)
    const plan = planRun(command, paths, { rate, failure: this.#failRuns, hangs: hangRuns })
    if (!this.#runs.add(from, plan)) return encodeError(id, "The queue of runs is full")
    return encodeV1(id, ARM.startRunResponse)
  }

  #udp(from: FrameConnection, message: V1Message): Uint8Array {
    const { id, payload } = message
    const port = decodePayload(UdpDataStreamingCommandSchema, payload)?.port ?? 0
    if (!this.#options.sendDatagram) return encodeUdpRefused(id, "This device sends no UDP")
    if (port < 1 || port > 65_535) return encodeUdpRefused(id, `No UDP port: ${port}`)
    from.udpPort = port
    return encodeSuccess(id)
  }

  #onState(
    owner: FrameConnection,
    plan: RunPlan,
    change: { from: RunState; to: RunState; timeUs: number; reason?: string },
  ) {
    const body = encodeMessage(undefined, ARM.runStateChange, RunStateChangeMessageSchema, {
      run: { id: plan.runId },
      old: change.from,
      new: change.to,
      time: { value: BigInt(change.timeUs), prefix: Time_Prefix.MICRO },
      ...(change.reason !== undefined && { reason: change.reason }),
    })
    if (owner.open) this.#send(owner, body, this.#options.statesOverTcp ?? false)
    this.diesIn(change.to)
  }

  /** False where the device's buffer has no room; samples of a client that has gone are nobody's. */
  #onSamples(owner: FrameConnection, body: Uint8Array): boolean {
    if (!owner.open) return true
    const limit = this.#options.bufferBytes ?? FAKE_BUFFER_BYTES
    if (owner.udpPort === undefined && owner.queuedBytes + body.length > limit) return false
    this.sentChunks++
    this.#send(owner, body, false)
    return true
  }

  #send(owner: FrameConnection, body: Uint8Array, overTcp: boolean): void {
    if (owner.udpPort === undefined || overTcp) owner.send(body)
    else if (!this.#options.sendDatagram?.(owner.host, owner.udpPort, body)) this.lostDatagrams++
  }

  #micros(): number {
    return Math.round(this.#options.clock.now() * 1000) >>> 0
  }
}

function malformed({ id, arm }: V1Message): Uint8Array {
  return encodeError(id, `Cannot read ${armName(arm)}`)
}
