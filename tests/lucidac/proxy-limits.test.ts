import { describe, expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeError, encodeV1 } from "../../src/lucidac/envelope.ts"
import { encodeFrame, MAX_FRAME_BODY } from "../../src/lucidac/frame.ts"
import { encodeMessage, encodePayload } from "../../src/lucidac/payload.ts"
import {
  AuthRequestSchema,
  ExtractCommandSchema,
  RunState,
  RunStateChangeMessageSchema,
  SyslogResponseSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { errorText, Rig, type RigClient } from "./rig.ts"

const RUN = "11111111-2222-3333-4444-555555555555"

/** Sends so many of one request in one go, as many as the connection takes. */
function flood(client: RigClient, count: number, arm: number, payload?: Uint8Array): void {
  const frame = encodeFrame(encodeV1(undefined, arm, payload))
  const bytes = new Uint8Array(count * frame.length)
  for (let index = 0; index < count; index++) bytes.set(frame, index * frame.length)
  client.raw(bytes)
}

const resetsAt = (rig: Rig): number => rig.devices[0]!.requests.filter((name) => name === "reset").length

describe("requests under way", () => {
  test("are no silence: a client is not released before its answer", () => {
    const rig = new Rig({ device: { ignore: new Set([ARM.calibration]) }, idleMs: 2_000 })
    const client = rig.client()
    const id = client.post(ARM.calibration)
    rig.clock.advance(10_100)
    expect(errorText(client.answer(id))).toContain("no answer in 10 s")
    expect(client.gone).toBe(false)
    rig.clock.advance(2_100)
    expect(client.gone).toBe(true)
  })

  test("of one client are 64 at most, even where thousands come at once; all are served in the end", () => {
    const rig = new Rig({ device: { ignore: new Set([ARM.calibration]) } })
    const client = rig.client()
    flood(client, 100, ARM.calibration)
    expect(rig.devices[0]!.requests.filter((name) => name === "calibration")).toHaveLength(64)
    rig.clock.advance(25_000)
    expect(rig.devices[0]!.requests.filter((name) => name === "calibration")).toHaveLength(100)
    expect(client.kinds.filter((arm) => arm === ARM.error)).toHaveLength(100)
  })

  test("are answered in their order, however many are sent at once", () => {
    const rig = new Rig()
    const client = rig.client()
    const ids = Array.from({ length: 500 }, (_, index) => `n${index}`)
    client.raw(Buffer.concat(ids.map((id) => encodeFrame(encodeV1(id, ARM.reset)))))
    rig.clock.advance(1_000)
    expect(client.v1.map(({ id }) => id!)).toEqual(ids)
    expect(resetsAt(rig)).toBe(501)
  })

  test("of one that waits for its turn are served in their order, before those that it sends then", () => {
    const rig = new Rig()
    const [first, second] = [rig.client(), rig.client()]
    first.ask(ARM.reset)
    const ids = Array.from({ length: 600 }, (_, index) => `n${index}`)
    second.raw(Buffer.concat(ids.map((id) => encodeFrame(encodeV1(id, ARM.reset)))))
    expect(second.v1).toEqual([])
    first.leave()
    rig.clock.advance(1_000)
    expect(second.v1.map(({ id }) => id!)).toEqual(ids)
  })

  test("whose answer comes after its time bring nothing to the next client", () => {
    const rig = new Rig({ device: { ignore: new Set([ARM.calibration]) }, idleMs: 60_000 })
    const first = rig.client()
    first.post(ARM.calibration)
    rig.clock.advance(10_100)
    first.leave()
    const second = rig.client()
    second.ask(ARM.reset)
    for (const id of ["relay-3", "relay-4", "relay-5"]) {
      rig.ends[0]!.other.write(encodeFrame(encodeError(id, "too late")))
    }
    rig.ends[0]!.other.write(encodeFrame(encodeError(undefined, "on its own account")))
    rig.ends[0]!.other.write(encodeFrame(encodeError("6f1c-of-the-device", "stamped")))
    rig.settle()
    const texts = second.v1.filter(({ arm }) => arm === ARM.error).map((message) => errorText(message))
    expect(texts).toEqual(["on its own account", "stamped"])
  })
})

describe("a message longer than a frame", () => {
  test("for a device is refused, and the device's connection lives on", () => {
    const rig = new Rig()
    const client = rig.client()
    const payload = new Uint8Array(MAX_FRAME_BODY - 13)
    const body = encodeV1("a", ARM.registerExternalEntities, payload)
    expect(body.length).toBeLessThanOrEqual(MAX_FRAME_BODY)
    const frame = encodeFrame(body)
    for (let at = 0; at < frame.length; at += 64 << 10) client.raw(frame.subarray(at, at + (64 << 10)))
    rig.clock.advance(100)
    expect(errorText(client.answer("a"))).toContain("262,084")
    expect(rig.events.filter(({ type }) => type === "device-lost")).toEqual([])
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })

  test("for a client is an error, and its connection lives on", () => {
    const rig = new Rig({ devices: 2, device: { ignore: new Set([ARM.syslog]) } })
    const client = rig.client()
    const id = client.post(ARM.syslog)
    const entries = Array.from({ length: 200 }, () => "x".repeat(1_000))
    for (const { other } of rig.ends.map((end) => end!)) {
      for (let number = 1; number < 9; number++) {
        const log = encodeMessage(`relay-${number}`, ARM.syslogResponse, SyslogResponseSchema, { entries })
        other.write(encodeFrame(log))
        rig.settle()
      }
    }
    expect(errorText(client.answer(id))).toContain("262,084")
    expect(client.ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })
})

describe("what waits for clients that do not read", () => {
  const extract = encodePayload(ExtractCommandSchema, { recursive: true, specification: true })

  test("is a little for one that has not got the computer, however much it asks", () => {
    const rig = new Rig({ devices: 4 })
    rig.client().ask(ARM.reset)
    const client = rig.client()
    client.end.pause()
    flood(client, 10_000, ARM.extract, extract)
    rig.clock.advance(1_000)
    expect(rig.proxy.waitingBytes).toBeLessThan(2 << 20)
    expect(rig.proxy.waitingBytes).toBeGreaterThan(0)
    client.end.resume()
    rig.clock.advance(5_000)
    expect(client.kinds).toHaveLength(10_000)
  })

  for (const udp of [true, false]) {
    test(`stays bounded when a device floods it with state changes (samples by ${udp ? "UDP" : "TCP"})`, () => {
      const rig = new Rig({ udp, proxy: { bufferBytes: 1 << 20 }, device: { hangRuns: true }, idleMs: 600_000 })
      const client = rig.client()
      client.end.pause()
      client.start(RUN, 600_000, 0)
      rig.clock.advance(100)
      const change = encodeMessage(undefined, ARM.runStateChange, RunStateChangeMessageSchema, {
        run: { id: RUN },
        new: RunState.OP,
        reason: "x".repeat(10_000),
      })
      const error = encodeError(undefined, "y".repeat(1_000))
      for (let round = 0; round < 2_000; round++) {
        rig.ends[0]!.other.write(encodeFrame(round % 2 === 0 ? change : error))
        rig.clock.advance(1)
      }
      expect(rig.proxy.waitingBytes).toBeLessThan(4 << 20)
    })
  }

  describe("counts for all who had the computer together", () => {
    const bufferBytes = 8 << 20

    /** A slow client that is released with so many milliseconds of samples unread, and the next one, which reads nothing. */
    function released(unreadMs: number) {
      const rig = new Rig({
        proxy: { bufferBytes },
        device: { bufferBytes: 256 << 20, rate: 1_000_000 },
        maxHoldMs: 3_000,
        idleMs: 600_000,
      })
      const [slow, next] = [rig.client(), rig.client()]
      slow.end.pause()
      slow.start(RUN, unreadMs)
      rig.clock.advance(2_900)
      next.end.pause()
      next.start("next", 60_000)
      const unread = rig.proxy.waitingBytes
      rig.clock.advance(200)
      expect(rig.events.some(({ type }) => type === "released")).toBe(true)
      return { rig, slow, next, unread }
    }

    test("one on its way out reads the rest, and what waits for it is not there for the next one", () => {
      const { rig, slow, unread } = released(500)
      expect(unread).toBeGreaterThan(bufferBytes / 4)
      expect(unread).toBeLessThan(bufferBytes / 2)
      let most = 0
      // It reads a piece at a time.
      slow.end.owner = Object.assign(Object.create(slow), {
        onData(chunk: Uint8Array) {
          slow.onData(chunk)
          slow.end.pause()
        },
      })
      for (let round = 0; round < 100; round++) {
        slow.end.resume()
        rig.clock.advance(100)
        most = Math.max(most, rig.proxy.waitingBytes)
      }
      slow.end.owner = slow
      slow.end.resume()
      rig.clock.advance(1_000)
      expect(most).toBeGreaterThan(bufferBytes - (1 << 20))
      expect(most).toBeLessThan(bufferBytes + (1 << 20))
      expect(slow.notices[0]).toContain("--max-hold")
      expect(slow.chunks.length).toBeGreaterThan(5_000)
    })

    test("one that would leave the next one less than half is cut off", () => {
      const { rig, slow, unread } = released(1_500)
      expect(unread).toBeGreaterThan(bufferBytes / 2)
      expect(rig.proxy.waitingBytes).toBeLessThan(bufferBytes / 2)
      slow.end.resume()
      rig.clock.advance(10)
      expect(slow.gone).toBe(true)
    })
  })

  test("is told of only once the chunks had time to come: datagrams that change places are no loss", () => {
    const held: (() => void)[] = []
    const rig = new Rig({
      udp: true,
      carry: (datagram, deliver) => {
        if (datagram === 4) held.push(deliver)
        else deliver()
        if (datagram === 8) for (const late of held.splice(0)) late()
      },
    })
    const client = rig.client()
    client.start(RUN, 500, 100_000)
    rig.clock.advance(3_000)
    expect(client.chunks).toHaveLength(rig.devices[0]!.sentChunks)
    expect(client.notices).toEqual([])
  })
})

describe("runs", () => {
  test("of one client are 32 at once; one more is refused in words, and none is forgotten", () => {
    const rig = new Rig({ device: { ignore: new Set([ARM.startRun]) }, idleMs: 600_000 })
    const client = rig.client()
    const answers = Array.from({ length: 33 }, (_, index) => client.start(`run-${index}`, 60_000, 0))
    rig.clock.advance(200)
    expect(errorText(client.answer(answers[32]!))).toContain("32 runs")
  })

  test("that are under way when the proxy ends are stopped, and the client told", () => {
    const rig = new Rig({ devices: 2 })
    const client = rig.client()
    client.start(RUN, 60_000, 1_000)
    rig.clock.advance(100)
    rig.proxy.close("the proxy ends")
    rig.clock.advance(100)
    expect(client.notices).toEqual(["Released: the proxy ends"])
    expect(client.gone).toBe(true)
    expect(rig.devices.map(({ requests }) => requests.includes("stopRun"))).toEqual([true, true])
    expect(rig.devices.map(({ runId }) => runId)).toEqual([undefined, undefined])
  })

  test("that are being stopped keep the next client waiting, even behind a device that was slow before", () => {
    const rig = new Rig({ device: { hangRuns: true }, idleMs: 600_000 })
    const device = rig.devices[0]!
    const [first, second, third] = [rig.client(), rig.client(), rig.client()]
    first.start(RUN, 60_000, 0)
    rig.clock.advance(50)
    second.start("second", 60_000, 0)
    // The device is slow to stop the first one's run: the second gets it after a second.
    device.ignore(ARM.reset)
    first.leave()
    rig.clock.advance(1_200)
    expect(rig.events.filter(({ type }) => type === "active")).toHaveLength(2)
    const id = third.post(ARM.reset)
    second.leave()
    // The answer to the first one's stop comes while the second one's is awaited.
    rig.ends[0]!.other.write(encodeFrame(encodeV1("relay-6", ARM.resetResponse)))
    rig.settle()
    expect(third.answer(id)).toBeUndefined()
    expect(rig.events.filter(({ type }) => type === "active")).toHaveLength(2)
  })
})

describe("guessing the secret", () => {
  const auth = (token: string) => encodePayload(AuthRequestSchema, { kind: { case: "bearer", value: { token } } })

  test("is no faster with a new connection for each guess", () => {
    const rig = new Rig({ secret: "tok" })
    for (let guess = 0; guess < 6; guess++) {
      const client = rig.client()
      client.post(ARM.auth, auth(`wrong ${guess}`))
      client.leave()
    }
    // The right one is no sooner known to be right than a wrong one to be wrong.
    const client = rig.client()
    const id = client.post(ARM.auth, auth("tok"))
    rig.clock.advance(7_000)
    expect(client.answer(id)).toBeUndefined()
    rig.clock.advance(1_100)
    expect(client.answer(id)?.arm).toBe(ARM.success)
    const elsewhere = rig.client("192.0.2.77")
    expect(elsewhere.ask(ARM.auth, auth("tok"))?.arm).toBe(ARM.success)
  })

  test("has strangers refused beyond 32, while those who know it come in", () => {
    const rig = new Rig({ secret: "tok" })
    const strangers = Array.from({ length: 40 }, (_, index) => rig.client(`192.0.2.${index}`))
    rig.clock.advance(300)
    expect(strangers.filter(({ gone }) => gone)).toHaveLength(8)
    strangers[0]!.leave()
    const client = rig.client("192.0.2.99")
    expect(client.ask(ARM.auth, auth("tok"))?.arm).toBe(ARM.success)
  })
})
