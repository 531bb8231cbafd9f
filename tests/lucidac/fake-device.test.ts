import { describe, expect, test } from "bun:test"
import type { create } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { peekDatagram, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { FakeDevice } from "../../src/lucidac/fake-device.ts"
import { DEATHS, type Death, type FakeDeviceOptions, fakeMac, REBOOT_DELAY_MS } from "../../src/lucidac/fake-options.ts"
import { DMA_OVERFLOW } from "../../src/lucidac/fake-run.ts"
import { CHUNK_SAMPLES, SampleEncoder, strideOf, waveValue } from "../../src/lucidac/fake-samples.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { decodePayload } from "../../src/lucidac/payload.ts"
import {
  ConfigCommandSchema,
  Entity_Class,
  ExtractCommandSchema,
  ExtractResponseSchema,
  GetOverloadStatusResponseSchema,
  ReadTemperatureResponseSchema,
  ResetCommandSchema,
  RunDataMessageSchema,
  StartRunCommandSchema,
  UdpDataStreamingCommandSchema,
  UdpDataStreamingRefusedResponseSchema,
  UpdateCommandSchema,
  UpdateResponseSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { peekRunData } from "../../src/lucidac/run-header.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { cuts, integer, mutate, randomBytes } from "../support/fuzz.ts"
import { bodyOf, EXAMPLES } from "./byte-examples.ts"
import { errorText, MemoryClient } from "./memory-client.ts"

const MAC = fakeMac(0)

function setup(options: Partial<FakeDeviceOptions> = {}) {
  const clock = new FakeClock()
  const device = new FakeDevice({ clock, macs: [MAC], endOfTurn: (run) => run(), ...options })
  const connect = () => new MemoryClient((port) => device.accept(port))
  return { clock, device, connect, client: connect() }
}

/** A run of 10 ms at 64 kHz: ten messages of 64 samples. */
const RUN = {
  run: { id: "run-1" },
  runConfig: { icTime: { value: 2n, prefix: 1 }, opTime: { value: 10n, prefix: 1 } },
  daqConfig: { numChannels: 8, sampleRate: 64_000, sampleOp: true },
} as const

describe("FakeDevice answers", () => {
  test("a ping of either kind with a generic pong", () => {
    const { client } = setup()
    client.sendBytes(EXAMPLES.ping)
    client.ask(ARM.ping)
    expect(client.told).toEqual([{ kind: "pong" }, { kind: "pong" }])
  })

  test("the examples of reset and extract with their id", () => {
    const { client, device } = setup()
    client.sendBytes(Buffer.concat([EXAMPLES.reset, EXAMPLES.extract]))
    expect(client.v1).toMatchObject([
      { id: "ab", arm: ARM.resetResponse },
      { id: "ab", arm: ARM.extractResponse },
    ])
    expect(device.requests).toEqual(["reset", "extract"])
  })

  test("extract with one item without a path: a carrier with its blocks, in the size of a real one", () => {
    const { client } = setup()
    const { payload } = client.request(ARM.extract, ExtractCommandSchema, { recursive: true, specification: true })!
    const [item, ...more] = decodePayload(ExtractResponseSchema, payload)!.module!.items
    expect(more).toEqual([])
    expect(item!.entity).toBeUndefined()
    const entity = item!.kind.case === "entitySpecification" ? item!.kind.value.entity! : undefined
    expect(entity).toMatchObject({ id: `/${MAC}`, class: Entity_Class.CARRIER })
    expect(entity!.children.map(({ id }) => id)).toEqual(["/0", "/CTRL", "/FP"])
    expect(payload.length).toBeWithin(150, 600)
  })

  test("several carriers as a DEVICE that has them as children, and finds each by its path without case", () => {
    const { client } = setup({ macs: [fakeMac(0), fakeMac(1)] })
    const answer = client.request(ARM.extract, ExtractCommandSchema, { recursive: true, specification: true })!
    const { kind } = decodePayload(ExtractResponseSchema, answer.payload)!.module!.items[0]!
    const root = kind.case === "entitySpecification" ? kind.value.entity! : undefined
    expect(root!.class).toBe(Entity_Class.DEVICE)
    expect(root!.children.map(({ id }) => id)).toEqual([`/${fakeMac(0)}`, `/${fakeMac(1)}`])
    const path = `${fakeMac(1).toLowerCase()}/0/M0`
    const found = client.request(ARM.extract, ExtractCommandSchema, { entity: { path }, specification: true })!
    expect(decodePayload(ExtractResponseSchema, found.payload)!.module!.items[0]!.kind.value).toMatchObject({
      entity: { id: "/M0", class: Entity_Class.M_BLOCK },
    })
  })

  test("extract of what it does not have with an error that names it", () => {
    const { client } = setup()
    const answer = client.request(ARM.extract, ExtractCommandSchema, { entity: { path: "/X/0" }, specification: true })
    expect(errorText(answer)).toBe("Entity not found: /X/0")
  })

  test("a configuration, which it tells again until reset or reset_before; an unknown path takes nothing", () => {
    const { client } = setup()
    const configure = (resetBefore: boolean, ...paths: string[]) =>
      client.request(ARM.config, ConfigCommandSchema, {
        resetBefore,
        module: { items: paths.map((path) => ({ entity: { path } })) },
      })
    const told = () => {
      const answer = client.request(ARM.extract, ExtractCommandSchema, { recursive: true, configuration: true })!
      return decodePayload(ExtractResponseSchema, answer.payload)!.module!.items.map(({ entity }) => entity?.path)
    }
    expect(configure(true, `/${MAC}/0/M0`, `/${MAC}/0/U`)?.arm).toBe(ARM.configResponse)
    expect(told()).toEqual([`/${MAC}/0/M0`, `/${MAC}/0/U`])
    expect(errorText(configure(true, `/${MAC}/0/C`, "/other/0"))).toBe("Entity not found: /other/0")
    expect(told()).toHaveLength(2)
    configure(true, `/${MAC}/0/C`)
    expect(told()).toEqual([`/${MAC}/0/C`])
    client.request(ARM.reset, ResetCommandSchema, { keepCalibration: true, sync: true })
    expect(told()).toHaveLength(1)
    client.request(ARM.reset, ResetCommandSchema, { circuitReset: true })
    expect(told()).toEqual([])
  })

  test("overload, temperature, ident and all the rest that it is asked", () => {
    const { client, device } = setup()
    device.overloaded = true
    const { payload } = client.ask(ARM.getOverloadStatus)!
    expect(decodePayload(GetOverloadStatusResponseSchema, payload)?.status).toMatchObject({
      globalOverload: true,
      elements: [{ overload: true }],
    })
    const temperatures = decodePayload(ReadTemperatureResponseSchema, client.ask(ARM.readTemperature)!.payload)
    expect(temperatures?.dataset?.measurements).toMatchObject([{ entity: { path: `/${MAC}` } }])
    const answers: [number, number][] = [
      [ARM.standBy, ARM.success],
      [ARM.stopRun, ARM.success],
      [ARM.manualControl, ARM.success],
      [ARM.registerExternalEntities, ARM.success],
      [ARM.getSystemIdent, ARM.getSystemIdentResponse],
      [ARM.syslog, ARM.syslogResponse],
      [ARM.systemStats, ARM.systemStatsResponse],
      [ARM.readSystemIdent, ARM.readSystemIdentResponse],
      [ARM.resetSystemIdent, ARM.resetSystemIdentResponse],
      [ARM.writeSystemIdent, ARM.writeSystemIdentResponse],
      [ARM.calibration, ARM.calibrationResponse],
      [ARM.auth, ARM.success],
    ]
    for (const [request, answer] of answers) expect([request, client.ask(request)?.arm]).toEqual([request, answer])
    expect(errorText(client.ask(999))).toBe("Unknown command: message 999")
  })

  test("with an error or not at all, when told so", () => {
    const { client, device } = setup({ refuse: new Map([[ARM.reset, "no"]]), ignore: new Set([ARM.config]) })
    expect(errorText(client.ask(ARM.reset))).toBe("no")
    expect(client.ask(ARM.config)).toBeUndefined()
    device.refuse(ARM.reset, undefined)
    device.ignore(ARM.config, false)
    expect([client.ask(ARM.reset)?.arm, client.ask(ARM.config)?.arm]).toEqual([ARM.resetResponse, ARM.configResponse])
  })

  test("an update from begin to commit, and then it boots", () => {
    const { client, device, clock, connect } = setup()
    const update = (kind: NonNullable<Parameters<typeof create<typeof UpdateCommandSchema>>[1]>["kind"]) =>
      decodePayload(UpdateResponseSchema, client.request(ARM.update, UpdateCommandSchema, { kind: kind! })!.payload)!
        .kind
    expect(update({ case: "begin", value: { size: 1500n } })).toMatchObject({ value: { chunkSize: 1024n } })
    const write = (length: number, offset: bigint) =>
      update({ case: "write", value: { data: new Uint8Array(length), offset } }).case
    expect(update({ case: "commit", value: {} }).case).toBe("failure")
    expect([write(1025, 0n), write(1024, 1n), write(1024, 0n), write(477, 1024n)]).toEqual([
      "failure",
      "failure",
      "success",
      "failure",
    ])
    expect([write(476, 1024n), update({ case: "verify", value: {} }).case]).toEqual(["success", "success"])
    expect(update({ case: "commit", value: {} }).case).toBe("success")
    clock.advance(REBOOT_DELAY_MS)
    expect(client.ended).toBe(true)
    expect(connect().ended).toBe(true)
    clock.advance(1_000)
    expect(connect().ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
    expect(device.connectionCount).toBe(1)
  })
})

describe("FakeDevice runs", () => {
  test("through all states in time, the answer first, samples whole and in order", () => {
    const { client, clock } = setup()
    expect(client.start(StartRunCommandSchema, RUN)?.arm).toBe(ARM.startRunResponse)
    expect(client.states).toEqual([])
    clock.advance(0)
    expect(client.states).toEqual(["TAKE_OFF", "IC"])
    clock.advance(1.9)
    expect(client.states).toEqual(["TAKE_OFF", "IC"])
    clock.advance(0.1)
    expect(client.states).toEqual(["TAKE_OFF", "IC", "OP"])
    clock.advance(5)
    expect(client.chunks.length).toBeWithin(3, 6)
    clock.advance(5)
    expect(client.states).toEqual(["TAKE_OFF", "IC", "OP", "OP_END", "DONE"])
    expect(client.chunks).toEqual(
      Array.from({ length: 10 }, (_, chunk) => ({ runId: "run-1", chunk, path: `/${MAC}` })),
    )
    expect(client.changes.at(-1)).toMatchObject({ run: { id: "run-1" }, time: { value: 12_000n, prefix: 2 } })
    expect(client.changes.every(({ entity }) => entity === undefined)).toBe(true)
  })

  test("with samples that are the wave, in every channel, over its end", () => {
    const { client, clock } = setup()
    const opTime = { value: 100n, prefix: 1 }
    client.start(StartRunCommandSchema, {
      ...RUN,
      runConfig: { opTime },
      daqConfig: { numChannels: 3, sampleRate: 50_001, sampleOp: true },
    })
    clock.advance(200)
    let sample = 0
    for (const { data } of client.all(ARM.runData, RunDataMessageSchema)) {
      expect(data!.channelStride).toBe(4)
      expect(data!.channels.map(({ probe }) => probe)).toEqual([0, 1, 2])
      const values = new Int16Array(data!.data.slice().buffer)
      for (let row = 0; row < data!.sampleCount; row++, sample++) {
        for (let channel = 0; channel < 3; channel++) {
          if (values[row * 4 + channel] !== waveValue(sample, channel)) throw new Error(`sample ${sample} is wrong`)
        }
      }
    }
    expect(sample).toBe(5000)
    expect(client.chunks.map(({ chunk }) => chunk)).toEqual(Array.from({ length: 79 }, (_, chunk) => chunk))
  })

  test("without samples where none are asked for, and with final values where they are", () => {
    const { client, clock } = setup()
    client.start(StartRunCommandSchema, { ...RUN, daqConfig: { numChannels: 2, sampleOpEnd: true } })
    clock.advance(50)
    expect(client.chunks).toEqual([])
    expect(client.all(ARM.runDataEnd, RunDataMessageSchema)).toMatchObject([{ data: { sampleCount: 1 } }])
    expect(client.states.at(-1)).toBe("DONE")
  })

  test("of several carriers sample on each", () => {
    const { client, clock } = setup({ macs: [fakeMac(0), fakeMac(1)] })
    client.start(StartRunCommandSchema, RUN)
    clock.advance(50)
    for (const mac of [fakeMac(0), fakeMac(1)]) {
      const own = client.chunks.filter(({ path }) => path === `/${mac}`).map(({ chunk }) => chunk)
      expect(own).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
  })

  test("at the rate of the options, whatever is asked", () => {
    const { client, clock } = setup({ rate: 6_400 })
    client.start(StartRunCommandSchema, RUN)
    clock.advance(50)
    expect(client.chunks).toHaveLength(1)
  })

  test("one after the other, at most 16 waiting, and none after clear_queue", () => {
    const { client, clock } = setup()
    for (let index = 0; index < 17; index++)
      client.start(StartRunCommandSchema, { ...RUN, run: { id: `run-${index}` } })
    expect(errorText(client.start(StartRunCommandSchema, RUN))).toBe("The queue of runs is full")
    client.start(StartRunCommandSchema, { ...RUN, run: { id: "last" }, clearQueue: true })
    clock.advance(100)
    expect(new Set(client.changes.map(({ run }) => run!.id))).toEqual(new Set(["run-0", "last"]))
    expect(client.states.filter((state) => state === "DONE")).toHaveLength(2)
  })

  test("stop at once, with OP_END and DONE", () => {
    const { client, clock } = setup({ hangRuns: true })
    client.start(StartRunCommandSchema, RUN)
    clock.advance(1_000)
    expect(client.states.at(-1)).toBe("OP")
    expect(client.ask(ARM.stopRun)?.arm).toBe(ARM.success)
    expect(client.states.slice(-2)).toEqual(["OP_END", "DONE"])
    const { length } = client.told
    clock.advance(1_000)
    expect(client.told).toHaveLength(length)
  })

  test("repeat until stopped, numbering on", () => {
    const { client, clock } = setup()
    client.start(StartRunCommandSchema, { ...RUN, runConfig: { ...RUN.runConfig, repetitive: true } })
    clock.advance(30)
    client.ask(ARM.stopRun)
    expect(client.states.filter((state) => state === "OP").length).toBe(3)
    expect(client.chunks.map(({ chunk }) => chunk)).toEqual(client.chunks.map((_, index) => index))
    expect(client.states.at(-1)).toBe("DONE")
  })

  test("end in ERROR with a reason, and nothing after it", () => {
    const { client, clock, device } = setup({ failRuns: "ADC broken" })
    client.start(StartRunCommandSchema, RUN)
    clock.advance(100)
    expect(client.changes.at(-1)).toMatchObject({ new: 1, reason: "ADC broken" })
    expect(client.states).toEqual(["TAKE_OFF", "IC", "OP", "ERROR"])
    device.failRuns(undefined)
    client.start(StartRunCommandSchema, RUN)
    clock.advance(1)
    device.failRun("by hand")
    expect(client.changes.at(-1)).toMatchObject({ new: 1, reason: "by hand" })
    expect(device.runId).toBeUndefined()
  })

  test("of a client that does not fetch its samples end in a DMA overflow, with the buffer's bytes kept", () => {
    const { client, clock } = setup({ bufferBytes: 20_000 })
    client.room = 10_000
    client.start(StartRunCommandSchema, { ...RUN, runConfig: { opTime: { value: 1n } } })
    clock.advance(2_000)
    expect(client.states).not.toContain("ERROR")
    client.take(1_000_000)
    expect(client.changes.at(-1)).toMatchObject({ new: 1, reason: DMA_OVERFLOW })
    const chunks = client.chunks.map(({ chunk }) => chunk)
    expect(chunks).toEqual(chunks.map((_, index) => index))
    expect(chunks.length).toBeWithin(20, 30)
  })

  test("of a client that is gone go on without it", () => {
    const { client, clock, device, connect } = setup()
    client.start(StartRunCommandSchema, RUN)
    clock.advance(5)
    client.leave()
    const other = connect()
    expect(device.runId).toBe("run-1")
    clock.advance(50)
    expect(device.runId).toBeUndefined()
    expect(other.told).toEqual([])
  })
})

describe("FakeDevice and UDP", () => {
  const run = (options: Partial<FakeDeviceOptions> = {}, lost = false) => {
    const datagrams: { to: string; bytes: Uint8Array }[] = []
    const rig = setup({
      sendDatagram: (host, port, bytes) => {
        datagrams.push({ to: `${host}:${port}`, bytes })
        return !lost
      },
      ...options,
    })
    const answer = rig.client.request(ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: 5000 })
    rig.client.start(StartRunCommandSchema, RUN)
    rig.clock.advance(50)
    return { ...rig, datagrams, answer }
  }

  test("samples and states go to the peer's address and the port it names", () => {
    const { datagrams, answer, client } = run()
    expect(answer?.arm).toBe(ARM.success)
    expect(new Set(datagrams.map(({ to }) => to))).toEqual(new Set(["192.0.2.1:5000"]))
    const arms = datagrams.map(({ bytes }) => (peekDatagram(bytes) as V1Message).arm)
    expect(arms.filter((arm) => arm === ARM.runData)).toHaveLength(10)
    expect(arms.filter((arm) => arm === ARM.runStateChange)).toHaveLength(5)
    expect(client.v1.map(({ arm }) => arm)).toEqual([ARM.success, ARM.startRunResponse])
  })

  test("states stay on TCP with devices that do so", () => {
    const { datagrams, client } = run({ statesOverTcp: true })
    expect(datagrams).toHaveLength(10)
    expect(client.states).toHaveLength(5)
  })

  test("lost datagrams are counted", () => expect(run({}, true).device.lostDatagrams).toBe(15))

  test("a device without UDP refuses with a reason, and so does one that is told no port", () => {
    const { client } = setup()
    const refused = client.request(ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: 5000 })!
    expect(refused.arm).toBe(ARM.udpDataStreamingRefused)
    expect(decodePayload(UdpDataStreamingRefusedResponseSchema, refused.payload)?.reason).toBe(
      "This device sends no UDP",
    )
    const udp = setup({ sendDatagram: () => true })
    const port = (value: number) =>
      udp.client.request(ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: value })!.arm
    expect([port(0), port(65_536), port(65_535)]).toEqual([316, 316, 100])
  })
})

describe("FakeDevice dies", () => {
  test.each(DEATHS.filter((death) => death !== "connect").map((death) => [death]))("at %s, once", (death: Death) => {
    let gone = 0
    const { client, clock, device, connect } = setup({ dieAt: death, onGone: () => gone++ })
    client.sendBytes(EXAMPLES.extract)
    client.sendBytes(EXAMPLES.reset)
    client.ask(ARM.config)
    client.start(StartRunCommandSchema, RUN)
    clock.advance(100)
    expect({ gone, ended: client.ended, run: device.runId }).toEqual({ gone: 1, ended: true, run: undefined })
    const named = death === "take-off" ? "TAKE_OFF" : death.toUpperCase().replace("-", "_")
    if (["take-off", "ic", "op", "op-end", "done"].includes(death)) expect(client.states.at(-1)).toBe(named)
    expect(clock.pending).toBe(0)
    expect(connect().ended).toBe(true)
    device.revive()
    const again = connect()
    again.start(StartRunCommandSchema, RUN)
    clock.advance(100)
    expect(again.states.at(-1)).toBe("DONE")
  })

  test("when somebody connects", () => {
    const { client, device, connect } = setup({ dieAt: "connect" })
    expect(client.ended).toBe(true)
    device.revive()
    expect(connect().ended).toBe(false)
  })
})

describe("FakeDevice and nonsense", () => {
  test("ignores a message that it cannot read, and cuts off a length beyond the limit", () => {
    const { client, device } = setup()
    client.sendBytes(encodeFrame(Buffer.from("nonsense")))
    client.sendBytes(EXAMPLES.reset)
    expect(client.v1).toHaveLength(1)
    client.sendBytes(Buffer.from("ffffffff0f", "hex"))
    expect(client.ended).toBe(true)
    expect(device.connectionCount).toBe(0)
  })

  test("answers a payload that it cannot read with an error", () => {
    const { client } = setup()
    for (const arm of [ARM.reset, ARM.extract, ARM.config, ARM.startRun, ARM.update]) {
      expect(errorText(client.ask(arm, Buffer.from("ff", "hex")))).toStartWith("Cannot read ")
    }
  })

  test("lives through anything", () => {
    const random = seededRandom(5)
    const { device, connect, clock } = setup({ sendDatagram: () => true })
    const stream = Buffer.concat(Object.values(EXAMPLES))
    for (let round = 0; round < 300; round++) {
      const client = connect()
      const bytes = round % 2 ? mutate(random, stream) : randomBytes(random, integer(random, 1, 300))
      for (const piece of cuts(random, bytes, 50)) client.sendBytes(piece)
      clock.advance(1)
      client.leave()
    }
    // The one that setup() made.
    expect(device.connectionCount).toBe(1)
    const client = connect()
    client.sendBytes(EXAMPLES.extract)
    expect(client.v1[0]?.arm).toBe(ARM.extractResponse)
  })
})

describe("SampleEncoder", () => {
  test("makes the same bytes from its template as in full, however long the message's number", () => {
    const encoder = new SampleEncoder("a-run", "/M", 8)
    for (const chunk of [1, 2, 127, 128, 129, 16_383, 16_384, 16_385, 3]) {
      const body = encoder.encode(chunk, chunk * CHUNK_SAMPLES, CHUNK_SAMPLES)
      const fresh = new SampleEncoder("a-run", "/M", 8).encode(chunk, chunk * CHUNK_SAMPLES, CHUNK_SAMPLES)
      expect(Buffer.compare(body, fresh)).toBe(0)
      expect(peekRunData((peekEnvelope(body) as V1Message).payload)).toEqual({ runId: "a-run", chunk, path: "/M" })
    }
  })

  test("a run id that looks like the rest of a message does no harm", () => {
    const encoder = new SampleEncoder("", "/\n", 1)
    encoder.encode(1, 0, CHUNK_SAMPLES)
    const second = encoder.encode(2, 64, CHUNK_SAMPLES)
    expect(peekRunData((peekEnvelope(second) as V1Message).payload)).toEqual({ runId: "", chunk: 2, path: "/\n" })
  })

  test("strides are powers of two", () => {
    expect([1, 2, 3, 4, 5, 8].map(strideOf)).toEqual([1, 2, 4, 4, 8, 8])
  })
})

test("every fake carrier has a MAC of its own", () => {
  expect([fakeMac(0), fakeMac(255), fakeMac(65_536)]).toEqual([
    "04-E9-E5-00-00-01",
    "04-E9-E5-00-01-00",
    "04-E9-E5-01-00-01",
  ])
})

test("the examples that only a device sends are ignored by one", () => {
  const { client } = setup()
  client.sendBytes(EXAMPLES.pong)
  expect(client.told).toEqual([])
  expect(peekEnvelope(bodyOf(EXAMPLES.pong))).toEqual({ kind: "pong" })
})
