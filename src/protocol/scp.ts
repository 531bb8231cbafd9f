/**
 * SCP, the SpiNNaker Command Protocol: requests and replies inside SDP. Little-endian throughout.
 * Source: spinnaker_tools 4.0.0 (sark.h, scamp-cmd.c) and the captures in tests/captures.
 */
import { readSdpHeader, SDP_MAX_DATAGRAM, SDP_PAYLOAD_OFFSET, type SdpHeader, writeSdpHeader } from "./sdp.ts"

/** UDP port of SC&MP and of BMPs, by convention. */
export const SCP_PORT = 17893
/** Most data bytes in one request or reply. */
export const SCP_MAX_DATA = 256
/** Offset of cmd_rc in a UDP payload. */
export const SCP_OFFSET = SDP_PAYLOAD_OFFSET
/** Offset of a request's data: cmd, seq and three arguments further on. */
export const SCP_DATA_OFFSET = SCP_OFFSET + 16
/** Offset of a reply's body: replies carry only what the command produces, at arg1's place. */
export const SCP_REPLY_BODY_OFFSET = SCP_OFFSET + 4
/** Shortest request that SC&MP executes; shorter ones get `LEN`. */
export const SCP_MIN_REQUEST = SCP_DATA_OFFSET

/** Command codes; who understands each is in the fake board's command table. */
export const Command = {
  VER: 0,
  RUN: 1,
  READ: 2,
  WRITE: 3,
  APLX: 4,
  FILL: 5,
  COUNT: 15,
  REMAP: 16,
  LINK_READ: 17,
  LINK_WRITE: 18,
  AR: 19,
  NNP: 20,
  APP_COPY_RUN: 21,
  SIG: 22,
  FFD: 23,
  AS: 24,
  LED: 25,
  IPTAG: 26,
  SROM: 27,
  ALLOC: 28,
  RTR: 29,
  INFO: 31,
  SYNC: 32,
  BMP_INFO: 48,
  FLASH_COPY: 49,
  FLASH_ERASE: 50,
  FLASH_WRITE: 51,
  BMP_SF: 53,
  BMP_EE: 54,
  RESET: 55,
  XILINX: 56,
  POWER: 57,
  I2C: 61,
  PWM: 62,
  TUBE: 64,
} as const

/** Result codes in the cmd_rc field of a reply. */
export const Result = {
  OK: 0x80,
  LEN: 0x81,
  SUM: 0x82,
  CMD: 0x83,
  ARG: 0x84,
  PORT: 0x85,
  TIMEOUT: 0x86,
  ROUTE: 0x87,
  CPU: 0x88,
  DEAD: 0x89,
  BUF: 0x8a,
  P2P_NOREPLY: 0x8b,
  P2P_REJECT: 0x8c,
  P2P_BUSY: 0x8d,
  P2P_TIMEOUT: 0x8e,
  PKT_TX: 0x8f,
} as const

const resultNames = new Map<number, string>(Object.entries(Result).map(([name, code]) => [code, name]))
const commandNames = new Map<number, string>(Object.entries(Command).map(([name, code]) => [code, name]))

/** "P2P_BUSY" for 0x8d; "0x93" for a code that has no name. */
export function resultName(code: number): string {
  return resultNames.get(code) ?? `0x${code.toString(16)}`
}

/** "READ" for 2; "command 99" for a code that has no name. */
export function commandName(code: number): string {
  return commandNames.get(code) ?? `command ${code}`
}

/** A request as a host sends it. */
export interface ScpRequest {
  sdp: SdpHeader
  command: number
  /** u16, opaque to the board and echoed. */
  sequence: number
  arg1: number
  arg2: number
  arg3: number
  data: Uint8Array
}

/** A reply as a board sends it; `body` starts where arg1 would. */
export interface ScpReply {
  sdp: SdpHeader
  /** A `Result`. */
  result: number
  sequence: number
  body: Uint8Array
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** One UDP payload holding `request`. */
export function encodeScpRequest(request: ScpRequest): Uint8Array {
  const datagram = new Uint8Array(SCP_DATA_OFFSET + request.data.length)
  writeSdpHeader(datagram, request.sdp)
  const view = viewOf(datagram)
  view.setUint16(SCP_OFFSET, request.command, true)
  view.setUint16(SCP_OFFSET + 2, request.sequence, true)
  view.setUint32(SCP_OFFSET + 4, request.arg1, true)
  view.setUint32(SCP_OFFSET + 8, request.arg2, true)
  view.setUint32(SCP_OFFSET + 12, request.arg3, true)
  datagram.set(request.data, SCP_DATA_OFFSET)
  return datagram
}

/** The request in a UDP payload, or undefined where its length cannot be a request's (26..282 bytes). */
export function decodeScpRequest(datagram: Uint8Array): ScpRequest | undefined {
  if (datagram.length < SCP_MIN_REQUEST || datagram.length > SDP_MAX_DATAGRAM) return undefined
  const view = viewOf(datagram)
  return {
    sdp: readSdpHeader(datagram),
    command: view.getUint16(SCP_OFFSET, true),
    sequence: view.getUint16(SCP_OFFSET + 2, true),
    arg1: view.getUint32(SCP_OFFSET + 4, true),
    arg2: view.getUint32(SCP_OFFSET + 8, true),
    arg3: view.getUint32(SCP_OFFSET + 12, true),
    data: datagram.subarray(SCP_DATA_OFFSET),
  }
}

/** One UDP payload holding `reply`. */
export function encodeScpReply(reply: ScpReply): Uint8Array {
  const datagram = new Uint8Array(SCP_REPLY_BODY_OFFSET + reply.body.length)
  writeSdpHeader(datagram, reply.sdp)
  const view = viewOf(datagram)
  view.setUint16(SCP_OFFSET, reply.result, true)
  view.setUint16(SCP_OFFSET + 2, reply.sequence, true)
  datagram.set(reply.body, SCP_REPLY_BODY_OFFSET)
  return datagram
}

/** The reply in a UDP payload, or undefined where its length or its result code (0x80..0x8f) cannot be a reply's. */
export function decodeScpReply(datagram: Uint8Array): ScpReply | undefined {
  if (datagram.length < SCP_REPLY_BODY_OFFSET || datagram.length > SDP_MAX_DATAGRAM) return undefined
  const view = viewOf(datagram)
  const result = view.getUint16(SCP_OFFSET, true)
  if (result < Result.OK || result > Result.PKT_TX) return undefined
  return {
    sdp: readSdpHeader(datagram),
    result,
    sequence: view.getUint16(SCP_OFFSET + 2, true),
    body: datagram.subarray(SCP_REPLY_BODY_OFFSET),
  }
}
