/** EIEIO commands: buffering, database notifications, start and stop. Little-endian. Source: SpiNNMan's messages/eieio/command_messages. */
import { decodeEieioData, EIEIO_COMMAND_BIT, type EieioData, encodeEieioData, isEieioCommand } from "./eieio.ts"

/** Command ids, the low 14 bits of the first word. */
export const EieioCommandId = {
  /** Where a host tool finds the database of keys; without a path, its acknowledgement. */
  database: 1,
  eventPadding: 2,
  eventStop: 3,
  stopSendingRequests: 4,
  startSendingRequests: 5,
  spinnakerRequestBuffers: 6,
  hostSendSequencedData: 7,
  spinnakerRequestReadData: 8,
  hostDataRead: 9,
  stopPauseNotification: 10,
  startResumeNotification: 11,
  hostDataReadAck: 12,
} as const

/** Most records in a read request or its answer: their count has three bits. */
export const EIEIO_MAX_READ_RECORDS = 7

/** The core that a buffering message is about. */
interface Core {
  readonly x: number
  readonly y: number
  /** 0..31. */
  readonly p: number
}

/** A stretch of a recording that the board offers; `address` and `length` in bytes. */
export interface EieioReadRecord {
  readonly channel: number
  readonly region: number
  readonly address: number
  readonly length: number
}

/** A stretch that the host has read. */
export interface EieioReadDone {
  readonly channel: number
  readonly region: number
  readonly bytesRead: number
}

/** Commands that are only an id, and what each is called here. */
const bareNames = {
  [EieioCommandId.eventPadding]: "eventPadding",
  [EieioCommandId.eventStop]: "eventStop",
  [EieioCommandId.stopSendingRequests]: "stopSendingRequests",
  [EieioCommandId.startSendingRequests]: "startSendingRequests",
  [EieioCommandId.stopPauseNotification]: "stopPauseNotification",
  [EieioCommandId.startResumeNotification]: "startResumeNotification",
} as const
type BareName = (typeof bareNames)[keyof typeof bareNames]

/** A command taken apart. */
export type EieioCommand =
  | { readonly kind: "command"; readonly name: BareName }
  /** `path` is empty in an acknowledgement. */
  | { readonly kind: "command"; readonly name: "database"; readonly path: string }
  | ({
      readonly kind: "command"
      readonly name: "spinnakerRequestBuffers"
      /** 0..15. */
      readonly region: number
      readonly sequence: number
      /** Free bytes. */
      readonly space: number
    } & Core)
  | {
      readonly kind: "command"
      readonly name: "hostSendSequencedData"
      readonly region: number
      readonly sequence: number
      readonly message: EieioData
    }
  | ({
      readonly kind: "command"
      readonly name: "spinnakerRequestReadData"
      readonly sequence: number
      readonly records: readonly EieioReadRecord[]
    } & Core)
  | {
      readonly kind: "command"
      readonly name: "hostDataRead"
      readonly sequence: number
      readonly records: readonly EieioReadDone[]
    }
  | { readonly kind: "command"; readonly name: "hostDataReadAck"; readonly sequence: number }
  /** An id that has no name. */
  | { readonly kind: "command"; readonly name: "unknown"; readonly id: number; readonly body: Uint8Array }

/** Any EIEIO message. */
export type EieioMessage = EieioData | EieioCommand

/** The message in a datagram; undefined where it is cut short. */
export function decodeEieio(bytes: Uint8Array): EieioMessage | undefined {
  const command = isEieioCommand(bytes)
  if (command === undefined) return undefined
  return command ? decodeEieioCommand(bytes) : decodeEieioData(bytes)
}

/** The bytes of `message`. Throws RangeError for more elements or records than their count can tell. */
export function encodeEieio(message: EieioMessage): Uint8Array {
  return message.kind === "data" ? encodeEieioData(message) : encodeEieioCommand(message)
}

/** The command in `bytes`; undefined for a data message and where it is cut short. */
export function decodeEieioCommand(bytes: Uint8Array): EieioCommand | undefined {
  if (isEieioCommand(bytes) !== true) return undefined
  const id = (bytes[0]! | (bytes[1]! << 8)) & 0x3fff
  const body = bytes.subarray(2)
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const kind = "command"
  switch (id) {
    case EieioCommandId.database:
      return { kind, name: "database", path: new TextDecoder().decode(body) }
    case EieioCommandId.eventPadding:
    case EieioCommandId.eventStop:
    case EieioCommandId.stopSendingRequests:
    case EieioCommandId.startSendingRequests:
    case EieioCommandId.stopPauseNotification:
    case EieioCommandId.startResumeNotification:
      return { kind, name: bareNames[id] }
    case EieioCommandId.spinnakerRequestBuffers: {
      if (body.length < 10) return undefined
      const region = body[4]! & 15
      return { kind, name: "spinnakerRequestBuffers", ...core(body), region, sequence: body[5]!, space: word(view, 6) }
    }
    case EieioCommandId.hostSendSequencedData: {
      const message = body.length < 2 ? undefined : decodeEieioData(body.subarray(2))
      return message && { kind, name: "hostSendSequencedData", region: body[0]!, sequence: body[1]!, message }
    }
    case EieioCommandId.spinnakerRequestReadData: {
      if (body.length < 4) return undefined
      const count = body[2]! & 7
      // The first record follows the sequence at once, all others have two pad bytes before them: 12 bytes apart.
      if (body.length < 4 + (count > 0 ? count * 12 - 2 : 0)) return undefined
      const records = Array.from({ length: count }, (_, record) => {
        const at = 4 + record * 12
        return { channel: body[at]!, region: body[at + 1]!, address: word(view, at + 2), length: word(view, at + 6) }
      })
      return { kind, name: "spinnakerRequestReadData", ...core(body), sequence: body[3]!, records }
    }
    case EieioCommandId.hostDataRead: {
      if (body.length < 2) return undefined
      const count = body[0]! & 7
      if (body.length < 2 + count * 8) return undefined
      const records = Array.from({ length: count }, (_, record) => {
        const at = 4 + record * 8
        return { channel: body[at]!, region: body[at + 1]!, bytesRead: word(view, at + 2) }
      })
      return { kind, name: "hostDataRead", sequence: body[1]!, records }
    }
    case EieioCommandId.hostDataReadAck:
      return body.length < 1 ? undefined : { kind, name: "hostDataReadAck", sequence: body[0]! }
    default:
      return { kind, name: "unknown", id, body }
  }
}

/** The bytes of `command`. Throws RangeError for more than seven records. */
export function encodeEieioCommand(command: EieioCommand): Uint8Array {
  switch (command.name) {
    case "database":
      return withId(EieioCommandId.database, new TextEncoder().encode(command.path))
    case "spinnakerRequestBuffers": {
      const body = new Uint8Array(10)
      body.set([command.y, command.x, (command.p << 3) & 0xff, 0, command.region & 15, command.sequence])
      new DataView(body.buffer).setUint32(6, command.space, true)
      return withId(EieioCommandId.spinnakerRequestBuffers, body)
    }
    case "hostSendSequencedData": {
      const body = [command.region, command.sequence, ...encodeEieioData(command.message)]
      return withId(EieioCommandId.hostSendSequencedData, Uint8Array.from(body))
    }
    case "spinnakerRequestReadData": {
      const { records } = command
      checkRecords(records.length)
      const body = new Uint8Array(4 + (records.length > 0 ? records.length * 12 - 2 : 0))
      const view = new DataView(body.buffer)
      body.set([command.y, command.x, ((command.p << 3) & 0xff) | records.length, command.sequence])
      records.forEach(({ channel, region, address, length }, record) => {
        const at = 4 + record * 12
        body.set([channel, region], at)
        view.setUint32(at + 2, address, true)
        view.setUint32(at + 6, length, true)
      })
      return withId(EieioCommandId.spinnakerRequestReadData, body)
    }
    case "hostDataRead": {
      const { records } = command
      checkRecords(records.length)
      const body = new Uint8Array(2 + records.length * 8)
      const view = new DataView(body.buffer)
      body.set([records.length, command.sequence])
      records.forEach(({ channel, region, bytesRead }, record) => {
        const at = 4 + record * 8
        body.set([channel, region], at)
        view.setUint32(at + 2, bytesRead, true)
      })
      return withId(EieioCommandId.hostDataRead, body)
    }
    case "hostDataReadAck":
      return withId(EieioCommandId.hostDataReadAck, Uint8Array.of(command.sequence))
    case "unknown":
      return withId(command.id, command.body)
    default:
      return withId(EieioCommandId[command.name], new Uint8Array(0))
  }
}

const word = (view: DataView, at: number): number => view.getUint32(at, true)

/** x, y and p of a body that begins y, x, p << 3. (SpiNNMan writes them so and reads x and y the other way round.) */
const core = (body: Uint8Array): Core => ({ x: body[1]!, y: body[0]!, p: body[2]! >> 3 })

function checkRecords(count: number): void {
  if (count > EIEIO_MAX_READ_RECORDS) {
    throw new RangeError(`Cannot encode ${count} records: expected at most ${EIEIO_MAX_READ_RECORDS}`)
  }
}

function withId(id: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + body.length)
  const first = EIEIO_COMMAND_BIT | (id & 0x3fff)
  bytes[0] = first & 0xff
  bytes[1] = first >> 8
  bytes.set(body, 2)
  return bytes
}
