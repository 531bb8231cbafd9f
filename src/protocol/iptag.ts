/**
 * IPTAG, the SCP command that tells a board where messages by tag go: its arguments and the 32-byte records that it
 * reads back. Little-endian. Source: spinnaker_tools 4.0.0, cmd_iptag and iptag_t; tests/captures/rig-iptag-sdp.
 */

/** Sub-operations in bits 23:16 of arg1. */
export const IptagOp = {
  /** As `set`, on a free tag of the pool. */
  new: 0,
  set: 1,
  /** Reads records. */
  get: 2,
  clear: 3,
  /** Sets the life of transient tags. */
  tto: 4,
} as const

/** The three arguments of an IPTAG request taken apart. */
export interface IptagRequest {
  operation: number
  tag: number
  /** Life code: 10 ms * 2^(code-1), 0 = for ever; 0..15. */
  timeoutCode: number
  /** Send the payload only: no pad, no SDP header. */
  strip: boolean
  /** From a UDP port of the board inwards. */
  reverse: boolean
  /** Where the request came from, by its own tag (SC&MP of December 2018 on). */
  useSender: boolean
  /** UDP port: the host's, or for reverse tags the board's. */
  port: number
  /** IPv4 address as a word, first octet in the low byte; 0 = whoever sent this. */
  address: number
  /** Reverse tags: chip, x << 8 | y. */
  destAddress: number
  /** Reverse tags: SDP port << 5 | core. */
  destPort: number
}

/** The three argument words of an SCP message. */
export interface IptagArguments {
  arg1: number
  arg2: number
  arg3: number
}

const STRIP = 1 << 28
const REVERSE = 1 << 29
const USE_SENDER = 1 << 30

/** What the arguments of an IPTAG request say. For `get` and `tto`, arg2 means something else: look at it there. */
export function decodeIptagRequest({ arg1, arg2, arg3 }: IptagArguments): IptagRequest {
  return {
    operation: (arg1 >>> 16) & 0xff,
    tag: arg1 & 0xff,
    timeoutCode: (arg1 >>> 24) & 15,
    strip: (arg1 & STRIP) !== 0,
    reverse: (arg1 & REVERSE) !== 0,
    useSender: (arg1 & USE_SENDER) !== 0,
    port: arg2 & 0xffff,
    address: arg3 >>> 0,
    destAddress: arg2 >>> 16,
    destPort: (arg1 >>> 8) & 0xff,
  }
}

/** The arguments that say `request`. */
export function encodeIptagRequest(request: IptagRequest): IptagArguments {
  const flags = (request.strip ? STRIP : 0) | (request.reverse ? REVERSE : 0) | (request.useSender ? USE_SENDER : 0)
  const low = ((request.operation & 0xff) << 16) | ((request.destPort & 0xff) << 8) | (request.tag & 0xff)
  return {
    arg1: (flags | ((request.timeoutCode & 15) << 24) | low) >>> 0,
    arg2: (((request.destAddress & 0xffff) << 16) | (request.port & 0xffff)) >>> 0,
    arg3: request.address >>> 0,
  }
}

/** Bytes of one record. */
export const IPTAG_RECORD_BYTES = 32

/** One entry of a board's tag table, as `get` shows it. */
export interface IptagRecord {
  /** IPv4 address as a word, first octet in the low byte. */
  address: number
  /** Six bytes. */
  mac: Uint8Array
  txPort: number
  /** What is left of its life, in ticks of 10 ms; 0 = for ever. */
  timeoutTicks: number
  /** 0x8000 valid, 0x4000 transient, 0x2000 ARP pending, 0x0400 use sender, 0x0200 reverse, 0x0100 strip; 0 = free. */
  flags: number
  /** Messages sent through it. */
  count: number
  rxPort: number
  destAddress: number
  destPort: number
}

/** The 32 bytes of `record`. */
export function encodeIptagRecord(record: IptagRecord): Uint8Array {
  const bytes = new Uint8Array(IPTAG_RECORD_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, record.address, true)
  bytes.set(record.mac.subarray(0, 6), 4)
  view.setUint16(10, record.txPort, true)
  view.setUint16(12, record.timeoutTicks, true)
  view.setUint16(14, record.flags, true)
  view.setUint32(16, record.count, true)
  view.setUint16(20, record.rxPort, true)
  view.setUint16(22, record.destAddress, true)
  bytes[24] = record.destPort
  return bytes
}

/** The record in the first 32 bytes of `bytes`; undefined if there are fewer. */
export function decodeIptagRecord(bytes: Uint8Array): IptagRecord | undefined {
  if (bytes.length < IPTAG_RECORD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    address: view.getUint32(0, true),
    mac: bytes.slice(4, 10),
    txPort: view.getUint16(10, true),
    timeoutTicks: view.getUint16(12, true),
    flags: view.getUint16(14, true),
    count: view.getUint32(16, true),
    rxPort: view.getUint16(20, true),
    destAddress: view.getUint16(22, true),
    destPort: bytes[24]!,
  }
}

/** "192.0.2.7" for the word that holds it, first octet in the low byte. */
export function wordToIp(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`
}

/** The word for an IPv4 literal; 0 for anything else. */
export function ipToWord(host: string): number {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)
  if (!match) return 0
  const octets = match.slice(1).map(Number)
  if (octets.some((octet) => octet > 255)) return 0
  return (octets[0]! | (octets[1]! << 8) | (octets[2]! << 16) | (octets[3]! << 24)) >>> 0
}
