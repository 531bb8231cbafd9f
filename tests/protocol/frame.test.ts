import { describe, expect, test } from "bun:test"
import { encodeFrame, FRAME_HEADER, FrameDecoder, MAX_DATAGRAM } from "../../src/protocol/frame.ts"
import type { FramingError } from "../../src/protocol/framer.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, fromHex, integer, mutate, randomBytes } from "../support/fuzz.ts"

function run(chunks: readonly Uint8Array[]) {
  const decoder = new FrameDecoder()
  const datagrams: Buffer[] = []
  let error: FramingError | undefined
  let pending = 0
  for (const chunk of chunks) {
    error = decoder.push(chunk, (datagram) => datagrams.push(Buffer.from(datagram))) ?? error
    pending = Math.max(pending, decoder.pendingBytes)
  }
  return { decoder, datagrams, error, pending }
}

/** 0 bytes, 1 byte, one SCP request, one boot block. */
const random = seededRandom(1)
const DATAGRAMS = [0, 1, 26, 1042].map((length) => Buffer.from(randomBytes(random, length)))
const STREAM = Buffer.concat(DATAGRAMS.map(encodeFrame))

describe("encodeFrame()", () => {
  test("puts a u32 big-endian length before the datagram", () => {
    expect(encodeFrame(Uint8Array.of(7, 8, 9))).toEqual(fromHex("00000003 070809"))
    expect(encodeFrame(new Uint8Array(1042)).subarray(0, 4)).toEqual(fromHex("00000412"))
  })

  test("takes 65,507 bytes and throws RangeError for one more", () => {
    expect(encodeFrame(new Uint8Array(MAX_DATAGRAM)).length).toBe(FRAME_HEADER + MAX_DATAGRAM)
    expect(() => encodeFrame(new Uint8Array(MAX_DATAGRAM + 1))).toThrow(RangeError)
  })
})

describe("FrameDecoder", () => {
  test("finds the same datagrams with the stream cut in two at every place", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      const { datagrams, error, decoder } = run([STREAM.subarray(0, at), STREAM.subarray(at)])
      expect(error).toBeUndefined()
      expect(decoder.pendingBytes).toBe(0)
      expect(Buffer.compare(Buffer.concat(datagrams), Buffer.concat(DATAGRAMS))).toBe(0)
      expect(datagrams.map(({ length }) => length)).toEqual([0, 1, 26, 1042])
    }
  })

  test("finds the same datagrams with a short stream cut in three at every pair of places", () => {
    const short = Buffer.concat([[1], [2, 3], [], [4, 5, 6]].map((bytes) => encodeFrame(Uint8Array.from(bytes))))
    for (let first = 0; first <= short.length; first++) {
      for (let second = first; second <= short.length; second++) {
        const { datagrams } = run([short.subarray(0, first), short.subarray(first, second), short.subarray(second)])
        expect(datagrams.map((datagram) => [...datagram])).toEqual([[1], [2, 3], [], [4, 5, 6]])
      }
    }
  })

  test("finds the same datagrams byte by byte", () => {
    const { datagrams } = run(Array.from(STREAM, (byte) => Uint8Array.of(byte)))
    expect(datagrams).toEqual(DATAGRAMS)
  })

  test("takes a frame of 65,507 bytes and refuses one of 65,508, whatever followed or led", () => {
    const longest = encodeFrame(new Uint8Array(MAX_DATAGRAM))
    expect(run([longest]).datagrams[0]?.length).toBe(MAX_DATAGRAM)
    const { datagrams, error, pending } = run([encodeFrame(Uint8Array.of(1)), fromHex("0000ffe4"), longest])
    expect(datagrams).toHaveLength(1)
    expect(error).toEqual({ code: "frame-too-long", length: 65_508, limit: 65_507 })
    expect(pending).toBe(0)
    expect(run([fromHex("ffffffff")]).error?.length).toBe(0xffff_ffff)
    expect(run([fromHex("5350494e 00010000")]).error?.length).toBe(0x5350494e)
  })

  test("never keeps more than one unfinished frame", () => {
    const generator = seededRandom(2)
    const stream = Buffer.concat(
      Array.from({ length: 40 }, () => encodeFrame(new Uint8Array(integer(generator, 0, 4000)))),
    )
    const { pending, datagrams } = run(cuts(generator, stream, 3000))
    expect(datagrams).toHaveLength(40)
    expect(pending).toBeLessThan(FRAME_HEADER + 4000)
  })

  test("never throws and never keeps more than the limit, whatever comes", () => {
    const generator = seededRandom(3)
    for (let round = 0; round < 300; round++) {
      const bytes = round % 2 ? mutate(generator, STREAM) : randomBytes(generator, integer(generator, 0, 500))
      const { pending, datagrams } = run(cuts(generator, bytes, 200))
      expect(pending).toBeLessThan(FRAME_HEADER + MAX_DATAGRAM)
      expect(datagrams.every(({ length }) => length <= MAX_DATAGRAM)).toBe(true)
    }
  })

  test("a stream that breaks off leaves the whole datagrams, and the rest pending", () => {
    for (let at = 0; at < STREAM.length; at++) {
      const { datagrams, decoder } = run([STREAM.subarray(0, at)])
      const whole = datagrams.reduce((sum, { length }) => sum + FRAME_HEADER + length, 0)
      expect(whole + decoder.pendingBytes).toBe(at)
    }
  })
})
