import { expect, test } from "bun:test"
import { SCP_PORT } from "../../src/protocol/scp.ts"
import {
  isReply,
  isRequest,
  mayBeAnswered,
  returnsTag,
  sameRequest,
  sequenceOf,
  takesTag,
  withSequence,
} from "../../src/relay/scp-classify.ts"
import { readPcap } from "../support/pcap.ts"
import { requestBytes } from "../support/scp-client.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/[ |]/g, ""), "hex"))
/** rig's first VER and its answer, from the wire facts §1.3. */
const VER = hex("0000 87 ff 00 ff ff ff 00 00 | 0000 0000 | 000000000000000000000000")
const VER_REPLY = hex("0000 07 08 ff 00 00 00 00 00 | 8000 0000 | 00000000 0001ffff 00000000")

test("a request is told by length, port 0, no result in its command field, and a reply wanted by transient tag", () => {
  expect(isRequest(VER)).toBe(true)
  expect(isRequest(VER.subarray(0, 25))).toBe(false)
  expect(isRequest(new Uint8Array(283))).toBe(false)
  expect(isRequest(VER_REPLY)).toBe(false)
  const change = (at: number, value: number): Uint8Array => {
    const copy = VER.slice()
    copy[at] = value
    return copy
  }
  expect(isRequest(change(2, 0x07))).toBe(false)
  expect(isRequest(change(3, 2))).toBe(false)
  expect(isRequest(change(4, 0x21))).toBe(false)
  expect(isRequest(change(4, 0x05))).toBe(true)
  expect(isRequest(change(10, 0x80))).toBe(false)
})

test("SpiNNMan's 8-byte NAT opener is nothing that is looked into", () => {
  const opener = hex("07 00 60 ff 00 00 00 00")
  expect(isRequest(opener)).toBe(false)
  expect(takesTag(opener)).toBe(false)
  expect(mayBeAnswered(opener)).toBe(false)
  expect(isReply(opener)).toBe(false)
  expect(returnsTag(opener)).toBe(false)
})

test("a reply is told by its result code and port, not by flags: SARK leaves bit 7 set", () => {
  expect(isReply(VER_REPLY)).toBe(true)
  const sark = VER_REPLY.slice()
  sark[2] = 0x87
  expect(isReply(sark)).toBe(true)
  const fromApplication = VER_REPLY.slice()
  fromApplication[5] = 0x25
  expect(isReply(fromApplication)).toBe(false)
  expect(isReply(VER_REPLY.subarray(0, 13))).toBe(false)
  expect(returnsTag(VER_REPLY)).toBe(true)
})

test("short requests, those that name a tag and those without the reply flag may be answered all the same", () => {
  const noReply = VER.slice()
  noReply[2] = 0x07
  expect(mayBeAnswered(noReply)).toBe(true)
  expect(mayBeAnswered(VER.subarray(0, 14))).toBe(true)
  expect(mayBeAnswered(VER.subarray(0, 13))).toBe(false)
})

test("withSequence() changes a copy", () => {
  const other = withSequence(VER, 0xabcd)
  expect(sequenceOf(other)).toBe(0xabcd)
  expect(sequenceOf(VER)).toBe(0)
  expect(sameRequest(VER, other)).toBe(true)
})

test("sameRequest() compares everything but pad and sequence number", () => {
  const request = requestBytes({ command: 3, arg1: 1, arg2: 4, data: new Uint8Array(4) }, 1)
  for (let at = 0; at < request.length; at++) {
    const other = request.slice()
    other[at]! ^= 1
    expect([at, sameRequest(request, other)]).toEqual([at, at < 2 || at === 12 || at === 13])
  }
  expect(sameRequest(request, request.subarray(0, 29))).toBe(false)
})

test.each(["rig-bmp", "rig-rw64k-window8", "spinnman-boot-spin5", "ybug-boot-spin5", "ybug-dup-reply"])(
  "every SCP datagram of the captured session %s is told by its direction",
  async (name) => {
    const packets = [...readPcap(await Bun.file(`${import.meta.dir}/../captures/${name}.pcap`).bytes())]
    const toBoard = packets.filter((packet) => packet.destination.port === SCP_PORT).map((packet) => packet.payload)
    const fromBoard = packets.filter((packet) => packet.source.port === SCP_PORT).map((packet) => packet.payload)
    expect(toBoard.length).toBeGreaterThan(0)
    expect(toBoard.filter((datagram) => !isRequest(datagram))).toEqual([])
    expect(fromBoard.filter((datagram) => !isReply(datagram) || !returnsTag(datagram))).toEqual([])
  },
)
