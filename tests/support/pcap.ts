/** Reads classic pcap files into datagrams: enough of it for what tcpdump and our own recorder write. */

/** One UDP datagram or TCP segment of a capture. */
export interface CapturedPacket {
  /** Milliseconds since the Unix epoch, fractions kept. */
  readonly timeMs: number
  readonly protocol: "udp" | "tcp"
  readonly source: { readonly host: string; readonly port: number }
  readonly destination: { readonly host: string; readonly port: number }
  readonly payload: Uint8Array
  /** TCP sequence number of the first payload byte. */
  readonly sequence?: number
}

/** Largest packet record that a capture may hold; tcpdump's own limit is 256 KiB. */
const MAX_RECORD = 262_144
const FILE_HEADER = 24
const RECORD_HEADER = 16
const IP_UDP = 17
const IP_TCP = 6

/** Where the network layer begins, by link type (the number in the file's header). */
const LINK_HEADER: Readonly<Record<number, number>> = {
  /** BSD loopback. */ 0: 4,
  /** Ethernet. */ 1: 14,
  /** Raw IP. */ 12: 0,
  /** Raw IP. */ 101: 0,
  /** OpenBSD loopback. */ 108: 4,
  /** Linux "cooked". */ 113: 16,
  /** Raw IPv4. */ 228: 0,
}

/** Every UDP datagram and TCP segment over IPv4 in a capture; other packets and fragments are passed over. Throws on a file that is no pcap. */
export function* readPcap(file: Uint8Array): Generator<CapturedPacket> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < FILE_HEADER) throw new Error(`Not a pcap file: ${file.length} bytes, a header has ${FILE_HEADER}`)
  const magic = view.getUint32(0, true)
  const known: Readonly<Record<number, { little: boolean; perMs: number }>> = {
    2712847316: { little: true, perMs: 1e3 },
    2712812621: { little: true, perMs: 1e6 },
    3569595041: { little: false, perMs: 1e3 },
    1295823521: { little: false, perMs: 1e6 },
  }
  const format = known[magic]
  if (!format) throw new Error(`Not a pcap file: magic number 0x${magic.toString(16)}`)
  const { little, perMs } = format
  const linkType = view.getUint32(20, little) & 0x0fff_ffff
  const skip = LINK_HEADER[linkType]
  if (skip === undefined) throw new Error(`Link type ${linkType} is not one that this reader knows`)
  let at = FILE_HEADER
  while (at + RECORD_HEADER <= file.length) {
    const timeMs = view.getUint32(at, little) * 1000 + view.getUint32(at + 4, little) / perMs
    const length = view.getUint32(at + 8, little)
    at += RECORD_HEADER
    if (length > MAX_RECORD) throw new Error(`A record of ${length} bytes at offset ${at}: the file is damaged`)
    if (at + length > file.length) return
    const packet = readIpv4(file.subarray(at + skip, at + length), timeMs)
    if (packet) yield packet
    at += length
  }
}

function readIpv4(ip: Uint8Array, timeMs: number): CapturedPacket | undefined {
  if (ip.length < 20 || ip[0]! >> 4 !== 4) return undefined
  const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength)
  const fragment = view.getUint16(6) & 0x3fff
  if (fragment !== 0) return undefined
  const header = (ip[0]! & 15) * 4
  const total = Math.min(view.getUint16(2), ip.length)
  const at = (port: number, offset: number): { host: string; port: number } => ({
    host: ip.subarray(offset, offset + 4).join("."),
    port,
  })
  const protocol = ip[9]
  if (protocol === IP_UDP && total >= header + 8) {
    const end = Math.min(header + view.getUint16(header + 4), total)
    return {
      timeMs,
      protocol: "udp",
      source: at(view.getUint16(header), 12),
      destination: at(view.getUint16(header + 2), 16),
      payload: ip.slice(header + 8, end),
    }
  }
  if (protocol === IP_TCP && total >= header + 20) {
    const offset = header + (ip[header + 12]! >> 4) * 4
    if (offset > total) return undefined
    return {
      timeMs,
      protocol: "tcp",
      source: at(view.getUint16(header), 12),
      destination: at(view.getUint16(header + 2), 16),
      payload: ip.slice(offset, total),
      sequence: view.getUint32(header + 4),
    }
  }
  return undefined
}

/** A capture in tests/captures by name, without extension. */
export async function readCapture(name: string): Promise<CapturedPacket[]> {
  const path = new URL(`../captures/${name}.pcap`, import.meta.url)
  return [...readPcap(new Uint8Array(await Bun.file(path).arrayBuffer()))]
}

/** The fake board's own log of the same run, one object a line. */
export async function readBoardLog(name: string): Promise<Record<string, unknown>[]> {
  const text = await Bun.file(new URL(`../captures/${name}.board.jsonl`, import.meta.url)).text()
  return text
    .split("\n")
    .filter((line) => line.length > 0)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
