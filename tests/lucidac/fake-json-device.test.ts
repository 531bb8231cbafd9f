import { describe, expect, test } from "bun:test"
import { FakeJsonDevice, type FakeJsonOptions } from "../../src/lucidac/fake-json-device.ts"
import { PLACEHOLDER_RUN_ID } from "../../src/lucidac/fake-json-run-plan.ts"
import { FakeJsonServer } from "../../src/lucidac/fake-json-server.ts"
import { DEATHS, type Death, fakeMac, REBOOT_DELAY_MS } from "../../src/lucidac/fake-options.ts"
import { AMPLITUDE, waveValue } from "../../src/lucidac/fake-samples.ts"
import { JsonDecoder, type JsonEnvelope, parseJsonEnvelope } from "../../src/lucidac/json-lines.ts"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { seededRandom } from "../../src/transport/random.ts"
import type { TcpOwner, TcpPort } from "../../src/transport/tcp-port.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { cuts, integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"
import { until } from "../support/until.ts"

const MAC = fakeMac(0)
const RUN_ID = "r".repeat(36)

/** A client of a JSON device over memory. */
class JsonClient {
  readonly told: JsonEnvelope[] = []
  room = Number.POSITIVE_INFINITY
  ended = false
  #owner: TcpOwner | undefined
  readonly #decoder = new JsonDecoder()

  constructor(accept: (port: TcpPort) => TcpOwner | undefined) {
    const end = () => {
      this.ended = true
      this.#owner = undefined
    }
    this.#owner = accept({
      peer: { host: "192.0.2.1", port: 4000 },
      write: (bytes) => {
        const taken = Math.min(this.room, bytes.length)
        this.room -= taken
        this.#decoder.push(bytes.slice(0, taken), (object) => void this.told.push(parseJsonEnvelope(object)!))
        return taken
      },
      end,
      endSending: end,
      abort: end,
    })
  }

  sendBytes(bytes: Uint8Array): void {
    this.#owner?.onData(bytes)
  }

  take(bytes: number): void {
    this.room += bytes
    this.#owner?.onDrain()
  }

  leave(): void {
    this.#owner?.onClose("")
    this.#owner = undefined
  }

  /** The fields of the answer. */
  ask(type: string, msg: object = {}): Record<string, unknown> | undefined {
    const id = `id${this.told.length}-${type}`
    this.sendBytes(encodeJsonLine({ id, type, msg }))
    return this.told.find((message) => message.id === id)?.fields as Record<string, unknown> | undefined
  }

  get states() {
    return this.told.filter(({ type }) => type === "run_state_change").map(({ msg }) => msg)
  }

  get rows(): number[][] {
    return this.told
      .filter(({ type, msg }) => type === "run_data" && !msg.state)
      .flatMap(({ msg }) => msg.data as number[][])
  }
}

function setup(options: Partial<FakeJsonOptions> = {}) {
  const clock = new FakeClock()
  const device = new FakeJsonDevice({ clock, mac: MAC, endOfTurn: (run) => run(), ...options })
  const connect = () => new JsonClient((port) => device.accept(port))
  return { clock, device, connect, client: connect() }
}

/** 10 ms at 64 kHz. */
const RUN = {
  id: RUN_ID,
  config: { ic_time: 1_000_000, op_time: 10_000_000 },
  daq_config: { num_channels: 2, sample_rate: 64_000, sample_op: true },
}

describe("FakeJsonDevice answers", () => {
  test("with the request's id and type, and code 0", () => {
    const { client } = setup()
    expect(client.ask("ping")).toMatchObject({ type: "ping", code: 0, msg: { micros: 0 } })
    const { entities } = client.ask("get_entities")!.msg as { entities: Record<string, Record<string, object>> }
    expect(Object.keys(entities)).toEqual([MAC])
    expect(entities[MAC]!["/0"]).toHaveProperty(["/M0"], { class: 2, type: 1, variant: 1, version: 1 })
    for (const type of ["help", "one_shot_daq", "overload_status", "sys_ident", "net_get", "net_set", "sys_stats"]) {
      expect([type, client.ask(type)?.code]).toEqual([type, 0])
    }
  })

  test("an unknown type with -10, and what cannot be read not at all", () => {
    const { client } = setup()
    expect(client.ask("dance")).toMatchObject({ code: -10, error: "Unknown type: dance" })
    expect(client.ask("dance")).not.toHaveProperty("msg")
    const { length } = client.told
    client.sendBytes(utf8('hello\n{"id":1}\n{]}\n'))
    expect(client.told).toHaveLength(length)
    expect(client.ask("ping")?.code).toBe(0)
  })

  test("a circuit, block by block, which it tells again until reset", () => {
    const { client } = setup()
    expect(
      client.ask("set_circuit", { entity: [MAC], config: { "/0": { "/U": { a: 1 }, "/C": { b: 2 } } } })?.code,
    ).toBe(0)
    client.ask("set_circuit", { entity: [MAC, "0", "U"], config: { a: 3 } })
    client.ask("set_circuit", { entity: [MAC.toLowerCase(), "/0"], config: { "/I": { c: 4 } } })
    const config = { "/0": { "/U": { a: 3 }, "/C": { b: 2 }, "/I": { c: 4 } } }
    expect(client.ask("get_circuit")?.msg).toEqual({ entity: [MAC], config })
    expect(client.ask("set_circuit", { entity: ["other"], config: {} })).toMatchObject({ code: 401 })
    expect(client.ask("set_circuit", { entity: MAC, config: {} })).toMatchObject({ code: 401 })
    expect(client.ask("set_circuit", { entity: [MAC] })).toMatchObject({ code: 401 })
    client.ask("reset_circuit")
    expect(client.ask("get_circuit")?.msg).toEqual({ entity: [MAC], config: {} })
  })

  test("only to who is logged in, where there are users", () => {
    const { client, connect } = setup({ user: { name: "u", password: "p" } })
    expect(client.ask("ping")?.code).toBe(0)
    expect(client.ask("get_entities")?.code).toBe(-20)
    expect(client.ask("login", { user: "x", password: "p" })?.code).toBe(3101)
    expect(client.ask("login", { user: "u", password: "x" })?.code).toBe(3102)
    expect(client.ask("login", { user: "u", password: "p" })?.code).toBe(0)
    expect(client.ask("get_entities")?.code).toBe(0)
    expect(connect().ask("get_entities")?.code).toBe(-20)
  })

  test("one lock at a time, which ends with its connection", () => {
    const { client, connect } = setup()
    const other = connect()
    expect([client.ask("lock_acquire")?.code, other.ask("lock_acquire")?.code]).toEqual([0, 3201])
    expect([other.ask("lock_release")?.code, other.ask("lock_acquire")?.code]).toEqual([0, 3201])
    client.leave()
    expect(other.ask("lock_acquire")?.code).toBe(0)
    other.ask("lock_release")
    expect(connect().ask("lock_acquire")?.code).toBe(0)
  })

  test("with an error or not at all, when told so", () => {
    const { client } = setup({ refuse: new Map([["ping", "no"]]), ignore: new Set(["help"]) })
    expect(client.ask("ping")).toMatchObject({ code: 1, error: "no" })
    expect(client.ask("help")).toBeUndefined()
  })

  test("a reboot before it goes", () => {
    const { client, clock, connect } = setup()
    expect(client.ask("sys_reboot")?.code).toBe(0)
    clock.advance(REBOOT_DELAY_MS)
    expect(client.ended).toBe(true)
    clock.advance(1_000)
    expect(connect().ask("ping")?.code).toBe(0)
  })
})

describe("FakeJsonDevice runs", () => {
  test("tell every client of their samples and their end", () => {
    const { client, clock, connect } = setup()
    const other = connect()
    expect(client.ask("start_run", RUN)?.code).toBe(0)
    clock.advance(50)
    for (const each of [client, other]) {
      expect(each.rows).toHaveLength(640)
      expect(
        each.rows.every(
          ([a, b], sample) => a === waveValue(sample, 0) / AMPLITUDE && b === waveValue(sample, 1) / AMPLITUDE,
        ),
      ).toBe(true)
      expect(each.states).toEqual([{ id: RUN_ID, t: 11_000, old: "OP_END", new: "DONE" }])
      expect(each.told.find(({ type }) => type === "run_data")?.msg).toMatchObject({ id: RUN_ID, entity: [MAC, "0"] })
    }
  })

  test("take times in all their units, final values, and a placeholder for an id of another length", () => {
    const { client, clock } = setup()
    const config = { ic_time_us: 500, op_time_ms: 3, op_time: 1_000_000 }
    client.ask("start_run", {
      id: "short",
      config,
      daq_config: { num_channels: 1, sample_op: false, sample_op_end: true },
    })
    clock.advance(4.4)
    expect(client.states).toEqual([])
    clock.advance(0.2)
    expect(client.states).toMatchObject([{ id: PLACEHOLDER_RUN_ID, t: 4_500, new: "DONE" }])
    expect(client.told.find(({ msg }) => msg.state === "OP_END")?.msg).toMatchObject({ data: [[0]] })
    expect(client.rows).toEqual([])
  })

  test("with nonsense are refused or bounded", () => {
    const { client, clock } = setup()
    expect(client.ask("start_run", { daq_config: { num_channels: 9 } })?.code).toBe(701)
    expect(client.ask("start_run", { config: { op_time: -1 } })?.code).toBe(701)
    const config = { op_time: 1e300, ic_time: "x" }
    expect(client.ask("start_run", { config, daq_config: { num_channels: 1.5, sample_rate: -5 } })?.code).toBe(0)
    clock.advance(100)
    expect(client.ask("stop_run")?.code).toBe(0)
    expect(client.states.at(-1)).toMatchObject({ new: "DONE" })
  })

  test("repeat, saying DONE each time, until they are stopped", () => {
    const { client, clock } = setup()
    client.ask("start_run", { ...RUN, config: { op_time: 10_000_000, repetitive: true } })
    clock.advance(35)
    expect(client.states.length).toBe(3)
    client.ask("stop_run", { end_repetitive: true })
    clock.advance(100)
    expect(client.states.map((each) => each.new)).toEqual(["DONE", "DONE", "DONE", "DONE"])
  })

  test("end in ERROR without a text when somebody does not fetch", () => {
    const { client, clock, connect } = setup({ bufferBytes: 20_000 })
    const slow = connect()
    slow.room = 1_000
    client.ask("start_run", RUN)
    clock.advance(100)
    expect(client.states).toEqual([{ id: RUN_ID, t: expect.any(Number), old: "OP", new: "ERROR" }])
    slow.take(1_000_000)
    expect(slow.states).toEqual(client.states)
  })
})

describe("FakeJsonDevice dies", () => {
  test.each(DEATHS.filter((death) => death !== "connect").map((death) => [death]))("at %s, once", (death: Death) => {
    let gone = 0
    const { client, clock, device, connect } = setup({ dieAt: death, onGone: () => gone++ })
    client.ask("get_entities")
    client.ask("reset_circuit")
    client.ask("set_circuit", { entity: [MAC], config: {} })
    client.ask("start_run", RUN)
    clock.advance(100)
    expect({ gone, ended: client.ended, run: device.runId, pending: clock.pending }).toEqual({
      gone: 1,
      ended: true,
      run: undefined,
      pending: 0,
    })
    expect(connect().ended).toBe(true)
    device.revive()
    expect(connect().ask("ping")?.code).toBe(0)
  })

  test("when somebody connects", () => expect(setup({ dieAt: "connect" }).client.ended).toBe(true))
})

test("FakeJsonDevice lives through anything", () => {
  const random = seededRandom(7)
  const { device, connect, clock } = setup()
  const good = utf8(
    ["ping", "start_run", "set_circuit", "login", "stop_run"]
      .map((type) => JSON.stringify({ id: "1", type, msg: RUN }))
      .join("\n"),
  )
  for (let round = 0; round < 300; round++) {
    const client = connect()
    const bytes = round % 2 ? mutate(random, good) : randomBytes(random, integer(random, 1, 300))
    for (const piece of cuts(random, bytes, 60)) client.sendBytes(piece)
    clock.advance(1)
    client.leave()
  }
  expect(device.connectionCount).toBe(1)
  expect(connect().ask("ping")?.code).toBe(0)
})

test("FakeJsonServer answers on a socket, is gone when it dies, and comes back on its port", async () => {
  const server = new FakeJsonServer({ address: { host: "127.0.0.1", port: 0 }, mac: MAC })
  try {
    const ask = async (): Promise<string> => {
      let said = ""
      let over = false
      const socket = await Bun.connect({
        hostname: server.address.host,
        port: server.address.port,
        socket: {
          data: (_socket, bytes) => {
            said += bytes
          },
          close: () => {
            over = true
          },
          error() {},
        },
      })
      socket.write('{"id":"1","type":"sys_ident","msg":{}}\n')
      await until(() => over || said.endsWith("\n"), "an answer")
      socket.end()
      return said
    }
    expect(JSON.parse(await ask())).toMatchObject({ id: "1", msg: { mac: MAC }, code: 0 })
    server.device.die()
    await expect(ask()).rejects.toThrow()
    server.revive()
    expect(await ask()).toContain(MAC)
  } finally {
    server.close()
  }
})
