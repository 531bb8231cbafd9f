/** A client of the older protocol while it has the computer: its requests to the devices, and their runs to it. */

import { encodeJsonLine } from "../protocol/json-lines.ts"
import type { Backend } from "./backend.ts"
import type { ClientConnection } from "./client-connection.ts"
import { carrierOf } from "./entity-path.ts"
import type { ProxyEvent } from "./events.ts"
import { REQUEST_TIMEOUT_MS } from "./greet-device.ts"
import { HeldBackends } from "./held-backends.ts"
import type { JsonDeviceReply } from "./json-device-link.ts"
import { type JsonEnvelope, jsonError, jsonLine, jsonReply } from "./json-lines.ts"
import { JsonRunFilter } from "./json-run-filter.ts"
import { RUN_GRACE_MS } from "./run-watch.ts"

/** What a session needs. */
export interface JsonSessionOptions {
  readonly client: ClientConnection
  /** Those of the older generation that are there. */
  readonly backends: () => readonly Backend[]
  /** Bytes that may wait for the client now. */
  readonly bufferBytes: () => number
  readonly now: () => number
  readonly newRunId: () => string
  readonly onEvent: (event: ProxyEvent) => void
  /** Until when runs count as traffic; 0 while there is none. */
  readonly onBusy: (until: number) => void
}

/** The code of every error that is the proxy's own. */
export const PROXY_ERROR = -1
/** Types that concern the carrier in `msg.entity`. */
const BY_ENTITY: ReadonlySet<string> = new Set(["set_circuit", "get_circuit"])
/** Types that make the connection somebody's: it is not handed on. */
const PERSONAL: ReadonlySet<string> = new Set(["login", "lock_acquire"])

/** Types that change a device for good. */
export function isJsonWrite(type: string): boolean {
  return type === "net_set" || type === "net_reset" || type.startsWith("ota_update_") || /eeprom/i.test(type)
}

/** What all devices have, as one. */
export function mergedEntities(backends: readonly Backend[]): Record<string, unknown> {
  return Object.assign({}, ...backends.map(({ entities }) => entities))
}

/** The session. */
export class JsonSession {
  readonly #options: JsonSessionOptions
  readonly #filter: JsonRunFilter
  readonly #held: HeldBackends
  /** Runs that have been asked for and not been answered. */
  #starting = 0
  #early: Uint8Array[] = []
  #earlyBytes = 0
  #personal = false
  #failedRun: string | undefined
  #chunks = 0

  constructor(options: JsonSessionOptions) {
    this.#options = options
    this.#held = new HeldBackends(options)
    this.#filter = new JsonRunFilter(options.newRunId)
  }

  /** A run is under way. */
  get busy(): boolean {
    return this.#filter.active.length > 0
  }

  /** Somebody has logged in: the devices' connections must not be the next client's. */
  get personal(): boolean {
    return this.#personal
  }

  /** Sends a request where it belongs; `answered` is called once, when its reply has gone. */
  serve(request: JsonEnvelope, answered: () => void): void {
    const { client, backends } = this.#options
    const asked = this.#asked(request, backends())
    if (typeof asked === "string") {
      client.sendRaw(jsonError(request, PROXY_ERROR, asked))
      answered()
      return
    }
    if (PERSONAL.has(request.type)) this.#personal = true
    const fields = { ...(this.#filter.request(request, asked) ?? request.fields), type: request.type }
    if (request.type === "start_run") this.#begin(request)
    const replies: JsonDeviceReply[] = []
    let left = asked.length
    for (const [index, backend] of asked.entries()) {
      backend.requestJson(fields, REQUEST_TIMEOUT_MS, (reply) => {
        replies[index] = reply
        if (--left > 0) return
        client.sendRaw(this.#merged(request, asked, replies))
        if (request.type === "start_run")
          this.#begun({ ...request, fields, msg: msgOf(fields, request) }, asked, replies)
        answered()
      })
    }
  }

  /** What a device says unasked. */
  message(backend: Backend, envelope: JsonEnvelope, object: Uint8Array): boolean {
    if (!this.#filter.accepts(envelope, backend)) return false
    const { client, bufferBytes } = this.#options
    if (envelope.type === "run_data") this.#chunks++
    const line = jsonLine(object)
    if (this.#starting > 0) {
      this.#early.push(line)
      this.#earlyBytes += line.length
    } else client.gatherRaw(line)
    if (client.backlog + this.#earlyBytes > bufferBytes()) this.#held.hold(backend)
    if (envelope.type === "run_state_change") this.#state(backend, envelope)
    return true
  }

  /** A device is gone: if it was held back it is not any more. */
  withdrawn(backend: Backend): void {
    this.#held.forget(backend)
  }

  /** The client has read some: devices that were held back go on. */
  progress(): void {
    this.#held.progress(this.#options.client.backlog + this.#earlyBytes)
  }

  /** The client is gone: `done` once the devices have stopped its runs. */
  close(done: () => void): void {
    this.#held.release()
    const backends = this.#options.backends()
    if (!this.busy || backends.length === 0) {
      done()
      return
    }
    let left = backends.length
    for (const backend of backends) {
      // Runs that wait at the device for their turn begin as the one before them is stopped.
      for (let rest = this.#filter.active.length; rest > 1; rest--) stopRun(backend)
      stopRun(backend, () => {
        if (--left === 0) done()
      })
    }
  }

  #asked({ type, msg }: JsonEnvelope, backends: readonly Backend[]): readonly Backend[] | string {
    if (backends.length === 0) return "No device is connected"
    if (!BY_ENTITY.has(type) || backends.length === 1) return backends
    const [mac] = Array.isArray(msg.entity) ? msg.entity : []
    const carrier = typeof mac === "string" ? carrierOf(mac) : ""
    const backend = backends.find(({ carriers }) => carriers.includes(carrier))
    if (backend) return [backend]
    return `${type}: several devices are here; name one of ${backends.flatMap(({ carriers }) => carriers).join(", ")} in "entity"`
  }

  #merged(request: JsonEnvelope, asked: readonly Backend[], replies: readonly JsonDeviceReply[]): Uint8Array {
    // One device's words as they are, under the client's own id.
    const only = asked.length === 1 ? replies[0] : undefined
    if (only?.ok) {
      const { id: _ours, ...fields } = only.envelope.fields
      return encodeJsonLine({ ...(request.id !== undefined && { id: request.id }), ...fields })
    }
    const messages: unknown[] = []
    for (const [index, reply] of replies.entries()) {
      const { name } = asked[index]!
      if (!reply.ok) return jsonError(request, PROXY_ERROR, `${name}: ${reply.text}`)
      const { fields, msg } = reply.envelope
      const code = typeof fields.code === "number" ? fields.code : 0
      if (code === 0 && fields.error === undefined) messages.push(msg)
      else {
        const error = typeof fields.error === "string" ? fields.error : "error without a text"
        return jsonError(request, code || PROXY_ERROR, `${name}: ${error}`)
      }
    }
    const [first] = messages as Record<string, unknown>[]
    const alike = messages.every((msg) => JSON.stringify(msg) === JSON.stringify(first))
    if (alike) return jsonReply(request, first)
    // Several devices that say different things: each by its carrier.
    const byCarrier = asked.map(({ carriers, name }, index) => [carriers[0] ?? name, messages[index]])
    return jsonReply(request, Object.fromEntries(byCarrier))
  }

  #begin(request: JsonEnvelope): void {
    this.#starting++
    this.#failedRun = undefined
    const { client, onEvent, backends } = this.#options
    onEvent({ type: "run-begun", client: client.name, run: String(request.msg.id), devices: backends().length })
    this.#options.onBusy(this.#options.now() + durationMs(request.msg.config) + RUN_GRACE_MS)
  }

  #begun(request: JsonEnvelope, asked: readonly Backend[], replies: readonly JsonDeviceReply[]): void {
    this.#starting--
    const good = (reply: JsonDeviceReply): boolean =>
      reply.ok && !reply.envelope.fields.error && !reply.envelope.fields.code
    if (!replies.every(good)) {
      this.#filter.refused(request)
      this.#stop(asked.filter((_backend, index) => good(replies[index]!)))
      this.#options.onBusy(0)
    }
    if (this.#starting > 0) return
    for (const line of this.#early) this.#options.client.gatherRaw(line)
    this.#early = []
    this.#earlyBytes = 0
  }

  #state(backend: Backend, { msg }: JsonEnvelope): void {
    const { client, onEvent } = this.#options
    const run = String(msg.id)
    if (msg.new === "ERROR" && run !== this.#failedRun) {
      this.#failedRun = run
      this.#stop(this.#options.backends().filter((other) => other !== backend))
    }
    if (this.busy) return
    this.#options.onBusy(0)
    const how = String(msg.new).toLowerCase()
    onEvent({ type: "run-over", client: client.name, run, how, chunks: this.#chunks, lost: 0 })
    this.#chunks = 0
  }

  #stop(backends: readonly Backend[]): void {
    for (const backend of backends) stopRun(backend)
  }
}

/** Ends the run under way at once, a repeated one too. */
function stopRun(backend: Backend, done: () => void = () => {}): void {
  backend.requestJson({ type: "stop_run", msg: { end_repetitive: false } }, REQUEST_TIMEOUT_MS, () => done())
}

function msgOf(fields: Readonly<Record<string, unknown>>, request: JsonEnvelope): JsonEnvelope["msg"] {
  return (fields.msg as JsonEnvelope["msg"] | undefined) ?? request.msg
}

/** What a run's configuration says of its length, in milliseconds; the unit is in the name, nanoseconds without one. */
function durationMs(config: unknown): number {
  if (typeof config !== "object" || config === null) return 0
  let total = 0
  for (const phase of ["ic_time", "op_time"]) {
    for (const [suffix, scale] of [
      ["", 1e-6],
      ["_us", 1e-3],
      ["_ms", 1],
    ] as const) {
      const value = (config as Record<string, unknown>)[phase + suffix]
      if (typeof value === "number" && value > 0) total += value * scale
    }
  }
  return Math.min(total, 24 * 3_600_000)
}
