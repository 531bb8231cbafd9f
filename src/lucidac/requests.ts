/** A client's requests to several devices as if they were one: sent to whom they concern, answers merged. */
import { ARM, armName } from "./arm.ts"
import type { Backend } from "./backend.ts"
import { splitConfig, unroutableText } from "./config-split.ts"
import type { DeviceReply } from "./device-link.ts"
import { carrierOf } from "./entity-path.ts"
import { encodeError, encodeV1, type V1Message, withId, withPayload } from "./envelope.ts"
import { type ExtractWire, mergeExtract, relabel, sorted } from "./extract.ts"
import { complaint, moduleOf, REQUEST_TIMEOUT_MS } from "./greet-device.ts"
import { type BackendReply, mergeReplies } from "./merge-replies.ts"
import { decodePayload, encodeMessage, encodePayload } from "./payload.ts"
import {
  ConfigCommandSchema,
  ExtractCommandSchema,
  ExtractResponseSchema,
  type Module,
  UpdateCommandSchema,
  UpdateResponseSchema,
} from "./proto/lucidac_pb.ts"
import type { RouteTable } from "./route-table.ts"

/** The assembly as requests see it. */
export interface Assembly {
  readonly backends: readonly Backend[]
  readonly routes: RouteTable
  readonly wires: readonly ExtractWire[]
  /** Those of one generation that are there. */
  present(language: "protobuf" | "json"): Backend[]
}

/** The answer to one request: an envelope with the client's id. */
export type Answer = (body: Uint8Array) => void

/** An update's commit takes longer: the device writes its flash. */
const UPDATE_TIMEOUT_MS = 20_000
/** A device that has been told to write its new program has this long to come back. */
export const REBOOT_MS = 30_000

/** Requests that change a device for good. */
export const WRITES: ReadonlySet<number> = new Set<number>([ARM.resetSystemIdent, ARM.writeSystemIdent, ARM.update])

/** Requests that go to all devices as they are. */
const FOR_ALL: ReadonlySet<number> = new Set<number>([
  ARM.standBy,
  ARM.reset,
  ARM.startRun,
  ARM.stopRun,
  ARM.manualControl,
  ARM.registerExternalEntities,
  ARM.getSystemIdent,
  ARM.syslog,
  ARM.systemStats,
  ARM.readSystemIdent,
  ARM.resetSystemIdent,
  ARM.writeSystemIdent,
  ARM.readTemperature,
  ARM.getOverloadStatus,
  ARM.calibration,
  ARM.update,
])

/** Whether a request is one for the devices at all. */
export function isForDevices(arm: number): boolean {
  return FOR_ALL.has(arm) || arm === ARM.extract || arm === ARM.config
}

/** The empty-path specification of all devices that are there. */
export function cachedExtract({ backends, wires }: Assembly): Module {
  const modules = backends.flatMap(({ up, specification, location }) =>
    up && specification ? [{ module: specification, location }] : [],
  )
  return mergeExtract(modules, wires)
}

/** True for an extract that the cache answers: of everything, and of nothing that may have changed. */
export function wantsCache(message: V1Message): boolean {
  const command = decodePayload(ExtractCommandSchema, message.payload)
  return (
    command !== undefined &&
    carrierOf(command.entity?.path ?? "") === "" &&
    !command.configuration &&
    !command.calibration
  )
}

/** The answer out of the cache. */
export function answerFromCache(assembly: Assembly, message: V1Message): Uint8Array {
  return encodeMessage(message.id, ARM.extractResponse, ExtractResponseSchema, { module: cachedExtract(assembly) })
}

/** Sends a client's request where it belongs and calls `answer` once. */
export function serveRequest(assembly: Assembly, message: V1Message, answer: Answer): void {
  switch (message.arm) {
    case ARM.extract:
      serveExtract(assembly, message, answer)
      return
    case ARM.config:
      serveConfig(assembly, message, answer)
      return
    default:
      forAll(assembly, message, answer)
  }
}

/** What each of several devices answered. */
export function askMany(
  backends: readonly Backend[],
  encode: (backend: Backend, id: string) => Uint8Array,
  timeoutMs: number,
  done: (replies: readonly { readonly backend: Backend; readonly reply: DeviceReply }[]) => void,
): void {
  const replies: { backend: Backend; reply: DeviceReply }[] = []
  let left = backends.length
  if (left === 0) done([])
  for (const [index, backend] of backends.entries()) {
    backend.request(
      (id) => encode(backend, id),
      timeoutMs,
      (reply) => {
        replies[index] = { backend, reply }
        if (--left === 0) done(replies)
      },
    )
  }
}

function present({ backends }: Assembly): Backend[] {
  return backends.filter(({ up }) => up)
}

function timeoutOf(arm: number): number {
  return arm === ARM.update ? UPDATE_TIMEOUT_MS : REQUEST_TIMEOUT_MS
}

function forAll(assembly: Assembly, message: V1Message, answer: Answer): void {
  const backends = present(assembly)
  const commits = message.arm === ARM.update && isCommit(message)
  askMany(
    backends,
    (_backend, id) => withId(message, id),
    timeoutOf(message.arm),
    (replies) => {
      if (commits) markRebooting(replies)
      answer(merged(message, replies))
    },
  )
}

function merged(
  message: V1Message,
  replies: readonly { readonly backend: Backend; readonly reply: DeviceReply }[],
): Uint8Array {
  const answers: BackendReply[] = []
  for (const { backend, reply } of replies) {
    if (!reply.ok) return encodeError(message.id, `${armName(message.arm)}: ${backend.name}: ${reply.text}`)
    answers.push({ name: backend.name, message: reply.message })
  }
  if (answers.length === 0) return encodeError(message.id, "No device is connected")
  const result = mergeReplies(message.arm, answers)
  return result.ok ? encodeV1(message.id, result.arm, result.payload) : encodeError(message.id, result.text)
}

function serveConfig(assembly: Assembly, message: V1Message, answer: Answer): void {
  const command = decodePayload(ConfigCommandSchema, message.payload)
  if (!command) {
    answer(encodeError(message.id, "Cannot read the configuration"))
    return
  }
  const { backends, routes } = assembly
  const there = [...backends.keys()].filter((index) => backends[index]!.up)
  const split = splitConfig(command, routes, there)
  if (!split.ok) {
    answer(encodeError(message.id, unroutableText(split.unroutable)))
    return
  }
  if (split.parts.size === 0) {
    answer(encodeV1(message.id, ARM.configResponse))
    return
  }
  const parts = new Map([...split.parts].map(([index, part]) => [backends[index]!, part]))
  askMany(
    [...parts.keys()],
    (backend, id) => withPayload(message, encodePayload(ConfigCommandSchema, parts.get(backend)!), id),
    REQUEST_TIMEOUT_MS,
    (replies) => answer(merged(message, replies)),
  )
}

function serveExtract(assembly: Assembly, message: V1Message, answer: Answer): void {
  const path = decodePayload(ExtractCommandSchema, message.payload)?.entity?.path ?? ""
  const { backends, routes, wires } = assembly
  let asked = present(assembly)
  if (carrierOf(path) !== "") {
    const index = routes.backendOf(path)
    const backend = index === undefined ? undefined : backends[index]
    if (!backend?.up) {
      const why = backend ? `${backend.name} is not connected (${backend.trouble})` : "no carrier here has it"
      answer(encodeError(message.id, `Cannot extract ${JSON.stringify(path)}: ${why}`))
      return
    }
    asked = [backend]
  }
  askMany(
    asked,
    (_backend, id) => withId(message, id),
    REQUEST_TIMEOUT_MS,
    (replies) => {
      const modules: { module: Module; location: Backend["location"] }[] = []
      for (const { backend, reply } of replies) {
        const module = reply.ok ? moduleOf(reply.message) : undefined
        if (!module) {
          const why = reply.ok ? complaint(reply.message) : reply.text
          answer(encodeError(message.id, asked.length === 1 && reply.ok ? why : `${backend.name}: ${why}`))
          return
        }
        modules.push({ module, location: backend.location })
      }
      const [only] = modules
      const module =
        carrierOf(path) !== "" && only ? sorted(relabel(only.module, only.location)) : mergeExtract(modules, wires)
      answer(encodeMessage(message.id, ARM.extractResponse, ExtractResponseSchema, { module }))
    },
  )
}

function isCommit(message: V1Message): boolean {
  return decodePayload(UpdateCommandSchema, message.payload)?.kind.case === "commit"
}

/** Devices that have taken a new program go away and come back: that is no loss. */
function markRebooting(replies: readonly { readonly backend: Backend; readonly reply: DeviceReply }[]): void {
  for (const { backend, reply } of replies) {
    if (!reply.ok || reply.message.arm !== ARM.updateResponse) continue
    const said = decodePayload(UpdateResponseSchema, reply.message.payload)?.kind.case
    if (said === "success") backend.expectReboot(REBOOT_MS)
  }
}
