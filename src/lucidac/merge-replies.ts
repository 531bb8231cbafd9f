/** The answers of several devices to one request as one answer. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf"
import { ARM, armName } from "./arm.ts"
import type { V1Message } from "./envelope.ts"
import { decodePayload, encodePayload } from "./payload.ts"
import {
  ErrorMessageSchema,
  FirmwareBuildSchema,
  GetOverloadStatusResponseSchema,
  GetSystemIdentResponseSchema,
  OverloadStatusSchema,
  PerformanceCountersSchema,
  ReadTemperatureResponseSchema,
  SyslogResponseSchema,
  SystemStatsResponseSchema,
  TemperatureDatasetSchema,
  UpdateResponseSchema,
  WriteSystemIdentResponseSchema,
} from "./proto/lucidac_pb.ts"

/** What one backend answered. */
export interface BackendReply {
  /** The backend in words, `10.0.0.1:5732` or its carrier, for error texts. */
  readonly name: string
  readonly message: V1Message
}

/** The one answer, or why there is none. */
export type MergedReply =
  | { readonly ok: true; readonly arm: number; readonly payload: Uint8Array }
  | { readonly ok: false; readonly text: string }

/** Kinds of answer to each kind of request. What is not here is answered with `success`. */
const ANSWERS: ReadonlyMap<number, number> = new Map<number, number>([
  [ARM.reset, ARM.resetResponse],
  [ARM.extract, ARM.extractResponse],
  [ARM.config, ARM.configResponse],
  [ARM.startRun, ARM.startRunResponse],
  [ARM.getSystemIdent, ARM.getSystemIdentResponse],
  [ARM.syslog, ARM.syslogResponse],
  [ARM.systemStats, ARM.systemStatsResponse],
  [ARM.readSystemIdent, ARM.readSystemIdentResponse],
  [ARM.resetSystemIdent, ARM.resetSystemIdentResponse],
  [ARM.writeSystemIdent, ARM.writeSystemIdentResponse],
  [ARM.readTemperature, ARM.readTemperatureResponse],
  [ARM.getOverloadStatus, ARM.getOverloadStatusResponse],
  [ARM.calibration, ARM.calibrationResponse],
  [ARM.update, ARM.updateResponse],
])

/** The kind of answer that a request of kind `arm` gets. */
export function answerArm(arm: number): number {
  return ANSWERS.get(arm) ?? ARM.success
}

/** Kinds whose answers say nothing that differs from device to device: these get an empty one, as from a device. */
const EMPTY_ANSWERS: ReadonlySet<number> = new Set<number>([
  ARM.resetResponse,
  ARM.configResponse,
  ARM.startRunResponse,
  ARM.calibrationResponse,
])

/** Merges `replies` (at least one) to a request of kind `request`. The first error is everybody's. */
export function mergeReplies(request: number, replies: readonly BackendReply[]): MergedReply {
  for (const { name, message } of replies) {
    if (message.arm !== ARM.error) continue
    const said = decodePayload(ErrorMessageSchema, message.payload)?.description
    // A device says "failed: x" of an update in its own kind of answer, but an error only here.
    return { ok: false, text: replies.length === 1 && said ? said : `${name}: ${said || "error without a text"}` }
  }
  const first = replies[0]!
  const expected = answerArm(request)
  if (EMPTY_ANSWERS.has(expected) && replies.every(({ message }) => message.arm === expected)) {
    return { ok: true, arm: expected, payload: new Uint8Array(0) }
  }
  // A single device's answer goes through as it is, also one of a kind that came after this program.
  if (replies.length === 1 && request !== ARM.getOverloadStatus) {
    return { ok: true, arm: first.message.arm, payload: first.message.payload }
  }
  const odd = replies.find(({ message }) => message.arm !== first.message.arm)
  if (odd) {
    const kinds = `${armName(first.message.arm)} from ${first.name}, ${armName(odd.message.arm)} from ${odd.name}`
    return { ok: false, text: `The devices answer ${armName(request)} differently: ${kinds}` }
  }
  const merged = mergePayloads(first.message.arm, replies)
  if (merged) return { ok: true, arm: first.message.arm, payload: merged }
  return { ok: false, text: `Cannot read what ${replies.length} devices answer to ${armName(request)}` }
}

function mergePayloads(arm: number, replies: readonly BackendReply[]): Uint8Array | undefined {
  switch (arm) {
    case ARM.getOverloadStatusResponse:
      return merge(replies, GetOverloadStatusResponseSchema, (all) => {
        if (all.some(({ status }) => !status)) return undefined
        const globalOverload = all.some(({ status }) => status!.globalOverload)
        const elements = all.flatMap(({ status }) => status!.elements)
        return { status: create(OverloadStatusSchema, { globalOverload, elements }) }
      })
    case ARM.readTemperatureResponse:
      return merge(replies, ReadTemperatureResponseSchema, (all) => {
        const measurements = all.flatMap(({ dataset }) => dataset?.measurements ?? [])
        return { dataset: create(TemperatureDatasetSchema, { measurements }) }
      })
    case ARM.getSystemIdentResponse:
      return merge(replies, GetSystemIdentResponseSchema, (all) => {
        const entries: Record<string, string> = {}
        for (const { mac, fwBuild } of all) {
          for (const [key, value] of Object.entries(fwBuild?.entries ?? {})) entries[`${mac} ${key}`] = value
        }
        const [image] = all.map(({ fwImage }) => fwImage)
        const same = image && all.every(({ fwImage }) => fwImage?.sha256sum === image.sha256sum)
        const fwBuild = create(FirmwareBuildSchema, { entries })
        return { mac: all.map(({ mac }) => mac).join(","), fwBuild, ...(same && { fwImage: image }) }
      })
    case ARM.syslogResponse:
      return merge(replies, SyslogResponseSchema, (all) => ({
        isActive: all.some(({ isActive }) => isActive),
        maxSize: all.map(({ maxSize }) => maxSize).reduce((sum, size) => sum + size, 0n),
        entries: all.flatMap(({ entries }, index) => entries.map((entry) => `${replies[index]!.name}: ${entry}`)),
      }))
    case ARM.systemStatsResponse:
      return merge(replies, SystemStatsResponseSchema, (all) => {
        const sum = (of: "totalIcTimeUs" | "totalOpTimeUs" | "totalHaltTimeUs" | "totalNumberOfRuns") =>
          all.reduce((total, { perfCounters }) => total + (perfCounters?.[of] ?? 0n), 0n)
        return {
          perfCounters: create(PerformanceCountersSchema, {
            totalIcTimeUs: sum("totalIcTimeUs"),
            totalOpTimeUs: sum("totalOpTimeUs"),
            totalHaltTimeUs: sum("totalHaltTimeUs"),
            totalNumberOfRuns: sum("totalNumberOfRuns"),
          }),
        }
      })
    case ARM.writeSystemIdentResponse:
      return merge(replies, WriteSystemIdentResponseSchema, (all) => ({ valid: all.every(({ valid }) => valid) }))
    case ARM.updateResponse:
      return merge(replies, UpdateResponseSchema, mergeUpdate)
    case ARM.success:
    case ARM.readSystemIdentResponse:
    case ARM.resetSystemIdentResponse:
      return new Uint8Array(0)
    default:
      return undefined
  }
}

/** A failure is everybody's; the smallest chunk suits all; else all have succeeded. */
function mergeUpdate(
  all: readonly MessageShape<typeof UpdateResponseSchema>[],
): MessageInitShape<typeof UpdateResponseSchema> {
  let smallest: bigint | undefined
  for (const { kind } of all) {
    if (kind.case === "failure") return { kind }
    if (kind.case === "ack" && (smallest === undefined || kind.value.chunkSize < smallest))
      smallest = kind.value.chunkSize
  }
  if (smallest !== undefined) return { kind: { case: "ack", value: { chunkSize: smallest } } }
  return { kind: { case: "success", value: {} } }
}

function merge<Desc extends DescMessage>(
  replies: readonly BackendReply[],
  schema: Desc,
  combine: (all: MessageShape<Desc>[]) => MessageInitShape<Desc> | undefined,
): Uint8Array | undefined {
  const all: MessageShape<Desc>[] = []
  for (const { message } of replies) {
    const decoded = decodePayload(schema, message.payload)
    if (!decoded) return undefined
    all.push(decoded)
  }
  const combined = combine(all)
  return combined && encodePayload(schema, combined)
}
