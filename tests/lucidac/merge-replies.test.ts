import { describe, expect, test } from "bun:test"
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeError, encodeSuccess, encodeV1, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { answerArm, type BackendReply, mergeReplies } from "../../src/lucidac/merge-replies.ts"
import { decodePayload, encodeMessage } from "../../src/lucidac/payload.ts"
import {
  GetOverloadStatusResponseSchema,
  GetSystemIdentResponseSchema,
  ReadTemperatureResponseSchema,
  SyslogResponseSchema,
  SystemStatsResponseSchema,
  UpdateResponseSchema,
  WriteSystemIdentResponseSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { fromHex } from "../support/fuzz.ts"

const replies = (...bodies: Uint8Array[]): BackendReply[] =>
  bodies.map((body, index) => ({ name: `dev${index}`, message: peekEnvelope(body) as V1Message }))
const say = <Desc extends DescMessage>(arm: number, schema: Desc, ...inits: MessageInitShape<Desc>[]) =>
  replies(...inits.map((init) => encodeMessage("i", arm, schema, init)))

function merged<Desc extends DescMessage>(request: number, schema: Desc, all: BackendReply[]) {
  const reply = mergeReplies(request, all)
  if (!reply.ok) throw new Error(reply.text)
  return { arm: reply.arm, ...decodePayload(schema, reply.payload)! }
}

describe("mergeReplies()", () => {
  test.each([
    ["reset", ARM.reset, ARM.resetResponse],
    ["config", ARM.config, ARM.configResponse],
    ["startRun", ARM.startRun, ARM.startRunResponse],
    ["calibration", ARM.calibration, ARM.calibrationResponse],
  ])("%s is answered once, empty", (_name, request, answer) => {
    const some = encodeV1("i", answer, fromHex("0a 04 0a 02 2f 41"))
    expect(mergeReplies(request, replies(some, some))).toEqual({ ok: true, arm: answer, payload: new Uint8Array(0) })
    expect(answerArm(request)).toBe(answer)
  })

  test("stop, stand-by and manual control are answered with success, once", () => {
    for (const request of [ARM.stopRun, ARM.standBy, ARM.manualControl]) {
      const reply = mergeReplies(request, replies(encodeSuccess("a"), encodeSuccess("b")))
      expect(reply).toEqual({ ok: true, arm: ARM.success, payload: new Uint8Array(0) })
      expect(answerArm(request)).toBe(ARM.success)
    }
  })

  test("one error is everybody's answer, the first, with the device's name where there are several", () => {
    const all = replies(encodeSuccess("a"), encodeError("b", "broken"), encodeError("c", "too"))
    expect(mergeReplies(ARM.stopRun, all)).toEqual({ ok: false, text: "dev1: broken" })
    expect(mergeReplies(ARM.stopRun, replies(encodeError("b", "broken")))).toEqual({ ok: false, text: "broken" })
    expect(mergeReplies(ARM.stopRun, replies(encodeError("b", "")))).toEqual({
      ok: false,
      text: "dev0: error without a text",
    })
  })

  test("overload: any global flag, and the elements of all", () => {
    const all = say(
      ARM.getOverloadStatusResponse,
      GetOverloadStatusResponseSchema,
      { status: { elements: [{ idx: 1, overload: true }] } },
      { status: { globalOverload: true, elements: [{ idx: 2 }] } },
    )
    const { status } = merged(ARM.getOverloadStatus, GetOverloadStatusResponseSchema, all)
    expect(status).toMatchObject({ globalOverload: true, elements: [{ idx: 1, overload: true }, { idx: 2 }] })
  })

  test("overload without a status is an error, also from one device", () => {
    const empty = say(ARM.getOverloadStatusResponse, GetOverloadStatusResponseSchema, {})
    expect(mergeReplies(ARM.getOverloadStatus, empty).ok).toBe(false)
    expect(
      mergeReplies(ARM.getOverloadStatus, replies(encodeV1("i", ARM.getOverloadStatusResponse, fromHex("0a")))).ok,
    ).toBe(false)
  })

  test("update: the smallest chunk, the first failure, else success", () => {
    const update = (...kinds: MessageInitShape<typeof UpdateResponseSchema>["kind"][]) =>
      merged(
        ARM.update,
        UpdateResponseSchema,
        say(ARM.updateResponse, UpdateResponseSchema, ...kinds.map((kind) => ({ kind: kind! }))),
      ).kind
    const ack = (chunkSize: bigint) => ({ case: "ack" as const, value: { chunkSize } })
    const failure = (reason: string) => ({ case: "failure" as const, value: { reason } })
    expect(update(ack(1024n), ack(512n), ack(2048n))).toMatchObject({ case: "ack", value: { chunkSize: 512n } })
    expect(update(ack(1n), failure("no room"), failure("other"))).toMatchObject({ value: { reason: "no room" } })
    expect(update({ case: "success", value: {} }, { case: "success", value: {} })).toMatchObject({ case: "success" })
  })

  test("temperatures, logs, counters and idents are those of all devices", () => {
    const temperature = (path: string) => ({ dataset: { measurements: [{ entity: { path } }] } })
    const temperatures = say(
      ARM.readTemperatureResponse,
      ReadTemperatureResponseSchema,
      temperature("/A"),
      temperature("/B"),
    )
    expect(merged(ARM.readTemperature, ReadTemperatureResponseSchema, temperatures).dataset).toMatchObject({
      measurements: [{ entity: { path: "/A" } }, { entity: { path: "/B" } }],
    })
    const logs = say(
      ARM.syslogResponse,
      SyslogResponseSchema,
      { maxSize: 5n, entries: ["x"] },
      { isActive: true, maxSize: 6n, entries: ["y"] },
    )
    expect(merged(ARM.syslog, SyslogResponseSchema, logs)).toMatchObject({
      isActive: true,
      maxSize: 11n,
      entries: ["dev0: x", "dev1: y"],
    })
    const stats = say(
      ARM.systemStatsResponse,
      SystemStatsResponseSchema,
      { perfCounters: { totalOpTimeUs: 2n, totalNumberOfRuns: 1n } },
      { perfCounters: { totalOpTimeUs: 3n } },
      {},
    )
    expect(merged(ARM.systemStats, SystemStatsResponseSchema, stats).perfCounters).toMatchObject({
      totalOpTimeUs: 5n,
      totalNumberOfRuns: 1n,
    })
    const idents = say(
      ARM.getSystemIdentResponse,
      GetSystemIdentResponseSchema,
      { mac: "A", fwBuild: { entries: { date: "1" } }, fwImage: { sha256sum: "s" } },
      { mac: "B", fwBuild: { entries: { date: "2" } }, fwImage: { sha256sum: "s" } },
    )
    expect(merged(ARM.getSystemIdent, GetSystemIdentResponseSchema, idents)).toMatchObject({
      mac: "A,B",
      fwBuild: { entries: { "A date": "1", "B date": "2" } },
      fwImage: { sha256sum: "s" },
    })
    const written = say(ARM.writeSystemIdentResponse, WriteSystemIdentResponseSchema, { valid: true }, { valid: false })
    expect(merged(ARM.writeSystemIdent, WriteSystemIdentResponseSchema, written).valid).toBe(false)
  })

  test("one device's answer goes through byte for byte, whatever its kind", () => {
    const reply = mergeReplies(999, replies(encodeV1("i", 1999, fromHex("ff ff"))))
    expect(reply).toEqual({ ok: true, arm: 1999, payload: fromHex("ff ff") })
  })

  test("several answers that differ in kind, or of a kind that nobody knows, are an error that says so", () => {
    const differ = mergeReplies(ARM.stopRun, replies(encodeSuccess("a"), encodeV1("b", ARM.busy)))
    expect(differ).toEqual({
      ok: false,
      text: "The devices answer stopRun differently: success from dev0, busy from dev1",
    })
    const unknown = mergeReplies(999, replies(encodeV1("a", 1999), encodeV1("b", 1999)))
    expect(unknown).toEqual({ ok: false, text: "Cannot read what 2 devices answer to message 999" })
  })
})
