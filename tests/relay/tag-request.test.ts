import { describe, expect, test } from "bun:test"
import { decodeIptagRecord, encodeIptagRecord, IptagOp, ipToWord } from "../../src/protocol/iptag.ts"
import { decodeScpReply, decodeScpRequest, encodeScpReply, Result } from "../../src/protocol/scp.ts"
import {
  isTagRequest,
  refusal,
  tagInReply,
  tagReplyOf,
  tagRequestOf,
  towardRelay,
  withAsked,
} from "../../src/relay/tag-request.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes } from "../support/fuzz.ts"
import { replyTo } from "../support/guarded.ts"
import { verRequest } from "../support/scp-requests.ts"
import { iptag, iptagRequest, sdpToEcho } from "../support/tag-program.ts"

describe("a tag request", () => {
  test("is IPTAG to a monitor that wants an answer, and nothing else", () => {
    expect(isTagRequest(iptagRequest(1, {}))).toBe(true)
    expect(isTagRequest(verRequest(1))).toBe(false)
    expect(isTagRequest(sdpToEcho("hello, this is no request"))).toBe(false)
    const toCore = iptagRequest(1, {})
    toCore[4] = 5
    expect(isTagRequest(toCore)).toBe(false)
    expect(isTagRequest(iptagRequest(1, {}).subarray(0, 25))).toBe(false)
  })

  test("is taken apart; the time-out of transient tags and mistakes concern no single tag", () => {
    expect(tagRequestOf(iptagRequest(7, { tag: 3, port: 99 }))).toMatchObject({ kind: "set", sequence: 7, tag: 3 })
    expect(tagRequestOf(iptagRequest(7, { operation: IptagOp.get, tag: 1 }, 4))).toMatchObject({
      kind: "get",
      count: 4,
    })
    expect(tagRequestOf(iptagRequest(7, { operation: IptagOp.tto }, 9))).toBeUndefined()
    expect(tagRequestOf(iptagRequest(7, { operation: 5 }))).toBeUndefined()
    expect(tagRequestOf(iptagRequest(7, { tag: 16 }))).toBeUndefined()
  })

  test("goes to the board with the server's port, no address and never the sender's", () => {
    const asked = { tag: 3, port: 99, address: ipToWord("192.0.2.1"), useSender: true, strip: true, timeoutCode: 4 }
    const sent = iptagRequest(7, asked)
    const rewritten = tagRequestOf(towardRelay(sent, 4321))
    expect(rewritten?.asked).toEqual(iptag({ ...asked, port: 4321, address: 0, useSender: false }))
    expect(rewritten?.sequence).toBe(7)
    expect(tagRequestOf(sent)?.asked.port).toBe(99)
  })

  test("for a reverse tag keeps its port and where it leads", () => {
    const asked = { tag: 3, reverse: true, port: 12345, destAddress: 0x0102, destPort: 0x25, address: 77 }
    expect(tagRequestOf(towardRelay(iptagRequest(7, asked), 4321))?.asked).toEqual(iptag({ ...asked, address: 0 }))
  })

  test("that is refused is answered as a board would: ARG, its number, to where it came from", () => {
    const request = iptagRequest(0x1234, { reverse: true })
    const reply = decodeScpReply(refusal(request))!
    expect([reply.result, reply.sequence, reply.body.length]).toEqual([Result.ARG, 0x1234, 0])
    expect(reply.sdp).toMatchObject({ flags: 7, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 0 })
  })
})

test("GET's records are shown as they were asked for, others as they are", () => {
  const record = { address: 5, mac: new Uint8Array(6), txPort: 6, timeoutTicks: 7, flags: 0x8000, count: 8 }
  const bytes = encodeIptagRecord({ ...record, rxPort: 0, destAddress: 0, destPort: 0 })
  const request = iptagRequest(1, { operation: IptagOp.get }, 3)
  const reply = replyTo(request, { body: Buffer.concat([bytes, bytes, bytes]) })
  const asker = { host: "127.0.0.1", port: 4000 }
  const asked = new Map([
    [0, iptag({ port: 17892 })],
    [2, iptag({ useSender: true, address: ipToWord("192.0.2.5") })],
  ])
  const { body } = decodeScpReply(withAsked(reply, 0, asker, (tag) => asked.get(tag)))!
  const [first, second, third] = [0, 32, 64].map((at) => decodeIptagRecord(body.subarray(at))!)
  expect([first!.address, first!.txPort, first!.count]).toEqual([ipToWord("127.0.0.1"), 17892, 8])
  expect([second!.address, second!.txPort]).toEqual([5, 6])
  expect([third!.address, third!.txPort, third!.flags]).toEqual([ipToWord("192.0.2.5"), 4000, 0x8400])
})

test("no bytes whatever make any of it throw", () => {
  const random = seededRandom(26)
  for (let round = 0; round < 5_000; round++) {
    const whole = iptagRequest(integer(random, 0, 65_535), {
      operation: integer(random, 0, 6),
      tag: integer(random, 0, 255),
    })
    const bytes = round % 3 === 0 ? randomBytes(random, integer(random, 0, 300)) : mutate(random, whole)
    const request = tagRequestOf(bytes)
    if (request) {
      expect(decodeScpRequest(towardRelay(bytes, 1))).toBeDefined()
      refusal(bytes)
    }
    const reply = tagReplyOf(bytes)
    if (reply) tagInReply(reply)
    withAsked(bytes, integer(random, 0, 255), { host: "x", port: 0 }, () => iptag({}))
    const answer = { ...decodeScpReply(replyTo(whole))!, body: randomBytes(random, integer(random, 0, 256)) }
    withAsked(encodeScpReply(answer), 0, { host: "", port: 0 }, () => iptag({}))
  }
})
