import { describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import type { MessageInitShape } from "@bufbuild/protobuf"
import { ARM, armName } from "../../src/lucidac/arm.ts"
import { encodeV1 } from "../../src/lucidac/envelope.ts"
import { fakeMac } from "../../src/lucidac/fake-options.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { decodePayload, encodeMessage, encodePayload } from "../../src/lucidac/payload.ts"
import {
  AuthRequestSchema,
  ConfigCommandSchema,
  ExtractCommandSchema,
  ExtractResponseSchema,
  UpdateCommandSchema,
  UpdateResponseSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { utf8 } from "../support/fuzz.ts"
import { errorText, Rig } from "./rig.ts"

const RUN = "11111111-2222-3333-4444-555555555555"
const entityPayload = (path: string) => encodePayload(ExtractCommandSchema, { entity: { path } })
const OTHER_RUN = "99999999-2222-3333-4444-555555555555"

describe("a client of the proxy", () => {
  test("is told of all devices as of one", () => {
    const rig = new Rig({ devices: 4 })
    const client = rig.client()
    const ids = client.extract()!.items.map((item) => {
      if (item.kind.case !== "entitySpecification") throw new Error("a specification was expected")
      return item.kind.value.entity?.id
    })
    expect(ids).toEqual([0, 1, 2, 3].map((index) => `/${fakeMac(index)}`))
  })

  test("resets all devices, and gets one answer with its id", () => {
    const rig = new Rig({ devices: 2 })
    const client = rig.client()
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
    expect(rig.devices.map(({ requests }) => requests.at(-1))).toEqual(["reset", "reset"])
  })

  test("configures just the device that an item is for", () => {
    const rig = new Rig({ devices: 2 })
    const client = rig.client()
    const path = `/${fakeMac(1).toLowerCase()}/0`
    const answer = client.request(ARM.config, ConfigCommandSchema, { module: { items: [{ entity: { path } }] } })
    expect(answer?.arm).toBe(ARM.configResponse)
    expect(rig.devices[0]!.requests).not.toContain("config")
    expect(rig.devices[1]!.requests.at(-1)).toBe("config")
  })

  test("is told which path no carrier has, and nothing is configured", () => {
    const rig = new Rig({ devices: 2 })
    const items = [{ entity: { path: `/${fakeMac(0)}` } }, { entity: { path: "/FF-FF-FF-FF-FF-FF" } }]
    const answer = rig.client().request(ARM.config, ConfigCommandSchema, { module: { items } })
    expect(errorText(answer)).toContain("/FF-FF-FF-FF-FF-FF")
    expect(rig.devices[0]!.requests).not.toContain("config")
  })

  test.each([
    [ARM.standBy, ARM.success],
    [ARM.stopRun, ARM.success],
    [ARM.manualControl, ARM.success],
    [ARM.registerExternalEntities, ARM.success],
    [ARM.getSystemIdent, ARM.getSystemIdentResponse],
    [ARM.syslog, ARM.syslogResponse],
    [ARM.systemStats, ARM.systemStatsResponse],
    [ARM.readSystemIdent, ARM.readSystemIdentResponse],
    [ARM.readTemperature, ARM.readTemperatureResponse],
    [ARM.getOverloadStatus, ARM.getOverloadStatusResponse],
    [ARM.calibration, ARM.calibrationResponse],
  ])("gets one answer of two devices to message %i: %i", (arm, expected) => {
    const rig = new Rig({ devices: 2 })
    expect(rig.client().ask(arm)?.arm).toBe(expected)
    expect(rig.devices.map(({ requests }) => requests.at(-1))).toEqual([armName(arm), armName(arm)])
  })

  test("sees where devices stand and how they are wired, and asks one of them by its path", () => {
    const wire = { source: { backend: 0, pin: 4 }, target: { backend: 1, pin: "aux0" } }
    const rig = new Rig({ devices: 2, located: true, proxy: { wires: [wire] } })
    const client = rig.client()
    const kinds = client.extract()!.items.map(({ kind }) => kind)
    expect(kinds.map(({ case: what }) => what)).toEqual([
      "entitySpecification",
      "entitySpecification",
      "wiringSpecification",
    ])
    const [, second, wiring] = kinds
    if (second?.case !== "entitySpecification" || wiring?.case !== "wiringSpecification") throw new Error("see above")
    expect(second.value.entity?.location.value).toMatchObject({ stack: 0, carrier: 1 })
    expect(wiring.value.source?.entity?.path).toBe(`/${fakeMac(0)}`)
    expect(wiring.value.target).toMatchObject({ entity: { path: `/${fakeMac(1)}` }, kind: { value: "aux0" } })
    const before = rig.devices.map(({ requests }) => requests.length)
    const [item] = client.extract(fakeMac(1).toLowerCase())!.items
    if (item?.kind.case !== "entitySpecification") throw new Error("a specification was expected")
    expect(item.kind.value.entity?.location.value).toMatchObject({ stack: 0, carrier: 1 })
    expect(rig.devices.map(({ requests }, index) => requests.length - before[index]!)).toEqual([0, 1])
    expect(errorText(client.ask(ARM.extract, entityPayload("/FF-FF-FF-FF-FF-FF")))).toContain("FF-FF-FF-FF-FF-FF")
  })

  test("addresses every carrier of a device that has several", () => {
    const rig = new Rig({ device: { macs: [fakeMac(0), fakeMac(1), fakeMac(2)], nested: true } })
    const client = rig.client()
    const items = [0, 1, 2].map((index) => ({ entity: { path: `/${fakeMac(index)}/0` } }))
    expect(client.request(ARM.config, ConfigCommandSchema, { module: { items } })?.arm).toBe(ARM.configResponse)
    client.start(RUN, 100, 1_000)
    rig.clock.advance(500)
    expect(client.states.filter((state) => state.startsWith("DONE"))).toEqual(
      [0, 1, 2].map((index) => `DONE of /${fakeMac(index)}`),
    )
  })

  test("updates all devices, and goes on with them after their reboot", () => {
    const rig = new Rig({ devices: 2, idleMs: 60_000, proxy: { allowWrites: true } })
    const client = rig.client()
    const image = utf8("a new program")
    const hash = new Uint8Array(createHash("sha256").update(image).digest())
    const update = (kind: MessageInitShape<typeof UpdateCommandSchema>["kind"]) => {
      const answer = client.request(ARM.update, UpdateCommandSchema, { kind: kind! })
      expect(answer?.arm).toBe(ARM.updateResponse)
      return decodePayload(UpdateResponseSchema, answer!.payload)?.kind.case
    }
    expect(update({ case: "begin", value: { size: BigInt(image.length), hash } })).toBe("ack")
    expect(update({ case: "write", value: { data: image, offset: 0n } })).toBe("success")
    expect(update({ case: "verify", value: {} })).toBe("success")
    expect(update({ case: "commit", value: {} })).toBe("success")
    rig.clock.advance(100)
    expect(rig.events.filter(({ type }) => type === "device-lost")).toHaveLength(2)
    expect(errorText(client.ask(ARM.reset))).toContain("Cluster degraded")
    rig.clock.advance(10_000)
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
    expect(client.notices).toEqual([])
  })

  test.each([ARM.resetSystemIdent, ARM.writeSystemIdent, ARM.update])("may not send %i, which is for good", (arm) => {
    const rig = new Rig()
    const before = rig.devices[0]!.requests.length
    expect(errorText(rig.client().ask(arm))).toContain("--allow-writes")
    expect(rig.devices[0]!.requests.length).toBe(before)
  })

  test("may send them with --allow-writes", () => {
    const rig = new Rig({ proxy: { allowWrites: true } })
    expect(rig.client().ask(ARM.resetSystemIdent)?.arm).toBe(ARM.resetSystemIdentResponse)
  })

  test.each([ARM.calibrateInit, ARM.jit, 999])("gets an error, not silence, for message %i", (arm) => {
    expect(errorText(new Rig().client().ask(arm))).toContain("does not pass on")
  })

  test("hears that samples come by TCP when it asks for UDP", () => {
    expect(new Rig().client().ask(ARM.udpDataStreaming)?.arm).toBe(ARM.udpDataStreamingRefused)
  })

  test("hears the device's own words when one device refuses", () => {
    const rig = new Rig({
      devices: 2,
      device: (index) => (index === 1 ? { refuse: new Map([[ARM.calibration, "no ADC"]]) } : {}),
    })
    expect(errorText(rig.client().ask(ARM.calibration))).toBe("10.0.0.2:5732: no ADC")
  })

  test("hears of a device that does not answer, after its time", () => {
    const rig = new Rig({
      devices: 2,
      device: (index) => (index === 0 ? { ignore: new Set([ARM.calibration]) } : {}),
      idleMs: 60_000,
    })
    const client = rig.client()
    const id = client.post(ARM.calibration)
    rig.clock.advance(10_100)
    expect(errorText(client.answer(id))).toBe("calibration: 10.0.0.1:5732: no answer in 10 s")
  })

  test("is cut off when its first message is a web page's", () => {
    const rig = new Rig()
    const client = rig.client()
    client.raw(utf8("POST / HTTP/1.1\r\nHost: 127.0.0.1:5732\r\nContent-Length: 14\r\n\r\n"))
    client.raw(encodeFrame(encodeV1("id", ARM.reset)))
    rig.settle()
    expect(client.gone).toBe(true)
    expect(client.told).toEqual([])
    expect(rig.devices[0]!.requests.filter((name) => name === "reset")).toHaveLength(1)
  })

  test("is cut off when it announces more than a frame holds", () => {
    const client = new Rig().client()
    client.raw(Uint8Array.of(0xb0, 0xbd, 0x10, 0xaa, 0x06))
    expect(client.gone).toBe(true)
  })

  test("may send nonsense later, which is ignored", () => {
    const client = new Rig().client()
    client.ping()
    client.raw(encodeFrame(Uint8Array.of(7, 7, 7)))
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })
})

describe("a session", () => {
  test("is one client's, the next one's request is held and served when it leaves", () => {
    const rig = new Rig()
    const [first, second] = [rig.client(), rig.client()]
    expect(first.ask(ARM.reset)).toBeDefined()
    const id = second.post(ARM.reset)
    rig.clock.advance(3_000)
    expect(second.answer(id)).toBeUndefined()
    first.leave()
    expect(second.answer(id)?.arm).toBe(ARM.resetResponse)
  })

  test("of another makes a request wait 4 s, then the answer is busy", () => {
    const rig = new Rig()
    const [first, second] = [rig.client(), rig.client()]
    first.ask(ARM.reset)
    const id = second.post(ARM.reset)
    rig.clock.advance(3_800)
    expect(second.answer(id)).toBeUndefined()
    rig.clock.advance(300)
    expect(second.answer(id)?.arm).toBe(ARM.busy)
  })

  test("of another does not hold up pings and the specification", () => {
    const rig = new Rig()
    rig.client().ask(ARM.reset)
    const second = rig.client()
    second.ping()
    expect(second.told[0]?.kind).toBe("pong")
    expect(second.extract()).toBeDefined()
  })

  test("ends after silence, and says why before it closes", () => {
    const rig = new Rig({ idleMs: 2_000 })
    const client = rig.client()
    client.ask(ARM.reset)
    rig.clock.advance(1_500)
    client.ping()
    rig.clock.advance(1_500)
    expect(client.gone).toBe(false)
    rig.clock.advance(600)
    expect(client.notices).toEqual(["Session released: no traffic for 2 s (--session-timeout)"])
    expect(client.gone).toBe(true)
  })

  test("ends after --max-hold if somebody waits", () => {
    const rig = new Rig({ maxHoldMs: 3_000 })
    const [first, second] = [rig.client(), rig.client()]
    first.ask(ARM.reset)
    rig.clock.advance(5_000)
    expect(first.gone).toBe(false)
    const id = second.post(ARM.reset)
    rig.clock.advance(100)
    expect(first.notices[0]).toContain("--max-hold")
    expect(second.answer(id)?.arm).toBe(ARM.resetResponse)
  })

  test("is refused beyond --max-sessions, in words that arrive", () => {
    const rig = new Rig({ maxSessions: 2 })
    rig.client()
    rig.client()
    const third = rig.client()
    rig.clock.advance(300)
    expect(third.notices[0]).toContain("Server overloaded")
    expect(third.gone).toBe(true)
  })

  test("is handed on in the order of asking", () => {
    const rig = new Rig()
    const clients = Array.from({ length: 8 }, () => rig.client())
    const ids = clients.map((client) => client.post(ARM.reset))
    const served: number[] = []
    for (let turn = 0; turn < 8; turn++) {
      served.push(clients.findIndex((client, at) => !served.includes(at) && client.answer(ids[at]!) !== undefined))
      clients[turn]!.leave()
    }
    expect(served).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
})

describe("a run", () => {
  for (const udp of [true, false]) {
    for (const devices of [1, 2, 4]) {
      test(`on ${devices} devices, samples by ${udp ? "UDP" : "TCP"}: accepted, streamed in full, done`, () => {
        const rig = new Rig({ devices, udp })
        const client = rig.client()
        client.start(RUN, 500, 10_000)
        rig.clock.advance(1_000)
        const sent = rig.devices.reduce((sum, { sentChunks }) => sum + sentChunks, 0)
        expect(sent).toBeGreaterThan(devices)
        expect(client.chunks).toHaveLength(sent)
        expect(client.kinds.indexOf(ARM.startRunResponse)).toBe(0)
        for (let index = 0; index < devices; index++) {
          expect(client.states).toContain(`DONE of /${fakeMac(index)}`)
        }
        expect(client.notices).toEqual([])
      })
    }
  }

  test("that its client leaves is stopped, and the next client gets nothing of it", () => {
    const rig = new Rig({ devices: 2, udp: true })
    const first = rig.client()
    first.start(RUN, 60_000, 10_000)
    rig.clock.advance(100)
    const second = rig.client()
    const id = second.post(ARM.reset)
    first.leave()
    rig.clock.advance(1_000)
    expect(second.answer(id)?.arm).toBe(ARM.resetResponse)
    expect(rig.devices.map(({ runId }) => runId)).toEqual([undefined, undefined])
    second.start(OTHER_RUN, 100, 10_000)
    rig.clock.advance(1_000)
    expect(second.chunks.length).toBeGreaterThan(0)
    expect(second.chunks.filter(({ runId }) => runId !== OTHER_RUN)).toEqual([])
  })

  test("is no idle time, however long it is silent", () => {
    const rig = new Rig({ idleMs: 1_000 })
    const client = rig.client()
    client.start(RUN, 5_000, 0)
    rig.clock.advance(4_000)
    expect(client.gone).toBe(false)
    rig.clock.advance(3_000)
    expect(client.states.at(-1)).toContain("DONE")
  })

  test("with lost datagrams says how many, before DONE", () => {
    const rig = new Rig({ udp: true, loses: (datagram) => datagram === 4 || datagram === 5 })
    const client = rig.client()
    client.start(RUN, 500, 100_000)
    rig.clock.advance(2_000)
    expect(client.notices[0]).toContain("2 sample chunks")
    expect(client.kinds.indexOf(ARM.error)).toBeLessThan(client.kinds.lastIndexOf(ARM.runStateChange))
  })

  test("ignores datagrams of anybody but the device", () => {
    const rig = new Rig({ udp: true })
    const client = rig.client()
    client.start(RUN, 1_000, 0)
    rig.settle()
    const before = client.told.length
    rig.inject(0, encodeV1(undefined, ARM.error), "10.0.0.77")
    rig.settle()
    expect(client.told).toHaveLength(before)
    expect(rig.events.some(({ type }) => type === "foreign-datagram")).toBe(true)
  })

  test("that fails on one device is stopped on the others and told once", () => {
    const rig = new Rig({ devices: 2, device: (index) => (index === 1 ? { failRuns: "DMA overflow" } : {}) })
    const client = rig.client()
    client.start(RUN, 20_000, 1_000)
    rig.clock.advance(25_000)
    expect(client.notices.filter((text) => text.includes("DMA overflow"))).toEqual([
      `Run ${RUN}: error on 10.0.0.2:5732 (carrier ${fakeMac(1)}): DMA overflow`,
    ])
    expect(client.states.filter((state) => state.startsWith("ERROR"))).toHaveLength(1)
    expect(rig.devices[0]!.requests).toContain("stopRun")
  })

  test("that one device refuses is refused, and stopped on the others", () => {
    const rig = new Rig({
      devices: 2,
      device: (index) => (index === 1 ? { refuse: new Map([[ARM.startRun, "busy"]]) } : {}),
    })
    const client = rig.client()
    const id = client.start(RUN, 10_000)
    expect(errorText(client.answer(id))).toBe("10.0.0.2:5732: busy")
    rig.clock.advance(100)
    expect(rig.devices[0]!.runId).toBeUndefined()
  })

  test("that never says DONE ends with an error, not never", () => {
    const rig = new Rig({ device: { hangRuns: true } })
    const client = rig.client()
    client.start(RUN, 100, 1)
    rig.clock.advance(75_000)
    expect(client.notices[0]).toContain("no DONE from 10.0.0.1:5732")
    expect(rig.devices[0]!.requests).toContain("stopRun")
  })

  test("of a slow client holds a TCP device back and loses nothing", () => {
    const rig = new Rig({ proxy: { bufferBytes: 64 << 10 }, device: { bufferBytes: 64 << 20 }, idleMs: 600_000 })
    const client = rig.client()
    client.end.pause()
    client.start(RUN, 2_000, 500_000)
    rig.clock.advance(3_000)
    expect(rig.events.some(({ type }) => type === "held-back")).toBe(true)
    client.end.resume()
    rig.clock.advance(1_000)
    expect(client.chunks).toHaveLength(rig.devices[0]!.sentChunks)
    expect(client.states.at(-1)).toContain("DONE")
  })

  test("of a slow client with UDP devices loses what does not fit, and says so", () => {
    const rig = new Rig({ udp: true, proxy: { bufferBytes: 64 << 10 }, idleMs: 600_000 })
    const client = rig.client()
    client.end.pause()
    client.start(RUN, 2_000, 500_000)
    rig.clock.advance(3_000)
    client.end.resume()
    rig.clock.advance(1_000)
    const missing = rig.devices[0]!.sentChunks - client.chunks.length
    expect(missing).toBeGreaterThan(0)
    const told = client.notices.map((text) => Number(/ (\d+) sample chunks/.exec(text)?.[1]))
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(missing)
  })
})

describe("a device", () => {
  test("that is off at the start is awaited, and the client told which", () => {
    const rig = new Rig({ devices: 2, device: (index) => (index === 1 ? { dieAt: "connect" } : {}) })
    rig.off.add(1)
    const client = rig.client()
    const id = client.post(ARM.reset)
    rig.clock.advance(4_100)
    expect(errorText(client.answer(id))).toContain("not connected to 10.0.0.2:5732")
    rig.switchOn(1)
    rig.clock.advance(5_000)
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })

  test("that is back in time serves the request that waited", () => {
    const rig = new Rig({ devices: 2 })
    rig.switchOff(1)
    const client = rig.client()
    const id = client.post(ARM.extract)
    rig.switchOn(1)
    rig.clock.advance(3_900)
    expect(client.answer(id)?.arm).toBe(ARM.extractResponse)
  })

  test("that is off with --require any leaves the others usable", () => {
    const rig = new Rig({ devices: 2, proxy: { require: "any" } })
    rig.switchOff(1)
    const client = rig.client()
    expect(client.extract()?.items).toHaveLength(1)
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })

  test("that is lost ends the session with the reason", () => {
    const rig = new Rig({ devices: 2 })
    const client = rig.client()
    client.ask(ARM.reset)
    rig.switchOff(0)
    expect(client.notices[0]).toContain("Cluster degraded: lost 10.0.0.1:5732")
    expect(client.gone).toBe(true)
  })

  for (const dieAt of ["extract", "reset", "config", "start", "take-off", "ic", "op", "op-end", "done"] as const) {
    test(`that dies at ${dieAt} costs the client a word and the proxy nothing`, () => {
      const rig = new Rig({ devices: 2, idleMs: 60_000 })
      const client = rig.client()
      rig.devices[1]!.dieAt(dieAt)
      client.extract(`/${fakeMac(1)}`)
      client.ask(ARM.reset)
      client.request(ARM.config, ConfigCommandSchema, { module: { items: [{}] } })
      client.start(RUN, 50, 1_000)
      rig.clock.advance(1_000)
      expect(client.notices.some((text) => text.includes("10.0.0.2:5732"))).toBe(true)
      rig.devices[1]!.revive()
      rig.clock.advance(10_000)
      expect(rig.client().ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
    })
  }

  test("that has died without a word is found out by a ping", () => {
    const rig = new Rig()
    rig.ends[0]!.other.owner = undefined
    rig.clock.advance(12_000)
    expect(rig.events.some(({ type }) => type === "device-lost")).toBe(true)
    rig.clock.advance(1_000)
    expect(rig.client().ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })

  test("that takes its time to say what it is gets that time, though the other language is tried first", () => {
    const rig = new Rig({ device: { ignore: new Set([ARM.extract]) } })
    const told = encodeMessage("relay-1", ARM.extractResponse, ExtractResponseSchema, {
      module: {
        items: [{ kind: { case: "entitySpecification", value: { entity: { id: `/${fakeMac(0)}`, class: 1 } } } }],
      },
    })
    const asked: number[] = []
    for (let ms = 0; ms < 60_000 && !rig.proxy.backends[0]!.up; ms += 100) {
      const extracts = rig.devices[0]!.requests.filter((name) => name === "extract").length
      if (extracts > asked.length) asked.push(ms)
      if (asked.length > 0 && ms === asked.at(-1)! + 5_000) rig.ends[0]!.other.write(encodeFrame(told))
      rig.clock.advance(100)
    }
    expect(rig.proxy.backends[0]).toMatchObject({ up: true, language: "protobuf" })
  })

  test("that says nothing to the wish for UDP sends by TCP after 5 s, and lives", () => {
    const rig = new Rig({ udp: true, device: { ignore: new Set([ARM.udpDataStreaming]) } })
    rig.clock.advance(5_100)
    expect(rig.events.find(({ type }) => type === "device-up")).toMatchObject({ data: "tcp" })
    const client = rig.client()
    client.start(RUN, 200, 10_000)
    rig.clock.advance(1_000)
    expect(client.chunks).toHaveLength(rig.devices[0]!.sentChunks)
    expect(rig.events.filter(({ type }) => type === "device-lost")).toEqual([])
  })

  test("that refuses UDP is not dropped for it", () => {
    const rig = new Rig({ udp: false })
    rig.clock.advance(120_000)
    expect(rig.events.filter(({ type }) => type === "device-lost")).toEqual([])
  })
})

describe("a secret", () => {
  const auth = (token: string) => encodePayload(AuthRequestSchema, { kind: { case: "bearer", value: { token } } })

  test("is asked for before anything else", () => {
    const rig = new Rig({ secret: "tok" })
    const client = rig.client()
    expect(errorText(client.ask(ARM.reset))).toBe("Authentication required")
    expect(errorText(client.ask(ARM.extract))).toBe("Authentication required")
    expect(client.ask(ARM.auth, auth("tok"))?.arm).toBe(ARM.success)
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })

  test("that is wrong is answered slowly, and not for ever", () => {
    const rig = new Rig({ secret: "tok" })
    const client = rig.client()
    const id = client.post(ARM.auth, auth("tak"))
    expect(client.answer(id)).toBeUndefined()
    rig.clock.advance(300)
    expect(errorText(client.answer(id))).toBe("Authentication failed")
    for (let attempt = 0; attempt < 4; attempt++) {
      client.post(ARM.auth, auth("tak"))
      rig.clock.advance(2_400)
    }
    rig.clock.advance(5_000)
    expect(client.gone).toBe(true)
  })

  test("has a deadline, and those without it take no place in the queue", () => {
    const rig = new Rig({ secret: "tok", maxSessions: 1 })
    const strangers = Array.from({ length: 5 }, () => rig.client())
    const client = rig.client()
    expect(client.ask(ARM.auth, auth("tok"))?.arm).toBe(ARM.success)
    rig.clock.advance(5_000)
    client.ping()
    rig.clock.advance(5_500)
    expect(strangers.every(({ gone }) => gone)).toBe(true)
    expect(client.gone).toBe(false)
  })

  test("is no matter where none is asked for", () => {
    expect(new Rig().client().ask(ARM.auth, auth("anything"))?.arm).toBe(ARM.success)
  })
})
