import { describe, expect, test } from "bun:test"
import { Framer, type FramingError } from "../../src/protocol/framer.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, integer, randomBytes } from "../support/fuzz.ts"

/** A tiny format: one byte that nobody reads, one byte of length. */
const shape = {
  headerBytes: 2,
  payloadLength: (bytes: Uint8Array, offset: number) => bytes[offset + 1]!,
  maxPayload: 9,
}

function frame(...payload: number[]): Uint8Array {
  return Uint8Array.of(0xee, payload.length, ...payload)
}

function run(chunks: readonly Uint8Array[]) {
  const framer = new Framer(shape)
  const frames: number[][] = []
  let error: FramingError | undefined
  let pending = 0
  for (const chunk of chunks) {
    error = framer.push(chunk, (bytes, start, end) => frames.push([...bytes.subarray(start, end)])) ?? error
    pending = Math.max(pending, framer.pendingBytes)
  }
  return { framer, frames, error, pending }
}

describe("Framer", () => {
  const stream = Buffer.concat([frame(), frame(1), frame(1, 2, 3), frame(9, 8, 7, 6, 5, 4, 3, 2, 1), frame()])
  const whole = run([stream]).frames

  test("finds every frame of one chunk, header included", () => {
    expect(whole.map((bytes) => bytes.length)).toEqual([2, 3, 5, 11, 2])
  })

  test("finds the same frames however the stream is cut, at every pair of places", () => {
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const pieces = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        const { frames, error, framer } = run(pieces)
        expect(frames).toEqual(whole)
        expect(error).toBeUndefined()
        expect(framer.pendingBytes).toBe(0)
      }
    }
  })

  test("keeps less than a header and a payload of the limit, whatever the cuts", () => {
    const random = seededRandom(1)
    const frames = Array.from({ length: 200 }, () => frame(...randomBytes(random, integer(random, 0, 9))))
    const { pending, frames: got } = run(cuts(random, Buffer.concat(frames), 30))
    expect(got).toEqual(frames.map((bytes) => [...bytes]))
    expect(pending).toBeLessThan(2 + 9)
  })

  test("checks a length before it keeps anything for it", () => {
    const { frames, error, framer } = run([Buffer.concat([frame(1), Uint8Array.of(0, 10)]), new Uint8Array(1000)])
    expect(frames).toEqual([[0xee, 1, 1]])
    expect(error).toEqual({ code: "frame-too-long", length: 10, limit: 9 })
    expect(framer.pendingBytes).toBe(0)
  })

  test("says the same error ever after, and finds no more frames", () => {
    const framer = new Framer(shape)
    const error = framer.push(Uint8Array.of(0, 200), () => {})
    let found = 0
    expect(framer.push(frame(1), () => found++)).toBe(error!)
    expect(found).toBe(0)
  })

  test("frames may be kept: later chunks do not change them", () => {
    const framer = new Framer(shape)
    const kept: Uint8Array[] = []
    const pieces = [frame(1, 2).subarray(0, 3), Buffer.concat([frame(1, 2).subarray(3), frame(3).subarray(0, 2)])]
    for (const piece of [...pieces, frame(3).subarray(2), frame(4, 4, 4)])
      framer.push(piece, (bytes, start, end) => kept.push(bytes.subarray(start, end)))
    expect(kept.map((bytes) => [...bytes])).toEqual([[...frame(1, 2)], [...frame(3)], [...frame(4, 4, 4)]])
  })
})
