import { describe, expect, test } from "bun:test"
import { fromBinary } from "@bufbuild/protobuf"
import { ARM, armName } from "../../src/lucidac/arm.ts"
import {
  cutUtf8,
  encodeBusy,
  encodeError,
  encodePing,
  encodePong,
  encodeSuccess,
  encodeUdpRefused,
  encodeV1,
  MAX_ERROR_TEXT,
  peekDatagram,
  peekEnvelope,
  type V1Message,
  withId,
  withPayload,
} from "../../src/lucidac/envelope.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { decodePayload, encodeMessage } from "../../src/lucidac/payload.ts"
import {
  AuthRequestSchema,
  EnvelopeSchema,
  ErrorMessageSchema,
  ExtractCommandSchema,
  IntegerType_Signedness,
  MessageV1Schema,
  ResetCommandSchema,
  RunDataMessageSchema,
  RunState,
  RunStateChangeMessageSchema,
  UdpDataStreamingCommandSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { peekRunData } from "../../src/lucidac/run-header.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { fromHex, integer, mutate, randomBytes } from "../support/fuzz.ts"
import { bodyOf, EXAMPLES } from "./byte-examples.ts"

const v1 = (frame: Uint8Array): V1Message => {
  const peeked = peekEnvelope(bodyOf(frame))
  if (peeked?.kind !== "v1") throw new Error("not a v1 message")
  return peeked
}
const bytes = (array: Uint8Array): Buffer => Buffer.from(array)

describe("the byte examples", () => {
  test("generic ping and pong", () => {
    expect(peekEnvelope(bodyOf(EXAMPLES.ping))).toEqual({ kind: "ping" })
    expect(peekEnvelope(bodyOf(EXAMPLES.pong))).toEqual({ kind: "pong" })
    expect(bytes(encodeFrame(encodePing()))).toEqual(bytes(EXAMPLES.ping))
    expect(bytes(encodeFrame(encodePong()))).toEqual(bytes(EXAMPLES.pong))
    const { kind } = fromBinary(EnvelopeSchema, encodePong(70_000))
    expect(kind.case === "generic" && kind.value.kind.value).toMatchObject({ micros: 70_000n })
  })

  test("busy, success, and an error without id", () => {
    expect(v1(EXAMPLES.busy)).toMatchObject({ id: "ab", arm: ARM.busy })
    expect(v1(EXAMPLES.success)).toMatchObject({ id: "ab", arm: ARM.success })
    expect(v1(EXAMPLES.error)).toMatchObject({ id: undefined, arm: ARM.error })
    expect(decodePayload(ErrorMessageSchema, v1(EXAMPLES.error).payload)?.description).toBe("x")
    expect(bytes(encodeFrame(encodeBusy("ab")))).toEqual(bytes(EXAMPLES.busy))
    expect(bytes(encodeFrame(encodeSuccess("ab")))).toEqual(bytes(EXAMPLES.success))
    expect(bytes(encodeFrame(encodeError(undefined, "x")))).toEqual(bytes(EXAMPLES.error))
  })

  test.each([
    ["reset", ARM.reset, ResetCommandSchema, { keepCalibration: true, sync: true }],
    ["extract", ARM.extract, ExtractCommandSchema, { recursive: true, specification: true }],
    ["auth", ARM.auth, AuthRequestSchema, { kind: { case: "bearer", value: { token: "tok" } } }],
    ["udp", ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: 5000 }],
  ] as const)("%s", (name, arm, schema, init) => {
    const message = v1(EXAMPLES[name])
    expect(message).toMatchObject({ id: "ab", arm })
    expect(decodePayload(schema, message.payload)).toMatchObject(init)
    expect(bytes(encodeFrame(encodeMessage("ab", arm, schema, init as never)))).toEqual(bytes(EXAMPLES[name]))
  })

  test("a state change, without id", () => {
    const message = v1(EXAMPLES.stateChange)
    expect(message).toMatchObject({ id: undefined, arm: ARM.runStateChange })
    const init = { run: { id: "r" }, old: RunState.OP, new: RunState.OP_END, entity: { path: "/M" } }
    expect(decodePayload(RunStateChangeMessageSchema, message.payload)).toMatchObject(init)
    const encoded = encodeMessage(undefined, ARM.runStateChange, RunStateChangeMessageSchema, init)
    expect(bytes(encodeFrame(encoded))).toEqual(bytes(EXAMPLES.stateChange))
  })

  test("samples, whose zeros are absent: signed, chunk 0's number, and the first channel's index", () => {
    const message = v1(EXAMPLES.runData)
    expect(message).toMatchObject({ id: undefined, arm: ARM.runData })
    expect(peekRunData(message.payload)).toEqual({ runId: "r", chunk: 1, path: "/M" })
    const init = {
      run: { id: "r", chunk: 1 },
      entity: { path: "/M" },
      data: {
        data: fromHex("01000200"),
        type: { kind: { case: "integer" as const, value: { bitwidth: 16 } } },
        channels: [{ gain: 0.5, probe: 3 }],
        sampleCount: 1,
        channelStride: 2,
      },
    }
    const decoded = decodePayload(RunDataMessageSchema, message.payload)
    expect(decoded).toMatchObject(init)
    expect(decoded?.data?.type?.kind.value).toMatchObject({ signess: IntegerType_Signedness.SIGNED })
    expect(decoded?.data?.channels[0]).toMatchObject({ idx: 0, offset: 0 })
    const encoded = encodeMessage(undefined, ARM.runData, RunDataMessageSchema, init)
    expect(bytes(encodeFrame(encoded))).toEqual(bytes(EXAMPLES.runData))
  })

  test("every example is read the same by the library", () => {
    for (const frame of Object.values(EXAMPLES)) {
      const peeked = peekEnvelope(bodyOf(frame))
      const { kind } = fromBinary(EnvelopeSchema, bodyOf(frame))
      if (peeked?.kind !== "v1" || kind.case !== "messageV1") {
        expect(kind.case).toBe("generic")
        continue
      }
      const field = MessageV1Schema.fields.find(({ number }) => number === peeked.arm)
      expect(field?.localName).toBe(kind.value.kind.case!)
      expect(kind.value.id).toBe(peeked.id)
    }
  })
})

describe("peekEnvelope()", () => {
  test("an empty envelope, and one of a later generation, are unknown rather than wrong", () => {
    expect(peekEnvelope(new Uint8Array(0))).toEqual({ kind: "unknown" })
    expect(peekEnvelope(fromHex("0a 02 08 02"))).toEqual({ kind: "unknown" })
    expect(peekEnvelope(fromHex("b2 06 00"))).toEqual({ kind: "unknown" })
  })

  test("takes the id and the kind in any order, and with a version and fields that it does not know", () => {
    const odd = fromHex("0a 02 08 01  aa 06 0d  d2 0c 02 10 01  0a 02 61 62  18 2a  12 00")
    expect(peekEnvelope(odd)).toMatchObject({ kind: "v1", id: "ab", arm: ARM.reset, payload: fromHex("1001") })
  })

  test("takes a kind that came after this program by its number", () => {
    expect(peekEnvelope(encodeV1("ab", 999, fromHex("0801")))).toMatchObject({ arm: 999, payload: fromHex("0801") })
    expect(armName(999)).toBe("message 999")
    expect(armName(305)).toBe("runStateChange")
  })

  test("does not understand a message with two kinds, of which a device might obey the other one", () => {
    const reset = fromHex("d2 0c 00")
    const update = fromHex("da 0d 02 52 00")
    const both = Buffer.concat([reset, update])
    expect(peekEnvelope(Buffer.concat([fromHex("aa 06"), Uint8Array.of(both.length), both]))).toBeUndefined()
    const one = Buffer.concat([fromHex("aa 06 03"), reset])
    const other = Buffer.concat([fromHex("aa 06 05"), update])
    expect(peekEnvelope(one)).toMatchObject({ arm: ARM.reset })
    expect(peekEnvelope(other)).toMatchObject({ arm: ARM.update })
    expect(peekEnvelope(Buffer.concat([one, other]))).toBeUndefined()
    expect(peekEnvelope(Buffer.concat([one, bodyOf(EXAMPLES.ping)]))).toBeUndefined()
    expect(peekEnvelope(fromHex("a2 06 06 a2 06 00 aa 06 00"))).toBeUndefined()
  })

  test("what a web browser sends is no envelope", () => {
    for (const text of [
      "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html, */*\r\n\r\n",
    ]) {
      const line = Buffer.from(text.repeat(9))
      expect(peekEnvelope(line.subarray(1, 1 + line[0]!))).toBeUndefined()
    }
  })

  test.each([
    ["a field number of 0", "02 00"],
    ["a group", "0b"],
    ["a length beyond the end", "aa 06 05 00"],
    ["a tag that does not end", "aa 86 86 86 86 86"],
    ["a length of 2^32", "aa 06 80 80 80 80 10"],
    ["a number of eleven bytes", "08 ff ff ff ff ff ff ff ff ff ff 01"],
    ["a kind that is a number", "a8 06 01"],
    ["an id that is a number", "aa 06 02 08 01"],
    ["an id that is no UTF-8", "aa 06 03 0a 01 ff"],
    ["a kind inside that is a number", "aa 06 03 d0 0c 01"],
  ])("takes no envelope with %s", (_what, hex) => {
    expect(peekEnvelope(fromHex(hex))).toBeUndefined()
  })

  test("never throws, and what it takes the library takes too, with the same id", () => {
    const random = seededRandom(11)
    const good = Object.values(EXAMPLES)
    let taken = 0
    for (let round = 0; round < 6_000; round++) {
      const example = bodyOf(good[integer(random, 0, good.length - 1)]!)
      const input = round % 3 === 0 ? randomBytes(random, integer(random, 0, 60)) : mutate(random, example)
      const peeked = peekEnvelope(input)
      peekDatagram(input)
      if (peeked?.kind !== "v1") continue
      peekRunData(peeked.payload)
      const rewritten = peekEnvelope(withId(peeked, "other"))
      expect(rewritten).toMatchObject({ kind: "v1", id: "other", arm: peeked.arm })
      expect((rewritten as V1Message).payload).toEqual(new Uint8Array(peeked.payload))
      let decoded: ReturnType<typeof fromBinary<typeof EnvelopeSchema>>
      try {
        decoded = fromBinary(EnvelopeSchema, input)
      } catch {
        // The library looks into the payload, which may be broken where the envelope is whole.
        continue
      }
      taken++
      expect(decoded.kind.case === "messageV1" && decoded.kind.value.id).toBe(peeked.id as string)
    }
    expect(taken).toBeGreaterThan(200)
  })
})

describe("peekDatagram()", () => {
  test("takes an envelope, and a bare message as if it were in one", () => {
    expect(peekDatagram(bodyOf(EXAMPLES.runData))).toEqual(v1(EXAMPLES.runData))
    const bare = bodyOf(EXAMPLES.stateChange).subarray(3)
    expect(peekDatagram(bare)).toMatchObject({ kind: "v1", arm: ARM.runStateChange })
    expect((peekDatagram(bare) as V1Message).body).toEqual(bytes(bodyOf(EXAMPLES.stateChange)))
  })

  test("takes nothing else", () => {
    expect(peekDatagram(fromHex("ff"))).toBeUndefined()
    expect(peekDatagram(new Uint8Array(0))).toEqual({ kind: "unknown" })
  })
})

describe("rewriting an envelope", () => {
  /** Version 1.0.0, then a message with id, reset, a field 2 and a field 3 that nobody knows; then a field 7 outside. */
  const odd = fromHex("0a 02 08 01  aa 06 0e 0a 02 61 62 d2 0c 02 10 01 12 01 ff 18 2a  38 05")

  test("withId() puts another id and keeps all the rest, known or not", () => {
    const message = peekEnvelope(odd) as V1Message
    expect(bytes(withId(message, "xyz"))).toEqual(
      bytes(fromHex("0a 02 08 01  aa 06 0f 0a 03 78 79 7a d2 0c 02 10 01 12 01 ff 18 2a  38 05")),
    )
    expect(bytes(withId(message, undefined))).toEqual(
      bytes(fromHex("0a 02 08 01  aa 06 0a d2 0c 02 10 01 12 01 ff 18 2a  38 05")),
    )
  })

  test("withId() gives one to a message that had none", () => {
    expect(peekEnvelope(withId(v1(EXAMPLES.stateChange), "ab"))).toMatchObject({ id: "ab", arm: ARM.runStateChange })
  })

  test("withPayload() puts another payload and keeps all the rest", () => {
    const message = peekEnvelope(odd) as V1Message
    expect(bytes(withPayload(message, fromHex("28 01"), "c"))).toEqual(
      bytes(fromHex("0a 02 08 01  aa 06 0d 0a 01 63 d2 0c 02 28 01 12 01 ff 18 2a  38 05")),
    )
    expect(peekEnvelope(withPayload(message, fromHex("28 01")))).toMatchObject({ id: "ab" })
  })
})

describe("answers", () => {
  test("an error's text is cut where devices' clients would cut it, not within a character", () => {
    expect(cutUtf8("aä", 2)).toBe("a")
    expect(cutUtf8("aä", 3)).toBe("aä")
    expect(cutUtf8("€€", 5)).toBe("€")
    const message = peekEnvelope(encodeError("ab", "ä".repeat(1000))) as V1Message
    expect(decodePayload(ErrorMessageSchema, message.payload)?.description).toBe("ä".repeat(511))
    expect(MAX_ERROR_TEXT).toBe(1023)
  })

  test("UDP is refused with a reason", () => {
    const { kind } = fromBinary(EnvelopeSchema, encodeUdpRefused("ab", "no UDP here"))
    expect(kind.case === "messageV1" && kind.value.kind).toMatchObject({
      case: "udpDataStreamingRefusedResponse",
      value: { reason: "no UDP here" },
    })
  })
})

describe("peekRunData()", () => {
  test("reads chunk 0 and absent parts as nothing, a path in UTF-8, and any 32-bit chunk", () => {
    expect(peekRunData(new Uint8Array(0))).toEqual({ runId: "", chunk: 0, path: "" })
    expect(peekRunData(fromHex("12 04 0a 02 c3 a4"))).toEqual({ runId: "", chunk: 0, path: "ä" })
    expect(peekRunData(fromHex("0a 06 10 ff ff ff ff 0f"))?.chunk).toBe(0xffff_ffff)
  })

  test("takes no payload that breaks off", () => {
    const { payload } = v1(EXAMPLES.runData)
    for (let at = 1; at < 15; at++) {
      const whole = at === 7 || at === 13
      expect(peekRunData(payload.subarray(0, at)) !== undefined).toBe(whole)
    }
  })
})
