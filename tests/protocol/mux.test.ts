import { describe, expect, test } from "bun:test"
import {
  decodePreface,
  encodeClose,
  encodeData,
  encodeNotice,
  encodeOpen,
  encodePing,
  encodePreface,
  encodeTagged,
  MUX_HEADER,
  MUX_MAX_NOTICE,
  MUX_MAX_PAYLOAD,
  MUX_MAX_TEXT,
  MuxDecoder,
  type MuxError,
  type MuxFrame,
  startsLikePreface,
  type TaggedDatagram,
} from "../../src/protocol/mux.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, fromHex, integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

function run(chunks: readonly Uint8Array[]) {
  const decoder = new MuxDecoder()
  const frames: MuxFrame[] = []
  let error: MuxError | undefined
  let pending = 0
  for (const chunk of chunks) {
    error = decoder.push(chunk, (frame) => frames.push(frame)) ?? error
    pending = Math.max(pending, decoder.pendingBytes)
  }
  return { decoder, frames, error, pending }
}

/** A frame by hand: type, payload, flow. */
function raw(type: number, payload: Uint8Array, flow = 1): Uint8Array {
  const frame = new Uint8Array(8 + payload.length)
  const view = new DataView(frame.buffer)
  view.setUint8(0, type)
  view.setUint16(2, payload.length)
  view.setUint32(4, flow)
  frame.set(payload, 8)
  return frame
}

const SHORT = Buffer.concat([
  encodeOpen(1, "boot", "", "a:1"),
  encodeData(1, Uint8Array.of(1, 2)),
  encodePing("ping", Uint8Array.of(9)),
  encodeNotice(0, "b", Uint8Array.of(3)),
  raw(77, Uint8Array.of(0)),
  encodeClose(1, "idle"),
])
const WHOLE = run([SHORT]).frames

describe("the preface", () => {
  test("is SPIN, a version and two zeros, and says its version", () => {
    expect(encodePreface()).toEqual(fromHex("5350494e 0001 0000"))
    expect(decodePreface(encodePreface(0x1234))).toBe(0x1234)
  })

  test("decodePreface() is undefined for anything else, and for one that is cut short", () => {
    for (let length = 0; length < 8; length++)
      expect(decodePreface(encodePreface().subarray(0, length))).toBeUndefined()
    for (let at = 0; at < 4; at++) {
      const wrong = encodePreface()
      wrong[at]! ^= 1
      expect(decodePreface(wrong)).toBeUndefined()
    }
  })

  test("startsLikePreface() decides with the first byte that differs", () => {
    for (let length = 0; length <= 8; length++)
      expect(startsLikePreface(encodePreface().subarray(0, length))).toBe(true)
    for (const text of ["X", "SX", "SPX", "SPIX", "spin"]) expect(startsLikePreface(utf8(text))).toBe(false)
  })

  test("is an impossible length to a Python server", () => {
    expect(new DataView(encodePreface().buffer).getUint32(0)).toBeGreaterThan(65_507)
  })
})

describe("the mux codec", () => {
  test("writes frames as its header says", () => {
    expect(encodeData(0x01020304, Uint8Array.of(0xaa))).toEqual(fromHex("02 00 0001 01020304 aa"))
    expect(encodeOpen(5, "boot", "b", "a:1")).toEqual(fromHex("01 00 0006 00000005 01 01 62 613a31"))
    expect(encodeOpen(5, "scp", "", "")).toEqual(fromHex("01 00 0002 00000005 00 00"))
    expect(encodeClose(5, "idle", "why")).toEqual(fromHex("03 00 0008 00000005 69646c65 20 776879"))
    expect(encodePing("ping", Uint8Array.of(7))).toEqual(fromHex("04 00 0001 00000000 07"))
    expect(encodePing("pong", Uint8Array.of(7))[0]).toBe(5)
    expect(encodeNotice(2, "b", Uint8Array.of(9, 8))).toEqual(fromHex("07 00 0005 00000000 02 01 62 0908"))
  })

  test("reads back every kind of frame, flow ids up to 2^32 - 1", () => {
    const flow = 0xffff_ffff
    expect(
      run([
        encodeOpen(flow, "scp", "Board 1", "192.0.2.7:40112"),
        encodeData(flow, new Uint8Array(0)),
        encodeClose(flow, "refused", "too many flows"),
        encodeClose(flow, "", ""),
        encodePing("pong", utf8("abc")),
        encodeNotice(255, "Board 1", new Uint8Array(0)),
      ]).frames,
    ).toEqual([
      { type: "open", flow, channel: "scp", board: "Board 1", application: "192.0.2.7:40112" },
      { type: "data", flow, datagram: new Uint8Array(0) },
      { type: "close", flow, code: "refused", detail: "too many flows" },
      { type: "close", flow, code: "", detail: "" },
      { type: "pong", payload: utf8("abc") },
      { type: "notice", kind: 255, board: "Board 1", payload: new Uint8Array(0) },
    ])
  })

  test("reads back 300 random datagrams and names", () => {
    const random = seededRandom(1)
    for (let round = 0; round < 300; round++) {
      const flow = integer(random, 0, 0xffff_ffff)
      const datagram = randomBytes(random, integer(random, 0, 1500))
      const name = Buffer.from(randomBytes(random, integer(random, 0, 100))).toString("hex")
      const { frames, error } = run([encodeData(flow, datagram), encodeOpen(flow, "boot", name, name)])
      expect(error).toBeUndefined()
      expect(frames).toEqual([
        { type: "data", flow, datagram },
        { type: "open", flow, channel: "boot", board: name, application: name },
      ])
    }
  })

  test("cuts names and reasons at 255 bytes, and reads them back", () => {
    const long = "é".repeat(200)
    const [open, close] = run([encodeOpen(1, "scp", long, long), encodeClose(1, "failed", long)]).frames
    expect(open).toMatchObject({ type: "open", board: expect.stringMatching(/^é{127}.$/) })
    expect(close).toMatchObject({ type: "close", code: "failed" })
    expect(encodeOpen(1, "scp", long, long).length).toBe(MUX_HEADER + 2 + 2 * MUX_MAX_TEXT)
  })

  test("makes control characters, and those that turn text around, harmless in whatever is logged", () => {
    const evil = "a\x1b[2J\r\n\x00\x7f\x9b\u202eb\u2028"
    const [open, close] = run([encodeOpen(1, "scp", evil, evil), encodeClose(1, "x", evil)]).frames
    expect(open).toMatchObject({ board: "a?[2J??????b?", application: "a?[2J??????b?" })
    expect(close).toMatchObject({ code: "x", detail: "a?[2J??????b?" })
  })

  test("encodeData() takes 65,507 bytes and throws RangeError for one more", () => {
    expect(run([encodeData(1, new Uint8Array(MUX_MAX_PAYLOAD))]).frames).toHaveLength(1)
    expect(() => encodeData(1, new Uint8Array(MUX_MAX_PAYLOAD + 1))).toThrow(RangeError)
  })

  test("encodeNotice() takes 32,768 bytes and throws RangeError for one more", () => {
    const most = new Uint8Array(MUX_MAX_NOTICE)
    expect(run([encodeNotice(1, "é".repeat(200), most)]).frames).toHaveLength(1)
    expect(() => encodeNotice(1, "", new Uint8Array(MUX_MAX_NOTICE + 1))).toThrow(RangeError)
  })

  test("encodePing() carries 64 bytes at most", () => {
    expect(encodePing("ping", new Uint8Array(100)).length).toBe(MUX_HEADER + 64)
  })
})

describe("MuxDecoder", () => {
  test("finds the same frames with the stream cut in three at every pair of places", () => {
    expect(WHOLE.map(({ type }) => type)).toEqual(["open", "data", "ping", "notice", "unknown", "close"])
    for (let first = 0; first <= SHORT.length; first++) {
      for (let second = first; second <= SHORT.length; second++) {
        const pieces = [SHORT.subarray(0, first), SHORT.subarray(first, second), SHORT.subarray(second)]
        const { frames, error, decoder } = run(pieces)
        expect(frames).toEqual(WHOLE)
        expect(error).toBeUndefined()
        expect(decoder.pendingBytes).toBe(0)
      }
    }
  })

  test("finds the same frames with a long stream cut in two at every place", () => {
    const block = randomBytes(seededRandom(2), 1042)
    const stream = Buffer.concat([SHORT, encodeData(2, block), SHORT])
    for (let at = 0; at <= stream.length; at++) {
      const { frames, error } = run([stream.subarray(0, at), stream.subarray(at)])
      expect(error).toBeUndefined()
      expect(frames).toHaveLength(2 * WHOLE.length + 1)
      const data = frames[WHOLE.length]
      expect(data?.type === "data" && Buffer.compare(data.datagram, block) === 0).toBe(true)
    }
  })

  test("skips frames of unknown type, also the reserved one, and reads on", () => {
    const { frames, error } = run([
      raw(16, new Uint8Array(5)),
      raw(0, new Uint8Array(0)),
      raw(255, new Uint8Array(900)),
      SHORT,
    ])
    expect(error).toBeUndefined()
    expect(frames.slice(0, 3)).toEqual([
      { type: "unknown", code: 16 },
      { type: "unknown", code: 0 },
      { type: "unknown", code: 255 },
    ])
    expect(frames).toHaveLength(3 + WHOLE.length)
  })

  test("refuses a frame that announces more than 65,507 bytes before its payload comes", () => {
    const { frames, error, pending } = run([SHORT, fromHex("02 00 ffe4 00000001"), new Uint8Array(70_000)])
    expect(frames).toHaveLength(WHOLE.length)
    expect(error).toEqual({ code: "frame-too-long", length: 65_508, limit: 65_507 })
    expect(pending).toBe(0)
  })

  test.each([
    ["an open frame without a name's length", raw(1, Uint8Array.of(0))],
    ["an empty open frame", raw(1, new Uint8Array(0))],
    ["an open frame cut short in its name", raw(1, Uint8Array.of(0, 3, 65, 65))],
    ["an open frame for an unknown channel", raw(1, Uint8Array.of(2, 0))],
    ["an open frame with too long an application name", raw(1, Uint8Array.of(0, 0, ...new Uint8Array(256)))],
    ["a ping of 65 bytes", raw(4, new Uint8Array(65), 0)],
    ["a notice cut short in its board's name", raw(7, Uint8Array.of(0, 2, 65), 0)],
    ["an empty notice", raw(7, new Uint8Array(0), 0)],
    ["a notice of 32,769 bytes", raw(7, new Uint8Array(2 + MUX_MAX_NOTICE + 1), 0)],
    ["a pong of 65 bytes", raw(5, new Uint8Array(65), 0)],
  ])("ends at %s: what came before counts, nothing after it does", (_what, bad) => {
    const decoder = new MuxDecoder()
    const frames: MuxFrame[] = []
    const error = decoder.push(Buffer.concat([SHORT, bad, SHORT]), (frame) => frames.push(frame))
    expect(error).toMatchObject({ code: "bad-frame" })
    expect(frames).toHaveLength(WHOLE.length)
    expect(decoder.push(SHORT, (frame) => frames.push(frame))).toBe(error!)
    expect(frames).toHaveLength(WHOLE.length)
  })

  test("never throws and never keeps more than one frame, whatever comes", () => {
    const random = seededRandom(4)
    const stream = Buffer.concat([SHORT, encodeData(7, randomBytes(random, 200)), SHORT])
    for (let round = 0; round < 600; round++) {
      const bytes = round % 2 ? mutate(random, stream) : randomBytes(random, integer(random, 0, 400))
      const { pending } = run(cuts(random, bytes, 100))
      expect(pending).toBeLessThan(MUX_HEADER + MUX_MAX_PAYLOAD)
    }
  })

  test("a stream that breaks off at any place leaves an unfinished frame and no error", () => {
    for (let at = 0; at < SHORT.length; at++) {
      const { frames, error, decoder } = run([SHORT.subarray(0, at)])
      expect(error).toBeUndefined()
      expect(frames).toEqual(WHOLE.slice(0, frames.length))
      expect(decoder.pendingBytes).toBeLessThanOrEqual(at)
    }
  })
})

describe("a tagged frame", () => {
  test("that a bad line has had is a frame or an error, never a throw", () => {
    const random = seededRandom(7)
    const frame = encodeTagged(1, { tag: 3, direction: "in", port: 12345, datagram: randomBytes(random, 60) })
    for (let round = 0; round < 500; round++) {
      for (const each of run([mutate(random, frame)]).frames) {
        if (each.type === "tagged") expect(each.tagged.tag).toBeLessThan(16)
      }
    }
  })

  test("says tag, direction and port before the datagram", () => {
    const tagged: TaggedDatagram = { tag: 15, direction: "out", port: 17893, datagram: Uint8Array.of(1, 2, 3) }
    const frame = encodeTagged(0x01020304, tagged)
    expect(frame).toEqual(fromHex("06 00 0007 01020304 0f 00 45e5 010203"))
    expect(run([frame]).frames).toEqual([{ type: "tagged", flow: 0x01020304, tagged }])
  })

  test("may hold an empty datagram, and up to 65,503 bytes", () => {
    const tagged = { tag: 0, direction: "in", port: 0, datagram: new Uint8Array(0) } as const
    expect(run([encodeTagged(1, tagged)]).frames).toEqual([{ type: "tagged", flow: 1, tagged }])
    const long = new Uint8Array(65_504)
    expect(run([encodeTagged(1, { ...tagged, datagram: long.subarray(1) })]).frames).toHaveLength(1)
    expect(() => encodeTagged(1, { ...tagged, datagram: long })).toThrow(RangeError)
  })

  test.each([
    ["cut short", "0100ff"],
    ["in an unknown direction", "01020001"],
    ["for tag 16", "10000001"],
  ])("%s ends the stream", (_, payload) => {
    expect(run([raw(6, fromHex(payload))]).error).toMatchObject({ code: "bad-frame" })
  })

  test("of any content comes back as it was", () => {
    const random = seededRandom(6)
    const all = Array.from({ length: 200 }, () => ({
      tag: integer(random, 0, 15),
      direction: random() < 0.5 ? ("in" as const) : ("out" as const),
      port: integer(random, 0, 65_535),
      datagram: randomBytes(random, integer(random, 0, 300)),
    }))
    const stream = Buffer.concat(all.map((tagged) => encodeTagged(9, tagged)))
    expect(run(cuts(random, stream, 500)).frames).toEqual(all.map((tagged) => ({ type: "tagged", flow: 9, tagged })))
  })
})
