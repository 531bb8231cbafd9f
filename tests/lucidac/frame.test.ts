import { describe, expect, test } from "bun:test"
import { encodeFrame, FrameDecoder, type FrameError, MAX_FRAME_BODY, varintLength } from "../../src/lucidac/frame.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, fromHex, integer, mutate, randomBytes } from "../support/fuzz.ts"
import { bodyOf, EXAMPLES } from "./byte-examples.ts"

function run(chunks: readonly Uint8Array[]) {
  const decoder = new FrameDecoder()
  const bodies: Buffer[] = []
  let error: FrameError | undefined
  let pending = 0
  for (const chunk of chunks) {
    error = decoder.push(chunk, (body) => void bodies.push(Buffer.from(body))) ?? error
    pending = Math.max(pending, decoder.pendingBytes)
  }
  return { decoder, bodies, error, pending }
}

const random = seededRandom(1)
/** None, one byte, the longest with one byte of length, the shortest with two, and one that outgrows the first buffer. */
const BODIES = [0, 1, 127, 128, 9_000].map((length) => Buffer.from(randomBytes(random, length)))
const STREAM = Buffer.concat(BODIES.map(encodeFrame))

describe("encodeFrame()", () => {
  test.each(Object.entries(EXAMPLES))("frames the example %s as the devices do", (_name, frame) => {
    expect(Buffer.from(encodeFrame(bodyOf(frame)))).toEqual(Buffer.from(frame))
  })

  test("writes the length as a varint, low group first", () => {
    expect(encodeFrame(new Uint8Array(300)).subarray(0, 3)).toEqual(fromHex("ac0200"))
    expect([0, 127, 128, 16_383, 16_384, 262_084].map(varintLength)).toEqual([1, 1, 2, 2, 3, 3])
  })

  test("takes 262,084 bytes and throws RangeError for one more", () => {
    expect(encodeFrame(new Uint8Array(MAX_FRAME_BODY)).length).toBe(3 + MAX_FRAME_BODY)
    expect(() => encodeFrame(new Uint8Array(MAX_FRAME_BODY + 1))).toThrow(RangeError)
  })
})

describe("FrameDecoder", () => {
  test.each(Object.entries(EXAMPLES))("takes the example %s out of its frame", (_name, frame) => {
    expect(run([frame]).bodies).toEqual([Buffer.from(bodyOf(frame))])
  })

  test("finds the same messages with the stream cut in two at every place", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      const { bodies, error, decoder } = run([STREAM.subarray(0, at), STREAM.subarray(at)])
      expect(error).toBeUndefined()
      expect(decoder.pendingBytes).toBe(0)
      expect(bodies.map(({ length }) => length)).toEqual([0, 1, 127, 128, 9_000])
      expect(Buffer.compare(Buffer.concat(bodies), Buffer.concat(BODIES))).toBe(0)
    }
  })

  test("finds the same messages with all examples cut in three at every pair of places", () => {
    const stream = Buffer.concat(Object.values(EXAMPLES).slice(0, 4))
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const { bodies } = run([stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)])
        expect(bodies).toEqual(
          Object.values(EXAMPLES)
            .slice(0, 4)
            .map((frame) => Buffer.from(bodyOf(frame))),
        )
      }
    }
  })

  test("finds the same messages byte by byte, and a long one in time that grows with its length only", () => {
    expect(run(Array.from(STREAM, (byte) => Uint8Array.of(byte))).bodies).toEqual(BODIES)
    const longest = encodeFrame(randomBytes(random, MAX_FRAME_BODY))
    const { bodies } = run(Array.from(longest, (byte) => Uint8Array.of(byte)))
    expect(Buffer.compare(bodies[0]!, longest.subarray(3))).toBe(0)
  })

  test("takes a message of 262,084 bytes and refuses one of 262,085 before any of it is kept", () => {
    expect(run([encodeFrame(new Uint8Array(MAX_FRAME_BODY))]).bodies[0]?.length).toBe(MAX_FRAME_BODY)
    const { bodies, error, pending } = run([EXAMPLES.ping, fromHex("c5 ff 0f"), EXAMPLES.ping])
    expect(bodies).toHaveLength(1)
    expect(error).toEqual({ code: "frame-too-long", length: 262_085, limit: 262_084 })
    expect(pending).toBeLessThanOrEqual(3)
  })

  test("announcing the longest message takes no memory for it", () => {
    const decoder = new FrameDecoder()
    decoder.push(fromHex("c4 ff 0f 01"), () => {})
    expect(decoder.pendingBytes).toBe(4)
  })

  test("refuses a length whose varint does not end after ten bytes, and one that is zero in eleven", () => {
    expect(run([fromHex("80 80 80 80 80 80 80 80 80 80 00")]).error).toEqual({ code: "bad-length" })
    expect(run([fromHex("80 80 80 80 80 80 80 80 80 00")]).bodies).toHaveLength(1)
    expect(run([fromHex("ff ff ff ff ff ff ff ff ff 01")]).error?.code).toBe("frame-too-long")
  })

  test("stays in error: nothing after it is taken", () => {
    const decoder = new FrameDecoder()
    const error = decoder.push(fromHex("ff ff ff ff 0f"), () => {})
    expect(decoder.push(EXAMPLES.ping, () => expect.unreachable())).toBe(error!)
  })

  test("stops in the middle of a chunk for an owner that has had enough", () => {
    let count = 0
    new FrameDecoder().push(Buffer.concat([EXAMPLES.ping, EXAMPLES.ping]), () => ++count < 1)
    expect(count).toBe(1)
  })

  test("never throws and never keeps more than the limit, whatever comes", () => {
    const generator = seededRandom(3)
    for (let round = 0; round < 400; round++) {
      const bytes = round % 2 ? mutate(generator, STREAM) : randomBytes(generator, integer(generator, 0, 500))
      const { pending, bodies } = run(cuts(generator, bytes, 200))
      expect(pending).toBeLessThan(10 + MAX_FRAME_BODY)
      expect(bodies.every(({ length }) => length <= MAX_FRAME_BODY)).toBe(true)
    }
  })
})
