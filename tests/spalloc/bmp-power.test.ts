import { describe, expect, test } from "bun:test"
import { Command, decodeScpRequest, encodeScpReply, Result, type ScpRequest } from "../../src/protocol/scp.ts"
import { BmpPower } from "../../src/spalloc/bmp-power.ts"
import { FPGA_FLAG, stopRegister } from "../../src/spalloc/fpga-links.ts"
import type { PowerTiming } from "../../src/spalloc/power-work.ts"
import type { SpallocEvent } from "../../src/spalloc/spalloc-events.ts"
import type { PowerResult, PowerWork } from "../../src/spalloc/types.ts"
import { type Clock, systemClock } from "../../src/transport/clock.ts"
import { openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { closing, deadPort } from "../support/udp.ts"
import { until } from "../support/until.ts"

const TIMING: PowerTiming = { onMs: 400, offMs: 60, requestMs: 40, readyMs: 1, retryMs: 5 }

/** A BMP whose answers the test makes; it keeps what it was asked. */
class ScriptedBmp {
  readonly asked: ScpRequest[] = []
  readonly answers: (() => void)[] = []
  readonly stops = new Map<string, number>()
  /** What happens to a request: "answer", "hold" until `answers` is called, or "lose". */
  fate: (request: ScpRequest) => "answer" | "hold" | "lose" | number = () => "answer"
  /** FPGAs that say another number than theirs, as "board:fpga". */
  readonly broken = new Set<string>()
  version = "2.1.2"

  private constructor(private readonly socket: RawSocket) {}

  static async open(): Promise<ScriptedBmp> {
    const made: { bmp?: ScriptedBmp } = {}
    const socket = await openSocket(
      { host: "127.0.0.1", port: 0 },
      { onDatagram: (datagram, port, host) => made.bmp?.took(datagram, port, host), onError() {}, onDrain() {} },
    )
    made.bmp = new ScriptedBmp(closing(socket))
    return made.bmp
  }

  get name(): string {
    return `127.0.0.1:${this.socket.address.port}`
  }

  count(command: number): number {
    return this.asked.filter((request) => request.command === command).length
  }

  took(datagram: Uint8Array, port: number, host: string): void {
    const request = decodeScpRequest(datagram)!
    this.asked.push(request)
    const fate = this.fate(request)
    const answer = (): void => {
      const result = typeof fate === "number" ? fate : Result.OK
      const { sdp, sequence } = request
      this.socket.send(
        encodeScpReply({ sdp: { ...sdp, flags: 7 }, result, sequence, body: this.#body(request) }),
        port,
        host,
      )
    }
    if (fate === "hold") this.answers.push(answer)
    else if (fate !== "lose") answer()
  }

  #body({ command, sdp, arg1, arg3, data }: ScpRequest): Uint8Array {
    const text = Buffer.from(`BC&MP/Spin5-BMP\0${this.version}\0`)
    const words = new Uint32Array([sdp.destCpu, 0xffff_0100, 0])
    if (command === Command.VER) return Buffer.concat([new Uint8Array(words.buffer), text])
    if (command === Command.LINK_WRITE) this.stops.set(`${sdp.destCpu}:${arg3}:${arg1}`, data[0]!)
    if (command !== Command.LINK_READ) return new Uint8Array(0)
    const wrong = this.broken.has(`${sdp.destCpu}:${arg3}`)
    return Uint8Array.of(arg1 === FPGA_FLAG && !wrong ? arg3 : 3, 0, 0, 0)
  }
}

let nextId = 1
const work = (bmp: string, change: Partial<PowerWork> = {}): PowerWork => ({
  id: nextId++,
  machine: "lab",
  cabinet: 1,
  frame: 2,
  bmp,
  jobId: 1,
  boards: [0, 3],
  on: true,
  isolate: [],
  ...change,
})

function start(clock: Clock = systemClock): {
  power: BmpPower
  events: SpallocEvent[]
  run(work: PowerWork): Promise<PowerResult>
} {
  const events: SpallocEvent[] = []
  const power = closing(
    new BmpPower({ clock, random: () => 0.5, onEvent: (event) => events.push(event), timing: TIMING }),
  )
  return { power, events, run: (one) => new Promise((resolve) => power.run(one, resolve)) }
}

describe("power work", () => {
  test("switches on once, looks at every FPGA and then stops the links that leave the job", async () => {
    const bmp = await ScriptedBmp.open()
    const isolate = [0, 1, 2, 3, 4, 5].map((link) => ({ board: 3, link }))
    expect(await start().run(work(bmp.name, { isolate }))).toEqual({ kind: "done" })
    const [power] = bmp.asked
    expect(power).toMatchObject({ command: Command.POWER, arg1: 1, arg2: 0b1001, arg3: 0 })
    expect(power!.sdp.destCpu).toBe(0)
    expect(bmp.count(Command.POWER)).toBe(1)
    expect(bmp.count(Command.LINK_READ)).toBe(6)
    const expected = isolate.map(
      ({ link }) => [`3:${stopRegister(link).fpga}:${stopRegister(link).address}`, 1] as const,
    )
    expect(bmp.stops).toEqual(new Map(expected))
    const order = bmp.asked.map(({ command }) => command)
    expect(order.indexOf(Command.LINK_WRITE)).toBeGreaterThan(order.lastIndexOf(Command.LINK_READ))
  })

  test("writes to the registers that the boards have", () => {
    const banks = [0, 1, 2, 3, 4, 5].map((link) => stopRegister(link))
    expect(banks.map(({ fpga }) => fpga)).toEqual([0, 2, 2, 1, 1, 0])
    expect(banks.map(({ address }) => address)).toEqual([0x5c, 0x1005c, 0x5c, 0x1005c, 0x5c, 0x1005c])
  })

  test("sends the very bytes that other servers send", async () => {
    const bmp = await ScriptedBmp.open()
    await start().run(work(bmp.name, { boards: [0], on: false }))
    expect(bmp.asked[0]).toMatchObject({
      command: 57,
      arg1: 0,
      arg2: 1,
      arg3: 0,
      sdp: { flags: 0x87, tag: 0xff, destPort: 0, destCpu: 0, destX: 0, destY: 0, srcX: 0, srcY: 0 },
    })
    expect(bmp.asked).toHaveLength(1)
  })

  test("never says on a second time while the first may still be answered", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = ({ command }) => (command === Command.POWER ? "hold" : "answer")
    const done = start().run(work(bmp.name))
    await until(() => bmp.answers.length === 1, "the power-on")
    await Bun.sleep(TIMING.onMs / 2)
    expect(bmp.count(Command.POWER)).toBe(1)
    bmp.answers[0]!()
    expect(await done).toEqual({ kind: "done" })
    expect(bmp.count(Command.POWER)).toBe(1)
  })

  test("says on again after a long silence, if the BMP is there, and takes no old answer for the new one", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = ({ command }) => (command === Command.POWER && bmp.count(Command.POWER) === 1 ? "lose" : "answer")
    const { run, events } = start()
    expect(await run(work(bmp.name))).toEqual({ kind: "done" })
    expect(bmp.count(Command.POWER)).toBe(2)
    const [first, second] = bmp.asked.filter(({ command }) => command === Command.POWER)
    expect(first!.sequence).not.toBe(second!.sequence)
    expect(events).toMatchObject([{ type: "power-retry" }])
  })

  test("fails, naming the BMP, where nothing answers, and has said on only once", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = () => "lose"
    expect(await start().run(work(bmp.name))).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining(`BMP ${bmp.name} (cabinet 1, frame 2): `),
    })
    expect(bmp.count(Command.POWER)).toBe(1)
    const nobody = `127.0.0.1:${await deadPort()}`
    expect(await start().run(work(nobody))).toMatchObject({ kind: "failed", detail: expect.stringContaining(nobody) })
  })

  test("says off again until it is answered", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = () => (bmp.asked.length < 3 ? "lose" : "answer")
    expect(await start().run(work(bmp.name, { on: false }))).toEqual({ kind: "done" })
    expect(bmp.asked.map(({ arg1 }) => arg1)).toEqual([0, 0, 0])
  })

  test("switches only the boards on again whose FPGAs did not come up", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.broken.add("3:1")
    bmp.fate = ({ command }) => {
      if (command === Command.POWER && bmp.count(Command.POWER) === 2) bmp.broken.clear()
      return "answer"
    }
    expect(await start().run(work(bmp.name))).toEqual({ kind: "done" })
    expect(bmp.asked.filter(({ command }) => command === Command.POWER).map(({ arg2 }) => arg2)).toEqual([
      0b1001, 0b1000,
    ])
  })

  test("stops the links that leave the job after the last power-on, which has started them again", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.broken.add("3:1")
    bmp.fate = ({ command }) => {
      if (command === Command.POWER) bmp.stops.clear()
      if (command === Command.POWER && bmp.count(Command.POWER) === 3) bmp.broken.clear()
      return "answer"
    }
    const isolate = [0, 3].flatMap((board) => [0, 1, 2, 3, 4, 5].map((link) => ({ board, link })))
    const { run } = start()
    expect(await run(work(bmp.name, { isolate }))).toEqual({ kind: "done" })
    expect(bmp.count(Command.POWER)).toBe(3)
    expect([...bmp.stops.values()]).toEqual(isolate.map(() => 1))
    // A job that is switched on again has to be cut off again.
    expect(await run(work(bmp.name, { isolate }))).toEqual({ kind: "done" })
    expect(bmp.count(Command.POWER)).toBe(4)
    expect([...bmp.stops.values()]).toEqual(isolate.map(() => 1))
  })

  test("gives boards up whose FPGAs do not come up in three rounds, and blames only them", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.broken.add("3:2")
    const result = await start().run(work(bmp.name))
    expect(result).toMatchObject({ kind: "failed", boards: [3], detail: expect.stringContaining("FPGA 2 of board 3") })
    expect(bmp.count(Command.POWER)).toBe(3)
  })

  test("leaves the FPGAs of old BMPs alone", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.version = "1.3.0"
    expect(await start().run(work(bmp.name, { isolate: [{ board: 0, link: 0 }] }))).toEqual({ kind: "done" })
    expect(bmp.count(Command.LINK_READ) + bmp.count(Command.LINK_WRITE)).toBe(0)
  })

  test("blames the board that does not answer", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = ({ sdp, command }) => (command !== Command.POWER && sdp.destCpu === 3 ? Result.ROUTE : "answer")
    expect(await start().run(work(bmp.name))).toMatchObject({ kind: "failed", boards: [3] })
  })

  test("is done one at a time on a BMP, and at the same time on different ones", async () => {
    const [one, other] = [await ScriptedBmp.open(), await ScriptedBmp.open()]
    one.fate = ({ command }) => (command === Command.POWER ? "hold" : "answer")
    const { run } = start()
    const first = run(work(one.name, { on: false }))
    const second = run(work(one.name, { on: false, boards: [1] }))
    expect(await run(work(other.name))).toEqual({ kind: "done" })
    expect(new Set(one.asked.map(({ arg2 }) => arg2))).toEqual(new Set([0b1001]))
    one.fate = () => "answer"
    one.answers[0]!()
    expect(await Promise.all([first, second])).toEqual([{ kind: "done" }, { kind: "done" }])
    expect(one.asked.at(-1)).toMatchObject({ arg2: 0b10 })
  })
})

describe("a BMP that is down at the start", () => {
  test("is told of, and told of again when it answers", async () => {
    const bmp = await ScriptedBmp.open()
    bmp.fate = () => "lose"
    const clock = new FakeClock()
    const { power, events } = start(clock)
    power.probe([bmp.name])
    const passing = (type: string) =>
      until(() => {
        clock.advance(100)
        return events.some((event) => event.type === type)
      }, type)
    await passing("bmp-silent")
    bmp.fate = () => "answer"
    await passing("bmp-answers")
    expect(events.at(-1)).toMatchObject({ type: "bmp-answers", bmp: bmp.name })
  })

  test("is greeted when it is there", async () => {
    const bmp = await ScriptedBmp.open()
    const { power, events } = start()
    power.probe([bmp.name])
    await until(() => events.length === 1, "the greeting")
    expect(events[0]).toEqual({ type: "bmp-answers", bmp: bmp.name, version: "BC&MP 2.1.2 on Spin5-BMP" })
  })
})
