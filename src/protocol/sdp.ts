/**
 * SDP, the SpiNNaker Datagram Protocol, as it travels in UDP: two pad bytes, an eight-byte header, a payload.
 * Multi-byte fields are little-endian. Source: spinnaker_tools 4.0.0, spinn_net.h / sdp_hdr_t.
 */

/** Bytes of padding before the header of every SDP datagram; boards may leave stack bytes here, so never match on them. */
export const SDP_PAD = 2
/** Bytes of the SDP header proper. */
export const SDP_HEADER = 8
/** Offset of the SDP payload in a UDP datagram. */
export const SDP_PAYLOAD_OFFSET = SDP_PAD + SDP_HEADER
/** Largest payload that SC&MP takes: a 16-byte SCP header and 256 bytes of data. */
export const SDP_MAX_PAYLOAD = 272
/** Largest SDP datagram, in bytes of UDP payload; SC&MP drops longer ones without a word. */
export const SDP_MAX_DATAGRAM = SDP_PAYLOAD_OFFSET + SDP_MAX_PAYLOAD

/** The flag bits in use, and the two values that clients send. */
export const SdpFlag = {
  /** Bit 7: the sender wants a reply. */
  replyExpected: 0x80,
  /** Bit 6: checksum present; SC&MP ignores it. */
  checksum: 0x40,
  /** Bit 5: do not route over P2P. */
  noRoute: 0x20,
  /** The conventional low bits, alone: no reply wanted. */
  noReply: 0x07,
  /** The conventional low bits with bit 7. */
  reply: 0x87,
} as const

/** The tag byte that asks the board for a transient tag, or says there is none. */
export const SDP_TAG_NONE = 0xff
/** Source (or destination) port and CPU byte of a host: port 7, CPU 31, "Ethernet". */
export const SDP_HOST_PORT_CPU = 0xff

/** An SDP header with its packed bytes taken apart. */
export interface SdpHeader {
  flags: number
  /** IP tag, 0..15, or 255. */
  tag: number
  /** SDP port, 0..7. */
  destPort: number
  /** Virtual core, 0..31; a board number for a BMP. */
  destCpu: number
  srcPort: number
  srcCpu: number
  destX: number
  destY: number
  srcX: number
  srcY: number
}

/** A decoded SDP datagram; `payload` is a view into the datagram that it came from. */
export interface SdpMessage {
  header: SdpHeader
  payload: Uint8Array
}

/** The header of a host's request to the monitor of chip `x`,`y`: a reply wanted, by a transient tag. */
export function monitorHeader(x: number, y: number): SdpHeader {
  return {
    flags: SdpFlag.reply,
    tag: SDP_TAG_NONE,
    destPort: 0,
    destCpu: 0,
    srcPort: SDP_HOST_PORT_CPU >> 5,
    srcCpu: SDP_HOST_PORT_CPU & 31,
    destX: x,
    destY: y,
    srcX: 0,
    srcY: 0,
  }
}

/** Writes `header` at offset 2 of `target`, leaving the pad as it is. */
export function writeSdpHeader(target: Uint8Array, header: SdpHeader): void {
  target[2] = header.flags
  target[3] = header.tag
  target[4] = ((header.destPort & 7) << 5) | (header.destCpu & 31)
  target[5] = ((header.srcPort & 7) << 5) | (header.srcCpu & 31)
  target[6] = header.destY
  target[7] = header.destX
  target[8] = header.srcY
  target[9] = header.srcX
}

/** Reads the header of a datagram that is known to hold one (10 bytes or more). */
export function readSdpHeader(datagram: Uint8Array): SdpHeader {
  const dest = datagram[4]!
  const source = datagram[5]!
  return {
    flags: datagram[2]!,
    tag: datagram[3]!,
    destPort: dest >> 5,
    destCpu: dest & 31,
    srcPort: source >> 5,
    srcCpu: source & 31,
    destX: datagram[7]!,
    destY: datagram[6]!,
    srcX: datagram[9]!,
    srcY: datagram[8]!,
  }
}

/** One UDP payload: pad, header, payload. */
export function encodeSdp(header: SdpHeader, payload: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(SDP_PAYLOAD_OFFSET + payload.length)
  writeSdpHeader(datagram, header)
  datagram.set(payload, SDP_PAYLOAD_OFFSET)
  return datagram
}

/** The SDP message in a UDP payload, or undefined if it is too short to hold a header. Length is not otherwise checked. */
export function decodeSdp(datagram: Uint8Array): SdpMessage | undefined {
  if (datagram.length < SDP_PAYLOAD_OFFSET) return undefined
  return { header: readSdpHeader(datagram), payload: datagram.subarray(SDP_PAYLOAD_OFFSET) }
}
