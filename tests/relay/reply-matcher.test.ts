import { describe, expect, test } from "bun:test"
import { encodeScpReply, encodeScpRequest } from "../../src/protocol/scp.ts"
import { encodeSdp } from "../../src/protocol/sdp.ts"
import { FORGET_AFTER_MS, LastSenderMatcher, MAX_OUTSTANDING, ScpReplyMatcher } from "../../src/relay/reply-matcher.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes } from "../support/fuzz.ts"

/** A core of the machine. */
interface Where {
  x?: number
  y?: number
  cpu?: number
  port?: number
}

const host = { port: 7, cpu: 31, x: 0, y: 0 }

function sdp(flags: number, to: Where, from: Where) {
  return {
    flags,
    tag: 255,
    destPort: to.port ?? 0,
    destCpu: to.cpu ?? 0,
    destX: to.x ?? 0,
    destY: to.y ?? 0,
    srcPort: from.port ?? 0,
    srcCpu: from.cpu ?? 0,
    srcX: from.x ?? 0,
    srcY: from.y ?? 0,
  }
}

function request(sequence: number, to: Where = {}): Uint8Array {
  const nothing = { arg1: 0, arg2: 0, arg3: 0, data: new Uint8Array(0) }
  return encodeScpRequest({ sdp: sdp(0x87, to, host), command: 2, sequence, ...nothing })
}

function reply(sequence: number, from: Where = {}): Uint8Array {
  return encodeScpReply({ sdp: sdp(0x07, host, from), result: 0x80, sequence, body: new Uint8Array(4) })
}

describe("ScpReplyMatcher", () => {
  test("gives each reply to the flow that asked, once", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(10), 0)
    matcher.requested(2, request(20), 0)
    expect(matcher.ownerOf(reply(20), 1)).toBe(2)
    expect(matcher.ownerOf(reply(10), 1)).toBe(1)
    expect(matcher.ownerOf(reply(10), 1)).toBeUndefined()
    expect(matcher.ownerOf(reply(99), 1)).toBeUndefined()
  })

  test("tells equal sequence numbers apart by the core that answers", () => {
    const cores: Where[] = [{ x: 0, y: 1 }, { x: 1, y: 0 }, { cpu: 3 }, { port: 1, cpu: 3 }, {}]
    for (let first = 0; first < cores.length; first++) {
      const matcher = new ScpReplyMatcher()
      for (const [flow, core] of cores.entries()) matcher.requested(flow, request(5, core), 0)
      for (let i = 0; i < cores.length; i++) {
        const flow = (first + i) % cores.length
        expect(matcher.ownerOf(reply(5, cores[flow]!), 1)).toBe(flow)
      }
    }
  })

  test("gives equal requests to one core their replies in the order in which they were asked", () => {
    const matcher = new ScpReplyMatcher()
    for (const flow of [3, 1, 2]) matcher.requested(flow, request(5), 0)
    expect([1, 2, 3].map(() => matcher.ownerOf(reply(5), 1))).toEqual([3, 1, 2])
  })

  test("takes the chip 255,255 for whichever chip answers on that core", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(5, { x: 255, y: 255 }), 0)
    matcher.requested(2, request(5, { x: 255, y: 255, cpu: 1 }), 0)
    expect(matcher.ownerOf(reply(5, { x: 0, y: 0, cpu: 1 }), 1)).toBe(2)
    expect(matcher.ownerOf(reply(5, { x: 3, y: 4 }), 1)).toBe(1)
  })

  test("gives nobody the second answer to a repeated request, though another waits for that number", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(5, { x: 1 }), 0)
    matcher.requested(1, request(5, { x: 1 }), 500)
    matcher.requested(2, request(5, { x: 2 }), 500)
    expect(matcher.ownerOf(reply(5, { x: 1 }), 600)).toBe(1)
    expect(matcher.ownerOf(reply(5, { x: 1 }), 601)).toBeUndefined()
    expect(matcher.ownerOf(reply(5, { x: 2 }), 602)).toBe(2)
  })

  test("with one application alone the sequence number is enough, whoever seems to answer", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(5, { x: 1 }), 0)
    expect(matcher.ownerOf(reply(6, { x: 1 }), 1)).toBeUndefined()
    expect(matcher.ownerOf(reply(5, { x: 9, cpu: 9 }), 1)).toBe(1)
    expect(matcher.ownerOf(reply(5, { x: 9, cpu: 9 }), 1)).toBeUndefined()
  })

  test("forgets a request after 12 s, longer than the slowest command takes", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(5), 0)
    matcher.requested(2, request(6), 1)
    expect(matcher.ownerOf(reply(5), FORGET_AFTER_MS + 1)).toBeUndefined()
    expect(matcher.ownerOf(reply(6), FORGET_AFTER_MS + 1)).toBe(2)
  })

  test("forgets a flow's requests with the flow", () => {
    const matcher = new ScpReplyMatcher()
    matcher.requested(1, request(5), 0)
    matcher.requested(2, request(6), 0)
    matcher.forget(1)
    expect(matcher.ownerOf(reply(5), 1)).toBeUndefined()
    expect(matcher.ownerOf(reply(6), 1)).toBe(2)
  })

  test("remembers 4096 requests at most, the newest", () => {
    const matcher = new ScpReplyMatcher()
    for (let i = 0; i <= MAX_OUTSTANDING; i++) matcher.requested(1, request(i), 0)
    expect(matcher.ownerOf(reply(0), 1)).toBeUndefined()
    expect(matcher.ownerOf(reply(1), 1)).toBe(1)
    expect(matcher.ownerOf(reply(MAX_OUTSTANDING), 1)).toBe(1)
  })

  test("sends what is no SCP reply to whoever spoke last, as Python's own proxy does", () => {
    const matcher = new ScpReplyMatcher()
    const data = encodeSdp(sdp(0x07, host, { cpu: 4, port: 1 }), new Uint8Array(20))
    expect(matcher.ownerOf(data, 0)).toBeUndefined()
    matcher.requested(1, request(5), 0)
    matcher.requested(2, encodeSdp(sdp(0x07, { cpu: 4, port: 1 }, host), new Uint8Array(2)), 0)
    expect(matcher.ownerOf(data, 1)).toBe(2)
    matcher.forget(2)
    expect(matcher.ownerOf(data, 1)).toBeUndefined()
  })

  test("never throws, whatever passes", () => {
    const random = seededRandom(4)
    const matcher = new ScpReplyMatcher()
    for (let run = 0; run < 3000; run++) {
      const bytes = run % 2 ? mutate(random, request(run)) : randomBytes(random, integer(random, 0, 40))
      matcher.requested(integer(random, 1, 5), bytes, run)
      matcher.ownerOf(run % 3 ? mutate(random, reply(run)) : bytes, run)
      if (run % 50 === 0) matcher.forget(integer(random, 1, 5))
    }
  })
})

describe("LastSenderMatcher", () => {
  test("gives everything to whoever sent last, until that flow is over", () => {
    const matcher = new LastSenderMatcher()
    expect(matcher.ownerOf()).toBeUndefined()
    matcher.requested(1)
    matcher.requested(2)
    expect(matcher.ownerOf()).toBe(2)
    matcher.forget(1)
    expect(matcher.ownerOf()).toBe(2)
    matcher.forget(2)
    expect(matcher.ownerOf()).toBeUndefined()
  })
})
