import { describe, expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { fakeMac } from "../../src/lucidac/fake-options.ts"
import { errorText, Rig, type RigOptions } from "./rig.ts"

const RUN = "11111111-2222-3333-4444-555555555555"
const OTHER_RUN = "99999999-2222-3333-4444-555555555555"

/** Devices of the older generation, found out to be so. */
function jsonRig(options: RigOptions = {}): Rig {
  const rig = new Rig({ devices: 0, jsonDevices: 1, ...options })
  rig.clock.advance(4_000)
  expect(rig.proxy.backends.every(({ up, language }) => up && language === "json")).toBe(true)
  return rig
}

function run(id: string, opMs = 100): Record<string, unknown> {
  return {
    id,
    config: { ic_time_us: 100, op_time_ms: opMs },
    daq_config: { num_channels: 2, sample_rate: 1_000, sample_op: true },
  }
}

describe("a client of the older protocol", () => {
  test("is told what the device has, with its own id", () => {
    const client = jsonRig().jsonClient()
    const answer = client.ask("get_entities")
    expect(answer?.code).toBe(0)
    expect(Object.keys(answer?.msg.entities)).toEqual([fakeMac(0)])
  })

  test("is told of two devices as of one", () => {
    const client = jsonRig({ jsonDevices: 2 }).jsonClient()
    expect(Object.keys(client.ask("get_entities")?.msg.entities)).toEqual([fakeMac(0), fakeMac(1)])
    expect(client.ask("reset_circuit")).toEqual({ id: "json-2", type: "reset_circuit", msg: {}, code: 0 })
  })

  test("configures the device that its entity names", () => {
    const rig = jsonRig({ jsonDevices: 2 })
    const client = rig.jsonClient()
    expect(client.ask("set_circuit", { entity: [fakeMac(1), "0"], config: {} })?.code).toBe(0)
    expect(rig.jsonDevices.map(({ requests }) => requests.includes("set_circuit"))).toEqual([false, true])
    expect(client.ask("set_circuit", { entity: ["FF-FF-FF-FF-FF-FF"], config: {} })?.error).toContain(fakeMac(0))
  })

  test("hears the device's own error and code", () => {
    const client = jsonRig().jsonClient()
    const answer = client.ask("no_such_thing")
    expect(answer?.code).toBe(-10)
    expect(answer?.error).toBeString()
  })

  test.each(["net_set", "net_reset", "ota_update_init", "write_eeprom"])(
    "may not send %s, which is for good",
    (type) => {
      const rig = jsonRig()
      expect(rig.jsonClient().ask(type)?.error).toContain("--allow-writes")
      expect(rig.jsonDevices[0]!.requests).not.toContain(type)
    },
  )

  test("runs, gets all samples behind the reply, and DONE", () => {
    const rig = jsonRig()
    const client = rig.jsonClient()
    const id = client.post("start_run", run(RUN))
    rig.clock.advance(1_000)
    expect(client.told[0]?.id).toBe(id)
    expect(client.of("run_data").length).toBeGreaterThan(0)
    expect(client.of("run_data").every(({ msg }) => msg.id === RUN)).toBe(true)
    expect(client.of("run_state_change").at(-1)?.msg.new).toBe("DONE")
  })

  test("gets nothing of the run that the client before it left", () => {
    const rig = jsonRig()
    const first = rig.jsonClient()
    first.post("start_run", run(RUN, 60_000))
    rig.clock.advance(100)
    expect(first.of("run_data").length).toBeGreaterThan(0)
    const second = rig.jsonClient()
    const id = second.post("start_run", run(OTHER_RUN))
    first.leave()
    rig.clock.advance(2_000)
    expect(second.answer(id)?.code).toBe(0)
    expect(rig.jsonDevices[0]!.requests).toContain("stop_run")
    expect(second.of("run_data").length).toBeGreaterThan(0)
    expect(second.told.filter(({ msg }) => msg?.id === RUN)).toEqual([])
  })

  test("waits for its turn for as long as it takes, for it knows no busy", () => {
    const rig = jsonRig()
    const [first, second] = [rig.jsonClient(), rig.jsonClient()]
    first.ask("reset_circuit")
    const id = second.post("reset_circuit")
    for (let second = 0; second < 20; second++) {
      rig.clock.advance(1_000)
      first.ask("ping")
    }
    expect(second.answer(id)).toBeUndefined()
    first.leave()
    expect(second.answer(id)?.code).toBe(0)
  })

  test("is released after silence with a word in its language", () => {
    const rig = jsonRig({ idleMs: 2_000 })
    const client = rig.jsonClient()
    client.ask("reset_circuit")
    rig.clock.advance(2_500)
    expect(client.told.at(-1)?.error).toContain("--session-timeout")
    expect(client.gone).toBe(true)
  })

  test("is refused beyond --max-sessions in its own language", () => {
    const rig = jsonRig({ maxSessions: 1 })
    rig.jsonClient()
    const second = rig.jsonClient()
    second.post("ping")
    expect(second.told).toEqual([{ type: "error", code: -1, error: expect.stringContaining("Server overloaded") }])
    expect(second.gone).toBe(true)
  })

  test("does not hand its login on", () => {
    const rig = jsonRig({ json: { user: { name: "admin", password: "pw" } } })
    const first = rig.jsonClient()
    expect(first.ask("reset_circuit")?.code).toBe(-20)
    expect(first.ask("login", { user: "admin", password: "pw" })?.code).toBe(0)
    expect(first.ask("reset_circuit")?.code).toBe(0)
    first.leave()
    rig.clock.advance(2_000)
    expect(rig.jsonClient().ask("reset_circuit")?.code).toBe(-20)
  })

  test("shows the proxy's secret as a password", () => {
    const rig = jsonRig({ secret: "tok" })
    const client = rig.jsonClient()
    expect(client.ask("reset_circuit")?.error).toContain("Authentication required")
    expect(client.ask("login", { user: "me", password: "tok" })?.code).toBe(0)
    expect(client.ask("reset_circuit")?.code).toBe(0)
  })

  test("of a slow client holds the device back and loses nothing", () => {
    const rig = jsonRig({
      proxy: { bufferBytes: 64 << 10 },
      json: { bufferBytes: 64 << 20, rate: 200_000 },
      idleMs: 600_000,
    })
    const client = rig.jsonClient()
    client.post("start_run", run(RUN, 500))
    client.end.pause()
    rig.clock.advance(2_000)
    expect(rig.events.some(({ type }) => type === "held-back")).toBe(true)
    client.end.resume()
    rig.clock.advance(2_000)
    const samples = client.of("run_data").reduce((sum, { msg }) => sum + msg.data.length, 0)
    expect(samples).toBe(100_000)
  })
})

describe("the two generations", () => {
  test("a protobuf client of an older device is told so", () => {
    const rig = jsonRig()
    expect(errorText(rig.client().ask(ARM.reset))).toContain("JSON lines")
  })

  test("a JSON client of a newer device is told so", () => {
    const rig = new Rig()
    expect(rig.jsonClient().ask("reset_circuit")?.error).toContain("protobuf")
    expect(rig.jsonClient().ask("ping")?.code).toBe(0)
  })

  test("a client of the wrong one is told at once, whoever has the computer, and takes nobody's place", () => {
    const rig = new Rig()
    const first = rig.client()
    first.ask(ARM.reset)
    expect(rig.jsonClient().ask("reset_circuit")?.error).toContain("protobuf")
    const id = rig.client().post(ARM.reset)
    expect(rig.events.filter(({ type }) => type === "waiting")).toHaveLength(1)
    expect(id).toBeString()
  })
})
