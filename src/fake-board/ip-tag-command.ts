/** IPTAG: setting, reading and clearing IP tags. Source: spinnaker_tools 4.0.0, cmd_iptag, iptag_t. */
import { decodeIptagRequest, encodeIptagRecord, IptagOp, ipToWord, wordToIp } from "../protocol/iptag.ts"
import { Result, SCP_MAX_DATA, type ScpRequest } from "../protocol/scp.ts"
import { type Answer, fail, ok, okWords } from "./command-call.ts"
import {
  emptyTag,
  TAG_COUNT,
  TAG_FIXED,
  TAG_POOL,
  type Tag,
  TagFlag,
  type TagTable,
  timeoutTicks,
} from "./tag-table.ts"

/** Bytes of one entry as GET shows it. */
const RECORD_BYTES = 32
/** The tag number that says "none". */
const NO_TAG = 255
/** The MAC address that tags show: there is no Ethernet under a fake board. Locally administered, as in the captures. */
const FAKE_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const NO_MAC = new Uint8Array(6)
const NO_HOST = "0.0.0.0"

/** What IPTAG works on: a chip or a BMP. */
export interface IptagCall {
  readonly tags: TagTable
  readonly request: ScpRequest
  /** IP address of the datagram that carried the request; undefined where it came over P2P from another chip. */
  readonly sourceHost: string | undefined
  readonly now: number
}

/** Executes IPTAG. The caller looks afterwards on which ports reverse tags listen. */
export function iptagCommand(call: IptagCall): Answer {
  const { tags, now } = call
  const request = decodeIptagRequest(call.request)
  if (request.operation > IptagOp.tto || request.tag >= TAG_COUNT) return fail(Result.ARG)
  switch (request.operation) {
    case IptagOp.new:
    case IptagOp.set: {
      const number = request.operation === IptagOp.new ? tags.free(now) : request.tag
      if (number === undefined) return okWords(NO_TAG)
      tags.set(number, makeTag(call), now)
      return okWords(number)
    }
    case IptagOp.get:
      return records(tags, request.tag, call.request.arg2, now)
    case IptagOp.clear:
      // Only the flags go; the rest of the entry stays to be seen, as on the chip.
      tags.at(request.tag, now).flags = 0
      return ok()
    default: {
      const before = tags.timeoutCode
      if (call.request.arg2 < 16) tags.timeoutCode = call.request.arg2
      return okWords((TAG_FIXED << 24) | (TAG_POOL << 16) | (RECORD_BYTES << 8) | before)
    }
  }
}

function makeTag({ tags, request: scp, sourceHost, now }: IptagCall): Tag {
  const request = decodeIptagRequest(scp)
  const ticks = timeoutTicks(request.timeoutCode)
  const asked =
    (request.strip ? TagFlag.strip : 0) |
    (request.reverse ? TagFlag.reverse : 0) |
    (request.useSender ? TagFlag.useSender : 0)
  // The number of ticks is or-ed into the flags as it is, so that very long lives (code 15) read as "transient": a
  // quirk of SC&MP's that is kept.
  const tag: Tag = {
    ...emptyTag(),
    flags: asked | ticks,
    timeoutTicks: ticks,
    destAddress: request.destAddress,
    destPort: request.destPort,
  }
  // The entry of the request's own tag: the sender, for requests with a transient tag.
  const own = scp.sdp.tag < TAG_COUNT ? tags.at(scp.sdp.tag, now) : undefined
  if (request.address !== 0) tag.host = wordToIp(request.address)
  else if (!request.reverse) tag.host = request.useSender ? (own?.host ?? NO_HOST) : (sourceHost ?? NO_HOST)
  if (request.reverse) {
    tag.rxPort = request.port
    tag.flags |= TagFlag.valid
  } else {
    tag.txPort = request.useSender ? (own?.txPort ?? 0) : request.port
    // ARP: this network answers at once; nobody answers for 0.0.0.0, and the tag stays pending.
    tag.flags |= tag.host === NO_HOST ? TagFlag.arpPending : TagFlag.valid
  }
  return tag
}

function records(tags: TagTable, first: number, count: number, now: number): Answer {
  if (count * RECORD_BYTES > SCP_MAX_DATA) return fail(Result.ARG)
  const body = new Uint8Array(count * RECORD_BYTES)
  for (let index = 0; index < count && first + index < TAG_COUNT; index++) {
    const tag = tags.at(first + index, now)
    const left = Number.isFinite(tag.expiresAt) ? Math.max(0, Math.ceil((tag.expiresAt - now) / 10)) : 0
    const record = encodeIptagRecord({
      address: ipToWord(tag.host),
      mac: tag.host === NO_HOST ? NO_MAC : FAKE_MAC,
      txPort: tag.txPort,
      timeoutTicks: left,
      flags: tag.flags,
      count: tag.count,
      rxPort: tag.rxPort,
      destAddress: tag.destAddress,
      destPort: tag.destPort,
    })
    body.set(record, index * RECORD_BYTES)
  }
  return ok(body)
}
