/** A LUCIDAC that isn't there, of the older generation: JSON lines, and runs told to every client. No sockets here. */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import type { TcpPort } from "../transport/tcp-port.ts"
import { JsonConnection } from "./fake-connection.ts"
import { FakeJsonCircuit } from "./fake-json-circuit.ts"
import { planJsonRun } from "./fake-json-run-plan.ts"
import { JsonSampleSource } from "./fake-json-samples.ts"
import { MortalDevice } from "./fake-mortal.ts"
import { type Death, FAKE_BUFFER_BYTES, type FakeDeviceOptions, REBOOT_DELAY_MS } from "./fake-options.ts"
import type { RunPlan } from "./fake-run.ts"
import { RunQueue } from "./fake-run-queue.ts"
import { type JsonEnvelope, jsonError, jsonReply } from "./json-lines.ts"
import { RunState } from "./proto/lucidac_pb.ts"

/** Options of such a device: as the other generation's where they make sense. */
export interface FakeJsonOptions
  extends Pick<
    FakeDeviceOptions,
    "clock" | "rate" | "bufferBytes" | "failRuns" | "hangRuns" | "onGone" | "onRequest" | "endOfTurn"
  > {
  readonly mac: string
  /** Types of request answered with an error (code 1), and its text. */
  readonly refuse?: ReadonlyMap<string, string>
  /** Types of request never answered. */
  readonly ignore?: ReadonlySet<string>
  readonly dieAt?: Death | undefined
  /** Who may log in; without it everybody may do everything. */
  readonly user?: { readonly name: string; readonly password: string }
}

/** What such a device says of a type that it does not know, and of one that needs a login. */
const UNKNOWN_TYPE = -10
const NOT_ALLOWED = -20
const REFUSED = 1
const LOGIN_WRONG_USER = 3101
const LOGIN_WRONG_PASSWORD = 3102
const LOCK_TAKEN = 3201
const START_RUN = 700
const SET_CIRCUIT = 400

/** Types that need no login. */
const OPEN_TYPES: ReadonlySet<string> = new Set([
  "ping",
  "help",
  "one_shot_daq",
  "manual_mode",
  "net_status",
  "login",
  "sys_ident",
])
const DEATH_OF_TYPE: ReadonlyMap<string, Death> = new Map<string, Death>([
  ["get_entities", "extract"],
  ["reset_circuit", "reset"],
  ["set_circuit", "config"],
  ["start_run", "start"],
])

/** The device. */
export class FakeJsonDevice extends MortalDevice<JsonConnection> {
  overloaded = false
  readonly #options: FakeJsonOptions
  readonly #circuit: FakeJsonCircuit
  readonly #runs: RunQueue<undefined>
  #lock: JsonConnection | undefined

  constructor(options: FakeJsonOptions) {
    super(options)
    this.#options = options
    this.#circuit = new FakeJsonCircuit(options.mac)
    this.#runs = new RunQueue(
      options.clock,
      {
        state: (_owner, plan, change) => this.#onState(plan, change),
        samples: (_owner, line) => this.#broadcastSamples(line),
      },
      (plan, path) => new JsonSampleSource(plan.runId, path, plan.channels),
    )
  }

  override get macs(): readonly string[] {
    return [this.#options.mac]
  }

  /** Id of the run under way. */
  get runId(): string | undefined {
    return this.#runs.current
  }

  protected override connection(port: TcpPort, onClose: (client: JsonConnection) => void): JsonConnection {
    const { clock, endOfTurn } = this.#options
    return new JsonConnection({
      port,
      clock,
      endOfTurn,
      onMessage: (message, from) => this.#onRequest(from, message),
      onClose: (gone) => {
        onClose(gone)
        if (this.#lock === gone) this.#lock = undefined
      },
    })
  }

  protected override forget(): void {
    this.#runs.vanish()
    this.#circuit.clear()
  }

  #onRequest(from: JsonConnection, request: JsonEnvelope): void {
    const { type } = request
    this.noteRequest(type, from)
    if (this.diesAt(DEATH_OF_TYPE.get(type)) || this.#options.ignore?.has(type)) return
    const refusal = this.#options.refuse?.get(type)
    if (refusal !== undefined) from.send(jsonError(request, REFUSED, refusal))
    else if (this.#options.user && !from.loggedIn && !OPEN_TYPES.has(type)) {
      from.send(jsonError(request, NOT_ALLOWED, "Not allowed: log in first"))
    } else from.send(this.#answer(from, request))
  }

  #answer(from: JsonConnection, request: JsonEnvelope): Uint8Array {
    const { msg, type } = request
    const { mac, clock } = this.#options
    switch (type) {
      case "ping":
        return jsonReply(request, { micros: Math.round(clock.now() * 1000) })
      case "help":
        return jsonReply(request, { human_readable_info: "spinnaker-relay fake", available_types: [] })
      case "get_entities":
        return jsonReply(request, { entities: this.#circuit.entities })
      case "set_circuit": {
        const problem = this.#circuit.configure(msg)
        return problem === undefined ? jsonReply(request) : jsonError(request, SET_CIRCUIT + 1, problem)
      }
      case "get_circuit":
        return jsonReply(request, { entity: [mac], config: this.#circuit.config })
      case "reset_circuit":
        this.#circuit.clear()
        return jsonReply(request)
      case "start_run":
        return this.#startRun(request)
      case "stop_run":
        this.#runs.stop(msg.end_repetitive !== true)
        return jsonReply(request)
      case "manual_mode":
        return this.#runs.current === undefined ? jsonReply(request) : jsonError(request, 901, "A run is under way")
      case "one_shot_daq":
        return jsonReply(request, { data: Array.from({ length: 8 }, () => 0) })
      case "overload_status":
        return jsonReply(request, { overload: this.overloaded })
      case "login":
        return this.#login(from, request)
      case "lock_acquire":
        if (this.#lock && this.#lock !== from) return jsonError(request, LOCK_TAKEN, "Somebody else has the lock")
        this.#lock = from
        return jsonReply(request)
      case "lock_release":
        if (this.#lock === from) this.#lock = undefined
        return jsonReply(request)
      case "sys_ident":
        return jsonReply(request, { serial: "0", mac, fw_build: { name: "spinnaker-relay fake" }, fw_image: {} })
      case "sys_reboot":
        clock.after(REBOOT_DELAY_MS, () => this.reboot())
        return jsonReply(request)
      case "net_get":
      case "net_status":
      case "net_set":
      case "net_reset":
      case "sys_log":
      case "sys_stats":
        return jsonReply(request)
      default:
        return jsonError(request, UNKNOWN_TYPE, `Unknown type: ${type}`)
    }
  }

  #login(from: JsonConnection, request: JsonEnvelope): Uint8Array {
    const { user } = this.#options
    if (user && request.msg.user !== user.name) return jsonError(request, LOGIN_WRONG_USER, "No such user")
    if (user && request.msg.password !== user.password)
      return jsonError(request, LOGIN_WRONG_PASSWORD, "Wrong password")
    from.loggedIn = true
    return jsonReply(request)
  }

  #startRun(request: JsonEnvelope): Uint8Array {
    const { mac, rate, failRuns, hangRuns = false } = this.#options
    if (request.msg.clear_queue === true) this.#runs.clear()
    if (request.msg.end_repetitive === true) this.#runs.stop(false)
    const plan = planJsonRun(request.msg, mac, { rate, failure: failRuns, hangs: hangRuns })
    if (typeof plan === "string") return jsonError(request, START_RUN + 1, plan)
    if (!this.#runs.add(undefined, plan)) return jsonError(request, START_RUN + 2, "The queue of runs is full")
    return jsonReply(request)
  }

  /** This generation tells of the last state only. */
  #onState(plan: RunPlan, { from, to, timeUs }: { from: RunState; to: RunState; timeUs: number }): void {
    // A repeated run is DONE at the end of each OP, which its last is too.
    const done = plan.repetitive && from !== RunState.IC ? to === RunState.OP_END : to === RunState.DONE
    if (done || to === RunState.ERROR) {
      const msg = { id: plan.runId, t: timeUs, old: RunState[from], new: done ? "DONE" : "ERROR" }
      this.#broadcast(encodeJsonLine({ type: "run_state_change", msg }))
    }
    this.diesIn(to)
  }

  /** False where somebody's share of the device's buffer is full. */
  #broadcastSamples(line: Uint8Array): boolean {
    const limit = this.#options.bufferBytes ?? FAKE_BUFFER_BYTES
    for (const { queuedBytes } of this.connections) if (queuedBytes + line.length > limit) return false
    this.#broadcast(line)
    return true
  }

  #broadcast(line: Uint8Array): void {
    for (const connection of this.connections) connection.send(line)
  }
}
