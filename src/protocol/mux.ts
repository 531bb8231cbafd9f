/**
 * The frames that two spinnaker-relays speak over one TCP connection: many flows, each a channel of datagrams.
 *
 * Both ends open with a preface of 8 bytes: `SPIN`, u16 version, u16 reserved (0). Read as Python's frame length,
 * `SPIN` is impossibly large, so a Python server waits for more and stays silent.
 *
 * Then frames, big-endian: u8 type, u8 reserved (0), u16 payload length, u32 flow id; then the payload. The client
 * chooses flow ids; an id is free again after a close from either side.
 */
import { Framer, type FramingError } from "./framer.ts"

/** `SPIN`. */
export const MUX_MAGIC = new Uint8Array([0x53, 0x50, 0x49, 0x4e])
/** Version of this codec. */
export const MUX_VERSION = 1
/** Bytes of preface. */
export const MUX_PREFACE = 8
/** Bytes of frame header. */
export const MUX_HEADER = 8
/** Longest payload: the most that UDP over IPv4 carries. */
export const MUX_MAX_PAYLOAD = 65507
/** Longest application or board name, and longest reason, in an open or close frame. */
export const MUX_MAX_TEXT = 255
/** Longest payload of a ping. */
export const MUX_MAX_PING = 64

/** What a frame is. */
export const MuxType = {
  /** A new flow. Payload: u8 channel, u8 length and UTF-8 name of the board (empty: the server's first), UTF-8 application address. */
  open: 1,
  /** One datagram of a flow. */
  data: 2,
  /** A flow's end, or with flow id 0 that of the whole session. Payload: UTF-8 reason code, then, after a space, words for people; may be empty. */
  close: 3,
  /** Flow id 0. Payload: up to 64 bytes that come back in the pong. */
  ping: 4,
  pong: 5,
  /**
   * One datagram beside the flow's own: by IP tag from the board, or for a reverse IP tag to it. Payload: u8 tag, u8
   * direction (0 out of the board, 1 into it), u16 UDP port of the board that it came from or is for; the datagram.
   */
  tagged: 6,
  /** Flow id 0. News of no flow. Payload: u8 kind, u8 length and UTF-8 name of the board, the news. Kinds that are not known are skipped. */
  notice: 7,
  /**
   * Flow id 0, client to server. No payload. On a connection that resumes a session: the client has opened again every
   * flow that it still has; what it has not is over.
   */
  resumed: 8,
  /** Reserved for reliable byte streams. */
  stream: 16,
} as const

/** Kinds of notices. */
export const MuxNotice = {
  /** Server to client: an unbooted board's beacon, as it came. */
  hello: 0,
  /** Client to server: tell me your boards. No payload. */
  boardsWanted: 1,
  /** Server to client: its boards, in answer and whenever they change. Payload: UTF-8 JSON, see relay/board-list.ts. */
  boards: 2,
  /** Server to client: somebody else has that board, or it is yours now. Payload: UTF-8 JSON, see lease-news.ts. */
  inUse: 3,
} as const
/** Longest payload of a notice: a list of 64 boards with the longest names that there are, or a beacon. */
export const MUX_MAX_NOTICE = 32_768

/** Which service of a board a flow uses, on the wire. */
export const MuxChannel = { scp: 0, boot: 1 } as const
/** Name of a channel. */
export type MuxChannelName = keyof typeof MuxChannel

/** Bytes before the datagram in a tagged frame. */
export const MUX_TAGGED_HEADER = 4

/** A datagram that goes by IP tag rather than as question and answer. */
export interface TaggedDatagram {
  /** The IP tag, 0..15. */
  readonly tag: number
  /** Out of the board, or (reverse tags) into it. */
  readonly direction: "out" | "in"
  /** The board's UDP port: where it came from, or is to go to. */
  readonly port: number
  readonly datagram: Uint8Array
}

/** A frame taken apart; `datagram` and `payload` are views. */
export type MuxFrame =
  | { type: "open"; flow: number; channel: MuxChannelName; board: string; application: string }
  | { type: "data"; flow: number; datagram: Uint8Array }
  | { type: "close"; flow: number; code: string; detail: string }
  | { type: "ping"; payload: Uint8Array }
  | { type: "pong"; payload: Uint8Array }
  | { type: "notice"; kind: number; board: string; payload: Uint8Array }
  | { type: "tagged"; flow: number; tagged: TaggedDatagram }
  | { type: "resumed" }
  /** A frame of a type that this version does not know: skipped, so that later versions may add some. */
  | { type: "unknown"; code: number }

/** Why the stream cannot be read further. */
export type MuxError = FramingError | { readonly code: "bad-frame"; readonly detail: string }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const shape = {
  headerBytes: MUX_HEADER,
  payloadLength: (bytes: Uint8Array, offset: number) => (bytes[offset + 2]! << 8) | bytes[offset + 3]!,
  maxPayload: MUX_MAX_PAYLOAD,
}

/** The 8 bytes that open a mux connection, either way. */
export function encodePreface(version = MUX_VERSION): Uint8Array {
  const preface = new Uint8Array(MUX_PREFACE)
  preface.set(MUX_MAGIC)
  new DataView(preface.buffer).setUint16(4, version)
  return preface
}

/** True if `bytes` may be the beginning of a preface (up to four bytes are looked at). */
export function startsLikePreface(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, MUX_MAGIC.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== MUX_MAGIC[i]) return false
  return true
}

/** The version in a whole preface; undefined if the magic is wrong. */
export function decodePreface(preface: Uint8Array): number | undefined {
  if (preface.length < MUX_PREFACE || !startsLikePreface(preface)) return undefined
  return (preface[4]! << 8) | preface[5]!
}

function encode(type: number, flow: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(MUX_HEADER + payload.length)
  putHeader(frame, type, flow, payload.length)
  frame.set(payload, MUX_HEADER)
  return frame
}

function putHeader(frame: Uint8Array, type: number, flow: number, length: number): void {
  frame[0] = type
  frame[2] = length >> 8
  frame[3] = length & 0xff
  frame[4] = flow >>> 24
  frame[5] = (flow >>> 16) & 0xff
  frame[6] = (flow >>> 8) & 0xff
  frame[7] = flow & 0xff
}

function text(value: string): Uint8Array {
  const bytes = encoder.encode(value)
  return bytes.length <= MUX_MAX_TEXT ? bytes : bytes.subarray(0, MUX_MAX_TEXT)
}

/** A frame that opens flow `flow` on `channel` of `board` for the application at `application`. */
export function encodeOpen(flow: number, channel: MuxChannelName, board: string, application: string): Uint8Array {
  const name = text(board)
  const from = text(application)
  const payload = new Uint8Array(2 + name.length + from.length)
  payload[0] = MuxChannel[channel]
  payload[1] = name.length
  payload.set(name, 2)
  payload.set(from, 2 + name.length)
  return encode(MuxType.open, flow, payload)
}

/** A frame with one datagram. Throws RangeError above 65,507 bytes. */
export function encodeData(flow: number, datagram: Uint8Array): Uint8Array {
  if (datagram.length > MUX_MAX_PAYLOAD) {
    throw new RangeError(`Cannot frame a datagram of ${datagram.length} bytes: expected at most ${MUX_MAX_PAYLOAD}`)
  }
  return encode(MuxType.data, flow, datagram)
}

/** A frame with one datagram that goes by IP tag. Throws RangeError above 65,503 bytes. */
export function encodeTagged(flow: number, { tag, direction, port, datagram }: TaggedDatagram): Uint8Array {
  const length = MUX_TAGGED_HEADER + datagram.length
  if (length > MUX_MAX_PAYLOAD) {
    throw new RangeError(`Cannot frame a datagram of ${datagram.length} bytes: expected at most 65503`)
  }
  // Written in place: this is the one frame that may come by the thousand a second.
  const frame = new Uint8Array(MUX_HEADER + length)
  putHeader(frame, MuxType.tagged, flow, length)
  frame[MUX_HEADER] = tag
  frame[MUX_HEADER + 1] = direction === "out" ? 0 : 1
  frame[MUX_HEADER + 2] = port >> 8
  frame[MUX_HEADER + 3] = port & 0xff
  frame.set(datagram, MUX_HEADER + MUX_TAGGED_HEADER)
  return frame
}

/** A frame that ends a flow. */
export function encodeClose(flow: number, code: string, detail = ""): Uint8Array {
  return encode(MuxType.close, flow, text(detail ? `${code} ${detail}` : code))
}

/** News of no flow: `kind` is one of MuxNotice. Throws RangeError above MUX_MAX_NOTICE bytes. */
export function encodeNotice(kind: number, board: string, payload: Uint8Array): Uint8Array {
  if (payload.length > MUX_MAX_NOTICE) {
    throw new RangeError(`Cannot frame a notice of ${payload.length} bytes: expected at most ${MUX_MAX_NOTICE}`)
  }
  const name = text(board)
  const body = new Uint8Array(2 + name.length + payload.length)
  body[0] = kind
  body[1] = name.length
  body.set(name, 2)
  body.set(payload, 2 + name.length)
  return encode(MuxType.notice, 0, body)
}

/** Ends the list of flows that a resumed session still has. */
export function encodeResumed(): Uint8Array {
  return encode(MuxType.resumed, 0, new Uint8Array(0))
}

/** A ping, or the pong that answers it with the same payload. */
export function encodePing(type: "ping" | "pong", payload: Uint8Array): Uint8Array {
  return encode(MuxType[type], 0, payload.subarray(0, MUX_MAX_PING))
}

/** Reads frames from a stream cut anywhere; the preface must have been taken off. */
export class MuxDecoder {
  readonly #framer = new Framer(shape)
  #error: MuxError | undefined

  /** Bytes of an unfinished frame; none once the stream cannot be read further. */
  get pendingBytes(): number {
    return this.#error ? 0 : this.#framer.pendingBytes
  }

  /** Calls `emit` with each complete frame, until one is bad; after that every call returns the error. */
  push(chunk: Uint8Array, emit: (frame: MuxFrame) => void): MuxError | undefined {
    if (this.#error) return this.#error
    const framing = this.#framer.push(chunk, (bytes, start, end) => {
      if (this.#error) return
      const frame = decodeFrame(bytes, start, end)
      if (frame.type === "bad") this.#error = { code: "bad-frame", detail: frame.detail }
      else emit(frame)
    })
    this.#error ??= framing
    return this.#error
  }
}

/** The frame that is the bytes from `at` to `end`. */
function decodeFrame(bytes: Uint8Array, at: number, end: number): MuxFrame | { type: "bad"; detail: string } {
  const type = bytes[at]!
  const flow = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0
  const payload = bytes.subarray(at + MUX_HEADER, end)
  switch (type) {
    case MuxType.data:
      return { type: "data", flow, datagram: payload }
    case MuxType.open:
      return decodeOpen(flow, payload)
    case MuxType.close:
      return decodeClose(flow, payload)
    case MuxType.tagged:
      return decodeTagged(flow, payload)
    case MuxType.ping:
    case MuxType.pong:
      if (payload.length > MUX_MAX_PING) return { type: "bad", detail: `ping of ${payload.length} bytes` }
      return { type: type === MuxType.ping ? "ping" : "pong", payload }
    case MuxType.notice:
      return decodeNotice(payload)
    case MuxType.resumed:
      return { type: "resumed" }
    default:
      return { type: "unknown", code: type }
  }
}

function decodeOpen(flow: number, payload: Uint8Array): MuxFrame | { type: "bad"; detail: string } {
  const nameLength = payload[1] ?? 0
  if (payload.length < 2 + nameLength) return { type: "bad", detail: "open frame cut short" }
  if (payload.length > 2 + nameLength + MUX_MAX_TEXT) return { type: "bad", detail: "open frame with too long a name" }
  const channel = (Object.keys(MuxChannel) as MuxChannelName[]).find((name) => MuxChannel[name] === payload[0])
  if (!channel) return { type: "bad", detail: `open frame for unknown channel ${payload[0]}` }
  return {
    type: "open",
    flow,
    channel,
    board: printable(decoder.decode(payload.subarray(2, 2 + nameLength))),
    application: printable(decoder.decode(payload.subarray(2 + nameLength))),
  }
}

function decodeNotice(payload: Uint8Array): MuxFrame | { type: "bad"; detail: string } {
  const nameLength = payload[1] ?? 0
  if (payload.length < 2 + nameLength) return { type: "bad", detail: "notice cut short" }
  if (payload.length > 2 + nameLength + MUX_MAX_NOTICE) return { type: "bad", detail: "too long a notice" }
  const board = printable(decoder.decode(payload.subarray(2, 2 + nameLength)))
  return { type: "notice", kind: payload[0]!, board, payload: payload.subarray(2 + nameLength) }
}

function decodeTagged(flow: number, payload: Uint8Array): MuxFrame | { type: "bad"; detail: string } {
  if (payload.length < MUX_TAGGED_HEADER) return { type: "bad", detail: "tagged frame cut short" }
  const direction = payload[1] === 0 ? "out" : payload[1] === 1 ? "in" : undefined
  if (!direction) return { type: "bad", detail: `tagged frame in unknown direction ${payload[1]}` }
  if (payload[0]! > 15) return { type: "bad", detail: `tagged frame for tag ${payload[0]}` }
  const port = (payload[2]! << 8) | payload[3]!
  const datagram = payload.subarray(MUX_TAGGED_HEADER)
  return { type: "tagged", flow, tagged: { tag: payload[0]!, direction, port, datagram } }
}

function decodeClose(flow: number, payload: Uint8Array): MuxFrame {
  const words = printable(decoder.decode(payload.subarray(0, MUX_MAX_TEXT)))
  const space = words.indexOf(" ")
  return space < 0
    ? { type: "close", flow, code: words, detail: "" }
    : { type: "close", flow, code: words.slice(0, space), detail: words.slice(space + 1) }
}

/** What a stranger sends ends up in logs: characters that steer a terminal or turn text around must not get there. */
export function printable(value: string): string {
  return value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?")
}
