/**
 * IPTAG requests as they pass: found by their bytes, taken apart, and rewritten for a board that must not know who
 * asked. Pure functions of bytes. Source: the SpiNNaker wire facts §4 (cmd_iptag of spinnaker_tools 4.0.0).
 */
import {
  decodeIptagRecord,
  decodeIptagRequest,
  encodeIptagRecord,
  encodeIptagRequest,
  IPTAG_RECORD_BYTES,
  IptagOp,
  type IptagRequest,
  ipToWord,
} from "../protocol/iptag.ts"
import {
  Command,
  decodeScpReply,
  encodeScpReply,
  Result,
  SCP_MIN_REQUEST,
  SCP_OFFSET,
  SCP_REPLY_BODY_OFFSET,
  type ScpReply,
} from "../protocol/scp.ts"
import { readSdpHeader, SDP_MAX_DATAGRAM, SdpFlag } from "../protocol/sdp.ts"
import { sequenceOf } from "./scp-classify.ts"

/** Entries of a board's tag table. */
export const TAGS = 16
/** What NEW answers where the pool is empty. */
export const NO_TAG = 255
/** Flag of a record that says "whoever asked". */
const RECORD_USE_SENDER = 0x0400

const ARG1 = SCP_OFFSET + 4

/** A request that concerns one board's tags. */
export interface TagRequest {
  readonly kind: "set" | "new" | "get" | "clear"
  readonly sequence: number
  /** 0..15; of NEW without meaning. */
  readonly tag: number
  /** GET: how many entries. */
  readonly count: number
  /** The chip that it goes to, x << 8 | y. */
  readonly chip: number
  readonly asked: IptagRequest
}

/** True for an IPTAG request to a monitor, of whatever kind: three comparisons for everything else. */
export function isTagRequest(datagram: Uint8Array): boolean {
  return (
    datagram[SCP_OFFSET] === Command.IPTAG &&
    datagram[SCP_OFFSET + 1] === 0 &&
    datagram.length >= SCP_MIN_REQUEST &&
    datagram.length <= SDP_MAX_DATAGRAM &&
    datagram[4] === 0 &&
    (datagram[2]! & SdpFlag.replyExpected) !== 0
  )
}

const KINDS: ReadonlyMap<number, TagRequest["kind"]> = new Map([
  [IptagOp.new, "new"],
  [IptagOp.set, "set"],
  [IptagOp.get, "get"],
  [IptagOp.clear, "clear"],
])

/** What `datagram` asks, if it concerns single tags (not TTO) and is no mistake that the board will refuse. */
export function tagRequestOf(datagram: Uint8Array): TagRequest | undefined {
  if (!isTagRequest(datagram)) return undefined
  const view = viewOf(datagram)
  const words = [0, 4, 8].map((at) => view.getUint32(ARG1 + at, true)) as [number, number, number]
  const asked = decodeIptagRequest({ arg1: words[0], arg2: words[1], arg3: words[2] })
  const kind = KINDS.get(asked.operation)
  if (!kind || asked.tag >= TAGS) return undefined
  return {
    kind,
    sequence: sequenceOf(datagram),
    tag: asked.tag,
    count: words[1],
    chip: (datagram[7]! << 8) | datagram[6]!,
    asked,
  }
}

/** A copy of a SET or NEW that sends what comes to `port` of whoever sends it; a reverse tag keeps its own port. */
export function towardRelay(datagram: Uint8Array, port: number): Uint8Array {
  const copy = datagram.slice()
  const view = viewOf(copy)
  const asked = decodeIptagRequest({
    arg1: view.getUint32(ARG1, true),
    arg2: view.getUint32(ARG1 + 4, true),
    arg3: 0,
  })
  // Never "the sender": SC&MP before December 2018 does not know it.
  const words = encodeIptagRequest({ ...asked, useSender: false, address: 0, port: asked.reverse ? asked.port : port })
  view.setUint32(ARG1, words.arg1, true)
  view.setUint32(ARG1 + 4, words.arg2, true)
  view.setUint32(ARG1 + 8, 0, true)
  return copy
}

/** The reply to a tag request, if `datagram` is a reply at all. */
export function tagReplyOf(datagram: Uint8Array): ScpReply | undefined {
  return datagram[5] === 0 ? decodeScpReply(datagram) : undefined
}

/** The tag that an OK to SET or NEW names. */
export function tagInReply({ body }: ScpReply): number | undefined {
  return body.length >= 4 ? viewOf(body).getUint32(0, true) : undefined
}

/** The answer that a board gives to arguments that it cannot take: the relay's own to `request`. */
export function refusal(request: Uint8Array): Uint8Array {
  const { flags, destPort, destCpu, srcPort, srcCpu, destX, destY, srcX, srcY } = readSdpHeader(request)
  const sdp = {
    flags: flags & ~SdpFlag.replyExpected,
    tag: 0xff,
    destPort: srcPort,
    destCpu: srcCpu,
    srcPort: destPort,
    srcCpu: destCpu,
    destX: srcX,
    destY: srcY,
    srcX: destX === 255 ? 0 : destX,
    srcY: destY === 255 ? 0 : destY,
  }
  return encodeScpReply({ sdp, result: Result.ARG, sequence: sequenceOf(request), body: new Uint8Array(0) })
}

/** Who an application is, as it would read in its own tags. */
export interface Asker {
  /** IPv4 literal; anything else reads as 0.0.0.0. */
  readonly host: string
  readonly port: number
}

/** GET's reply with the records of `first` on, each as its asker set it where `askedOf` knows. */
export function withAsked(
  reply: Uint8Array,
  first: number,
  asker: Asker,
  askedOf: (tag: number) => IptagRequest | undefined,
): Uint8Array {
  let copy: Uint8Array | undefined
  for (let at = SCP_REPLY_BODY_OFFSET, tag = first; at + IPTAG_RECORD_BYTES <= reply.length; tag++) {
    const asked = askedOf(tag)
    const record = asked && decodeIptagRecord(reply.subarray(at))
    if (asked && record) {
      copy ??= reply.slice()
      const own = asked.reverse ? 0 : ipToWord(asker.host)
      record.address = asked.address || own
      record.txPort = asked.reverse ? 0 : asked.useSender ? asker.port : asked.port
      if (asked.useSender) record.flags |= RECORD_USE_SENDER
      copy.set(encodeIptagRecord(record), at)
    }
    at += IPTAG_RECORD_BYTES
  }
  return copy ?? reply
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
