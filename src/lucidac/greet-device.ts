/** The first words with a device: what it is, a clean start, and how its samples shall come. */
import { isJsonObject } from "../protocol/json-lines.ts"
import { ARM, armName } from "./arm.ts"
import type { DeviceLink } from "./device-link.ts"
import type { V1Message } from "./envelope.ts"
import type { JsonDeviceLink } from "./json-device-link.ts"
import { decodePayload, encodeMessage } from "./payload.ts"
import {
  ErrorMessageSchema,
  ExtractCommandSchema,
  ExtractResponseSchema,
  type Module,
  ResetCommandSchema,
  UdpDataStreamingCommandSchema,
} from "./proto/lucidac_pb.ts"

/** A device has this long for one request. */
export const REQUEST_TIMEOUT_MS = 10_000
const UDP_TIMEOUT_MS = 5_000

/** An open UDP port. */
export interface DataChannel {
  readonly port: number
  close(): void
}

/** Opens a UDP port for a device's samples; undefined where there is none to be had. */
export type OpenData = (opened: (channel: DataChannel | undefined) => void) => void

/** What was heard, or why it came to nothing; `silent` if the device was there and said nothing at all. */
export type Greeted<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly detail: string; readonly silent: boolean }

/**
 * Greets in the order that the reference keeps: extract, reset, samples by UDP (unless `openData` is undefined). The
 * first answer has `timeoutMs`. `done` is called once; a channel in it is the caller's.
 */
export function greetDevice(
  link: DeviceLink,
  timeoutMs: number,
  openData: OpenData | undefined,
  done: (result: Greeted<{ readonly module: Module; readonly data: DataChannel | undefined }>) => void,
): void {
  link.request(encodeExtract, timeoutMs, (reply) => {
    const module = reply.ok ? moduleOf(reply.message) : undefined
    if (!module) {
      const why = reply.ok ? complaint(reply.message) : reply.text
      const silent = !reply.ok && reply.timedOut === true && !link.spoken
      done({ ok: false, detail: `it does not tell what it is: ${why}`, silent })
      return
    }
    link.request(encodeReset, REQUEST_TIMEOUT_MS, (answer) => {
      if (!answer.ok) done({ ok: false, detail: `it cannot be reset: ${answer.text}`, silent: false })
      else if (!openData) done({ ok: true, module, data: undefined })
      else askForUdp(link, openData, (data) => done({ ok: true, module, data }))
    })
  })
}

/** Greets one of the older generation, which may tell what it has only to who has logged in. */
export function greetJsonDevice(
  link: JsonDeviceLink,
  timeoutMs: number,
  done: (result: Greeted<{ readonly entities: Readonly<Record<string, unknown>> }>) => void,
): void {
  link.request({ type: "ping", msg: {} }, timeoutMs, (reply) => {
    if (!reply.ok) {
      done({ ok: false, detail: `it does not answer: ${reply.text}`, silent: reply.timedOut === true })
      return
    }
    link.request({ type: "get_entities", msg: {} }, REQUEST_TIMEOUT_MS, (answer) => {
      const entities = answer.ok ? answer.envelope.msg.entities : undefined
      done({ ok: true, entities: isJsonObject(entities) ? entities : {} })
    })
  })
}

/** The reset that ends whatever a device was doing and keeps its calibration. */
export function encodeReset(id: string): Uint8Array {
  return encodeMessage(id, ARM.reset, ResetCommandSchema, { keepCalibration: true, sync: true })
}

/** The module of an extract's answer. */
export function moduleOf(message: V1Message): Module | undefined {
  if (message.arm !== ARM.extractResponse) return undefined
  return decodePayload(ExtractResponseSchema, message.payload)?.module
}

/** What a device says instead of what was asked. */
export function complaint(message: V1Message): string {
  if (message.arm !== ARM.error) return `it answered ${armName(message.arm)}`
  return decodePayload(ErrorMessageSchema, message.payload)?.description || "error without a text"
}

function encodeExtract(id: string): Uint8Array {
  return encodeMessage(id, ARM.extract, ExtractCommandSchema, { recursive: true, specification: true })
}

/** Refused, failed or unanswered: then samples come over TCP. */
function askForUdp(link: DeviceLink, openData: OpenData, next: (channel: DataChannel | undefined) => void): void {
  openData((channel) => {
    if (!channel) {
      next(undefined)
      return
    }
    const encode = (id: string) =>
      encodeMessage(id, ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: channel.port })
    link.request(encode, UDP_TIMEOUT_MS, (reply) => {
      if (reply.ok && reply.message.arm === ARM.success) {
        next(channel)
        return
      }
      channel.close()
      next(undefined)
    })
  })
}
