import { expect, test } from "bun:test"
import { FrameDecoder } from "../../src/lucidac/frame.ts"
import { OutputBuffer, SLAB_BYTES } from "../../src/lucidac/output-buffer.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, randomBytes } from "../support/fuzz.ts"

test("gives back every byte in order, however little is taken at a time", () => {
  const random = seededRandom(7)
  const buffer = new OutputBuffer()
  const put: Buffer[] = []
  const got: Buffer[] = []
  for (let round = 0; round < 400; round++) {
    for (let count = integer(random, 0, 4); count > 0; count--) {
      const bytes = randomBytes(random, integer(random, 0, 30_000))
      put.push(Buffer.from(bytes))
      buffer.append(bytes)
      bytes.fill(0)
    }
    let room = integer(random, 0, 60_000)
    buffer.drain((bytes) => {
      const taken = Math.min(room, bytes.length)
      room -= taken
      got.push(Buffer.from(bytes.subarray(0, taken)))
      return taken
    })
  }
  const all = Buffer.concat(put)
  expect(buffer.bytes).toBe(all.length - Buffer.concat(got).length)
  expect(buffer.drain((bytes) => got.push(Buffer.from(bytes)) && bytes.length)).toBe(true)
  expect(Buffer.concat(got).equals(all)).toBe(true)
  expect(buffer.bytes).toBe(0)
})

test("frames what it is given, over the ends of slabs", () => {
  const buffer = new OutputBuffer()
  const bodies = [1, 127, 128, SLAB_BYTES - 3, SLAB_BYTES, 3 * SLAB_BYTES].map((length) =>
    new Uint8Array(length).fill(length),
  )
  for (const body of bodies) buffer.frame(body)
  const decoder = new FrameDecoder()
  const read: Uint8Array[] = []
  buffer.drain((bytes) => {
    decoder.push(bytes, (body) => void read.push(body.slice()))
    return bytes.length
  })
  expect(read).toEqual(bodies)
})

test("is empty when cleared, and goes on", () => {
  const buffer = new OutputBuffer()
  buffer.append(new Uint8Array(200_000))
  buffer.drain(() => 10)
  buffer.clear()
  expect(buffer.bytes).toBe(0)
  buffer.append(Uint8Array.of(1, 2))
  const got: number[] = []
  buffer.drain((bytes) => got.push(...bytes) && bytes.length)
  expect(got).toEqual([1, 2])
})

test("uses slabs again while something waits, and gives them up by and by when nothing does", () => {
  const buffer = new OutputBuffer()
  const piece = new Uint8Array(SLAB_BYTES)
  for (let count = 0; count < 100; count++) buffer.append(piece)
  expect(buffer.slabs).toBe(100)
  // A client that catches up while more comes.
  for (let count = 0; count < 1_000; count++) {
    let taken = 2 * SLAB_BYTES
    buffer.drain((bytes) => {
      const some = Math.min(bytes.length, taken)
      taken -= some
      return some
    })
    buffer.append(piece)
    expect(buffer.slabs).toBeLessThanOrEqual(100)
  }
  for (let count = 0; count < 200; count++) buffer.drain((bytes) => bytes.length)
  expect(buffer.slabs).toBe(4)
  buffer.append(piece)
  buffer.clear()
  expect(buffer.slabs).toBe(0)
})
