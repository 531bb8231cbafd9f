/** Writes datagrams as a pcap file that Wireshark opens: link type Ethernet, IPv4 and UDP headers with right checksums. */
import type { Address } from "../transport/address.ts"

/** Magic number of a pcap file with microseconds; little-endian here. */
const MAGIC = 0xa1b2c3d4
const LINK_TYPE_ETHERNET = 1
const SNAP_LENGTH = 65_535
const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const ETHERNET_BYTES = 14
const IP_BYTES = 20
const UDP_BYTES = 8
/** Most bytes of a UDP payload over IPv4. */
const MAX_PAYLOAD = 65_507
const ETHERTYPE_IP = 0x0800
const PROTOCOL_UDP = 17
const TIME_TO_LIVE = 64

/** The 24 bytes that begin a file. */
export function pcapHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, SNAP_LENGTH, true)
  view.setUint32(20, LINK_TYPE_ETHERNET, true)
  return bytes
}

/** One record; `timeMs` since the Unix epoch. Addresses must be IPv4; a payload longer than UDP can carry is cut. */
export function pcapRecord(timeMs: number, from: Address, to: Address, payload: Uint8Array): Uint8Array {
  const data = payload.subarray(0, MAX_PAYLOAD)
  const frame = ETHERNET_BYTES + IP_BYTES + UDP_BYTES + data.length
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + frame)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, Math.floor(timeMs / 1000), true)
  view.setUint32(4, Math.floor((timeMs % 1000) * 1000), true)
  view.setUint32(8, frame, true)
  view.setUint32(12, frame, true)
  const ip = RECORD_HEADER_BYTES + ETHERNET_BYTES
  view.setUint16(ip - 2, ETHERTYPE_IP)
  view.setUint8(ip, 0x45)
  view.setUint16(ip + 2, IP_BYTES + UDP_BYTES + data.length)
  view.setUint8(ip + 8, TIME_TO_LIVE)
  view.setUint8(ip + 9, PROTOCOL_UDP)
  bytes.set(octets(from.host), ip + 12)
  bytes.set(octets(to.host), ip + 16)
  view.setUint16(ip + 10, checksum(bytes.subarray(ip, ip + IP_BYTES), 0))
  const udp = ip + IP_BYTES
  view.setUint16(udp, from.port)
  view.setUint16(udp + 2, to.port)
  view.setUint16(udp + 4, UDP_BYTES + data.length)
  bytes.set(data, udp + UDP_BYTES)
  // The pseudo header: both addresses, the protocol and the length.
  const pseudo = sum(bytes.subarray(ip + 12, ip + IP_BYTES), PROTOCOL_UDP + UDP_BYTES + data.length)
  view.setUint16(udp + 6, checksum(bytes.subarray(udp), pseudo) || 0xffff)
  return bytes
}

function octets(host: string): number[] {
  const numbers = host.split(".").map(Number)
  return numbers.length === 4 && numbers.every((octet) => octet >= 0 && octet <= 255) ? numbers : [0, 0, 0, 0]
}

function sum(bytes: Uint8Array, start: number): number {
  let total = start
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  return total
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array, start: number): number {
  let total = sum(bytes, start)
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return ~total & 0xffff
}

/** Bytes gathered before they are written, and the longest that they wait. */
const FLUSH_BYTES = 64 * 1024
const FLUSH_MS = 200

/** Where a recording goes: `append` is called with whole records, in order. */
export class PcapRecording {
  #parts: Uint8Array[] = []
  #bytes = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly append: (bytes: Uint8Array) => void,
    private readonly now: () => number = Date.now,
  ) {
    this.#add(pcapHeader())
  }

  /** Notes one datagram. */
  record(from: Address, to: Address, datagram: Uint8Array): void {
    this.#add(pcapRecord(this.now(), from, to, datagram))
  }

  /** Writes what has been gathered. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#bytes === 0) return
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    this.append(bytes)
  }

  #add(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= FLUSH_BYTES) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS)
  }
}
