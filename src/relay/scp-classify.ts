/**
 * What passes between an application and a board, as far as a relay must know: SCP requests that somebody waits for,
 * their replies, and anything else. By direction, port and shape, never by flags alone: SARK's replies keep bit 7.
 * Pure functions of bytes. Source: spinnaker_tools 4.0.0, as told in the SpiNNaker wire facts §1, §2, §6.
 */
import { Result, SCP_MIN_REQUEST, SCP_OFFSET, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import { SDP_MAX_DATAGRAM, SDP_PAYLOAD_OFFSET, SDP_TAG_NONE, SdpFlag } from "../protocol/sdp.ts"

/** Offsets in any SDP datagram, after the two pad bytes. */
const FLAGS = 2
const TAG = 3
const DEST_PORT_CPU = 4
const SOURCE_PORT_CPU = 5
/** Offset of an SCP message's sequence number, requests and replies alike. */
const SEQUENCE = SCP_OFFSET + 2
/** Offset of a request's first argument. */
const ARG1 = SCP_OFFSET + 4

/** Entries 8..15 of a board's tag table are the pool that transient tags come from; lower ones are users'. */
const FIRST_TRANSIENT_TAG = 8
const LAST_TRANSIENT_TAG = 15

function isResult(datagram: Uint8Array): boolean {
  return datagram[SCP_OFFSET + 1] === 0 && datagram[SCP_OFFSET]! >= Result.OK && datagram[SCP_OFFSET]! <= Result.PKT_TX
}

/** True if the board lends one of its eight transient tags to `datagram`, until the reply or for 2.56 s. */
export function takesTag(datagram: Uint8Array): boolean {
  if (datagram.length < SDP_PAYLOAD_OFFSET || datagram.length > SDP_MAX_DATAGRAM) return false
  return datagram[TAG] === SDP_TAG_NONE && (datagram[FLAGS]! & SdpFlag.replyExpected) !== 0
}

/** True if `datagram` goes to a monitor processor (virtual core 0), or to a BMP's own board. */
export function toMonitor(datagram: Uint8Array): boolean {
  return (datagram[DEST_PORT_CPU]! & 31) === 0
}

/**
 * True if `datagram`, on its way to the board, is an SCP request whose answer comes back this way: of a request's
 * length, to SDP port 0, with a command and not a result in its command field, a reply wanted, and no tag named that
 * would lead the reply elsewhere. SpiNNMan's 8-byte NAT opener is none, nor is SDP to an application.
 */
export function isRequest(datagram: Uint8Array): boolean {
  return (
    datagram.length >= SCP_MIN_REQUEST &&
    takesTag(datagram) &&
    datagram[DEST_PORT_CPU]! >> 5 === 0 &&
    !isResult(datagram)
  )
}

/**
 * True for what is no request of the kind above but may be answered like one: too short (SC&MP answers LEN), naming a
 * user's tag, or without the reply flag (SARK answers all the same).
 */
export function mayBeAnswered(datagram: Uint8Array): boolean {
  if (datagram.length < SCP_REPLY_BODY_OFFSET || datagram.length > SDP_MAX_DATAGRAM) return false
  return datagram[DEST_PORT_CPU]! >> 5 === 0 && !isResult(datagram)
}

/** True if `datagram`, on its way from the board, has the shape of an SCP reply. */
export function isReply(datagram: Uint8Array): boolean {
  if (datagram.length < SCP_REPLY_BODY_OFFSET || datagram.length > SDP_MAX_DATAGRAM) return false
  return datagram[SOURCE_PORT_CPU]! >> 5 === 0 && isResult(datagram)
}

/** True if `datagram`, from the board, has left through a transient tag and so has given it back. */
export function returnsTag(datagram: Uint8Array): boolean {
  if (datagram.length < SDP_PAYLOAD_OFFSET) return false
  return datagram[TAG]! >= FIRST_TRANSIENT_TAG && datagram[TAG]! <= LAST_TRANSIENT_TAG
}

/** The sequence number of a datagram that is known to be an SCP request or reply. */
export function sequenceOf(datagram: Uint8Array): number {
  return datagram[SEQUENCE]! | (datagram[SEQUENCE + 1]! << 8)
}

/** A copy of `datagram`, an SCP request or reply, with another sequence number. */
export function withSequence(datagram: Uint8Array, sequence: number): Uint8Array {
  const copy = datagram.slice()
  copy[SEQUENCE] = sequence & 0xff
  copy[SEQUENCE + 1] = sequence >>> 8
  return copy
}

/** True if two requests ask for the same thing: all bytes equal but the pad and the sequence number, which callers match. */
export function sameRequest(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = FLAGS; at < SEQUENCE; at++) if (a[at] !== b[at]) return false
  for (let at = ARG1; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}
