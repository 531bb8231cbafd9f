/**
 * The first message each way inside the tunnel's TLS, before any mux frame: what is wanted, or given, and the proof of
 * knowing the key. Big-endian: `SPIN`, u16 version, u16 length of the body; the body, UTF-8 JSON, which later versions
 * may add fields to; 32 bytes of proof, zeros where the sender cannot give one.
 */
import { MUX_MAGIC, printable, startsLikePreface } from "./mux.ts"

/** Version of this message and of what follows it. */
export const TUNNEL_VERSION = 1
/** The most that is read of a peer that has proved nothing. */
export const HELLO_MAX_BYTES = 4096
/** Bytes of a proof: HMAC-SHA-256. */
export const PROOF_BYTES = 32
const HEADER_BYTES = 8

/** What a client asks. */
export interface ClientHello {
  /** Id of the key that it proves to know. */
  readonly key: string
  /** The session to go on with, if it had one. */
  readonly resume?: string
  /** With a ticket: what the device is to be called. */
  readonly device?: string
  /** Which channel the proof is for, sealed with the key: tells a server a proof that strayed from one that is wrong. */
  readonly seal?: string
}

/** What a server answers. */
export type ServerHello =
  | {
      readonly session: string
      /** The client's session goes on; else this is a new one. */
      readonly resumed: boolean
      /** The server's name. */
      readonly name: string
      /** How long a session waits for its client, milliseconds. */
      readonly resumeMs: number
      /** For a ticket: the id of the device key that replaces it. */
      readonly device?: string
    }
  | { readonly refused: string; readonly code: string }

/** A message as it came; `body` is what the proof covers. */
export interface HelloMessage {
  readonly body: Uint8Array
  readonly proof: Uint8Array
  /** Bytes that the message took. */
  readonly length: number
}

/** What can be said of the first bytes of a stream. */
export type HelloReading =
  | { readonly state: "more" }
  | { readonly state: "bad"; readonly reason: "malformed" | "oversize" | "version" }
  | { readonly state: "whole"; readonly message: HelloMessage }

/** A message. Throws RangeError if the body makes it longer than HELLO_MAX_BYTES. */
export function encodeHello(body: Uint8Array, proof: Uint8Array): Uint8Array {
  const length = HEADER_BYTES + body.length + PROOF_BYTES
  if (length > HELLO_MAX_BYTES)
    throw new RangeError(`Cannot send a hello of ${length} bytes: at most ${HELLO_MAX_BYTES}`)
  const bytes = new Uint8Array(length)
  bytes.set(MUX_MAGIC)
  const view = new DataView(bytes.buffer)
  view.setUint16(4, TUNNEL_VERSION)
  view.setUint16(6, body.length)
  bytes.set(body, HEADER_BYTES)
  bytes.set(proof, HEADER_BYTES + body.length)
  return bytes
}

/** Reads a message off the front of a stream. */
export function readHello(bytes: Uint8Array): HelloReading {
  if (!startsLikePreface(bytes)) return { state: "bad", reason: "malformed" }
  if (bytes.length < HEADER_BYTES) return { state: "more" }
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint16(4) !== TUNNEL_VERSION) return { state: "bad", reason: "version" }
  const bodyLength = view.getUint16(6)
  const length = HEADER_BYTES + bodyLength + PROOF_BYTES
  if (length > HELLO_MAX_BYTES) return { state: "bad", reason: "oversize" }
  if (bytes.length < length) return { state: "more" }
  const proofAt = HEADER_BYTES + bodyLength
  const message = { body: bytes.subarray(HEADER_BYTES, proofAt), proof: bytes.subarray(proofAt, length), length }
  return { state: "whole", message }
}

/** A client's or server's words as the body of a message. */
export function encodeBody(words: ClientHello | ServerHello): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(words))
}

/** What a client asks; undefined for anything else. */
export function decodeClientHello(body: Uint8Array): ClientHello | undefined {
  const said = parse(body)
  const { key, resume, device, seal } = said ?? {}
  if (!isWord(key) || ![resume, seal].every((word) => word === undefined || isWord(word))) return undefined
  if (!(device === undefined || (typeof device === "string" && device.length <= 64))) return undefined
  return {
    key,
    ...(isWord(resume) && { resume }),
    ...(device !== undefined && { device: printable(device) }),
    ...(isWord(seal) && { seal }),
  }
}

/** What a server answers; undefined for anything else. */
export function decodeServerHello(body: Uint8Array): ServerHello | undefined {
  const said = parse(body)
  if (!said) return undefined
  const { refused, code, session, resumed, name, resumeMs, device } = said
  if (typeof refused === "string" && typeof code === "string") {
    return { refused: printable(refused).slice(0, 300), code: printable(code).slice(0, 40) }
  }
  if (!isWord(session) || typeof resumed !== "boolean" || typeof name !== "string") return undefined
  if (typeof resumeMs !== "number" || !(resumeMs >= 0 && resumeMs <= 86_400_000)) return undefined
  if (!(device === undefined || isWord(device))) return undefined
  const common = { session, resumed, name: printable(name).slice(0, 255), resumeMs }
  return { ...common, ...(device !== undefined && { device }) }
}

function parse(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const said: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))
    return typeof said === "object" && said !== null ? (said as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** An id: what base64url can write, and no more than fits a line. */
function isWord(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{1,64}$/.test(value)
}
