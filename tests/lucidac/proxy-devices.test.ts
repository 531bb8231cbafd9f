import { describe, expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { FakeDevice } from "../../src/lucidac/fake-device.ts"
import { fakeMac } from "../../src/lucidac/fake-options.ts"
import { encodeMessage } from "../../src/lucidac/payload.ts"
import { RunDataMessageSchema } from "../../src/lucidac/proto/lucidac_pb.ts"
import { Rig } from "./rig.ts"

const RUN = "11111111-2222-3333-4444-555555555555"
const OTHER_RUN = "99999999-2222-3333-4444-555555555555"

/** What devices are asked, in order. */
function listening(options: ConstructorParameters<typeof Rig>[0] = {}): { rig: Rig; asked: string[] } {
  const asked: string[] = []
  const rig = new Rig({ ...options, device: { onRequest: (name) => void asked.push(name) } })
  return { rig, asked }
}

describe("a device that connects", () => {
  test("is asked what it is, then reset, then asked for UDP, each when the one before is answered", () => {
    const { rig, asked } = listening({ udp: true })
    expect(asked).toEqual(["extract", "reset", "udpDataStreaming"])
    expect(rig.proxy.backends[0]!.carriesBy).toBe("udp")
  })

  test("is not asked for UDP with --no-udp", () => {
    const { rig, asked } = listening({ udp: true, proxy: { noUdp: true } })
    expect(asked).toEqual(["extract", "reset"])
    expect(rig.proxy.backends[0]!.carriesBy).toBe("tcp")
  })

  test("is asked all of it anew when it comes back", () => {
    const { rig, asked } = listening({ udp: true })
    rig.switchOff(0)
    rig.switchOn(0)
    asked.length = 0
    rig.clock.advance(5_000)
    expect(asked.slice(0, 3)).toEqual(["extract", "reset", "udpDataStreaming"])
  })

  test("as another one in the same place is described anew to clients", () => {
    const rig = new Rig({ devices: 2 })
    const before = rig.client()
    expect(JSON.stringify(before.extract()?.items.length)).toBe("2")
    before.leave()
    rig.switchOff(0)
    // Another computer at the address of the first.
    rig.devices[0] = new FakeDevice({
      clock: rig.clock,
      macs: [fakeMac(7)],
      endOfTurn: (run) => void rig.clock.after(0, run),
    })
    rig.off.delete(0)
    rig.clock.advance(5_000)
    expect(rig.proxy.backends[0]!.carriers).toEqual([fakeMac(7)])
    const module = rig.client().extract()
    const text = JSON.stringify(module, (_key, value) => (typeof value === "bigint" ? `${value}` : value))
    expect([fakeMac(7), fakeMac(1), fakeMac(0)].map((mac) => text.includes(mac))).toEqual([true, true, false])
  })
})

test("devices that are gone are each tried again, side by side, at growing intervals", () => {
  const rig = new Rig({ devices: 3 })
  for (const index of [0, 1, 2]) rig.switchOff(index)
  rig.clock.advance(60_000)
  for (const { name } of rig.proxy.backends) {
    const waits = rig.events.flatMap((event) =>
      (event.type === "device-failed" || event.type === "device-lost") && event.device === name ? [event.retryMs] : [],
    )
    // A minute of tries at most 4 s apart.
    expect(waits.length).toBeGreaterThan(14)
    expect(waits.length).toBeLessThan(40)
    expect(waits[0]).toBeLessThan(500)
    expect(Math.max(...waits)).toBeGreaterThan(2_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(4_000)
  }
  // One that stays off holds nobody up.
  rig.switchOn(1)
  rig.switchOn(2)
  rig.clock.advance(4_001)
  expect(rig.proxy.backends.map(({ up }) => up)).toEqual([false, true, true])
})

test("samples of a run that somebody left never reach the next client, even if the device goes on with it", () => {
  const rig = new Rig()
  const first = rig.client()
  first.start(RUN, 10)
  first.leave()
  rig.clock.advance(1_000)
  const second = rig.client()
  second.start(OTHER_RUN, 100, 1_000)
  const sample = (id: string) =>
    encodeMessage(undefined, ARM.runData, RunDataMessageSchema, { run: { id }, entity: { path: `/${fakeMac(0)}` } })
  rig.devices[0]!.broadcast(sample(RUN))
  rig.devices[0]!.broadcast(sample("nobody's"))
  rig.clock.advance(1_000)
  expect(second.chunks.length).toBeGreaterThan(1)
  expect(second.chunks.filter(({ runId }) => runId !== OTHER_RUN)).toEqual([])
})

test("a run of the fake that begins at an odd moment ends, whatever binary fractions make of its time", () => {
  const rig = new Rig()
  const client = rig.client()
  rig.clock.advance(1_000)
  client.start(RUN, 100)
  rig.clock.advance(1_000)
  expect(client.states.at(-1)).toBe(`DONE of /${fakeMac(0)}`)
})
