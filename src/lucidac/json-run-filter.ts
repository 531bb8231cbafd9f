/** Whose a device's broadcast is: run messages of the older protocol go to every client, whoever started the run. */
import type { JsonEnvelope } from "./json-lines.ts"

/** What devices say of runs without being asked. */
const RUN_TYPES: ReadonlySet<string> = new Set(["run_data", "run_state_change"])
/** Length that a run's id must have; a device replaces any other by one and the same placeholder. */
const RUN_ID_LENGTH = 36
/** Runs that one client's messages are kept apart for. */
const MAX_RUNS = 64

/** A repeated run says DONE each time, so only the DONE after it was stopped is its end. */
type RunPhase = "once" | "repeated" | "ended"

/** One run, and the devices that have not said that they are done. */
interface Run {
  phase: RunPhase
  readonly pending: Set<unknown>
}

/** The runs of one client. */
export class JsonRunFilter {
  /** Ids in the order in which they were started. */
  readonly #runs = new Map<string, Run>()
  readonly #newId: () => string

  /** `newId` makes ids of 36 characters, such as crypto.randomUUID. */
  constructor(newId: () => string) {
    this.#newId = newId
  }

  /** Ids of the runs that have not ended. */
  get active(): readonly string[] {
    return [...this.#runs].flatMap(([id, { phase }]) => (phase === "ended" ? [] : [id]))
  }

  /**
   * Takes note of a request on its way to `devices` (whatever tells them apart). Returns the fields to send instead where a run has no id of its
   * own: a placeholder's messages could be anybody's.
   */
  request(request: JsonEnvelope, devices: readonly unknown[]): Readonly<Record<string, unknown>> | undefined {
    const { type, msg } = request
    if (type === "stop_run" || (type === "start_run" && msg.end_repetitive === true)) this.#endRepeated()
    if (type !== "start_run") return undefined
    const phase = (msg.config as { repetitive?: unknown } | undefined)?.repetitive === true ? "repeated" : "once"
    if (typeof msg.id === "string" && msg.id.length === RUN_ID_LENGTH) {
      this.#add(msg.id, phase, devices)
      return undefined
    }
    const own = this.#newId()
    this.#add(own, phase, devices)
    return { ...request.fields, msg: { ...request.msg, id: own } }
  }

  /** The device refused to start the run of this request: nothing will come of it. */
  refused(request: JsonEnvelope): void {
    if (request.type === "start_run" && typeof request.msg.id === "string") this.#runs.delete(request.msg.id)
  }

  /**
   * Whether this client is to have a message of `device` that nobody asked for. Those of runs go to whoever started them, also after
   * their end, as the last samples may come behind it; the rest (the device's log) to everybody.
   */
  accepts(message: JsonEnvelope, device: unknown): boolean {
    if (!RUN_TYPES.has(message.type)) return true
    const { id, new: state } = message.msg
    const run = typeof id === "string" ? this.#runs.get(id) : undefined
    if (run === undefined) return false
    if (message.type !== "run_state_change") return true
    if (state === "DONE" && run.phase === "once") run.pending.delete(device)
    if (state === "ERROR" || run.pending.size === 0) run.phase = "ended"
    return true
  }

  #endRepeated(): void {
    for (const run of this.#runs.values()) if (run.phase === "repeated") run.phase = "once"
  }

  #add(id: string, phase: RunPhase, devices: readonly unknown[]): void {
    // The oldest that has ended, else the oldest.
    if (this.#runs.size >= MAX_RUNS) {
      const ended = [...this.#runs].find(([, each]) => each.phase === "ended")?.[0] ?? this.#runs.keys().next().value
      if (ended !== undefined) this.#runs.delete(ended)
    }
    this.#runs.set(id, { phase, pending: new Set(devices) })
  }
}
