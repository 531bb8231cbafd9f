import { describe, expect, test } from "bun:test"
import { BmpPower } from "../../src/spalloc/bmp-power.ts"
import { Controller } from "../../src/spalloc/controller.ts"
import { FAKE_TIMING, FakeLab } from "../../src/spalloc/fake-lab.ts"
import { SpallocServer } from "../../src/spalloc/server.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { LineClient } from "../support/spalloc-server.ts"
import { closing, manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

/** Addresses that no other test run on this machine has; each laboratory has its own. */
let made = 0
const nextBase = () => `127.${192 + 30 * (made++ % 2) + (process.pid % 30)}.${(process.pid >> 5) & 0xff}.0`
const clock = systemClock
const open = async (base = nextBase()) => closing(await FakeLab.open({ width: 3, height: 2, base, clock }))

describe.if(manyLoopbacks)("a fake laboratory of 3x2 triads", () => {
  test("has 18 boards with addresses of their own, in a frame whose BMP is named", async () => {
    const base = nextBase()
    const lab = await open(base)
    const [machine] = lab.config.machines
    expect(machine).toMatchObject({ width: 3, height: 2, bmps: [{ cabinet: 0, frame: 0, host: base }] })
    expect(new Set(machine!.boards.map(({ logical }) => logical.join())).size).toBe(18)
    expect(new Set(machine!.boards.map(({ host }) => host)).size).toBe(18)
    expect(machine!.boards.map(({ physical }) => physical)).toEqual(
      Array.from({ length: 18 }, (_, board) => [0, 0, board] as const),
    )
    expect(lab.boards).toHaveLength(18)
  })

  test("switches the three boards of a job on, and no others, before it is ready", async () => {
    const { config, boards } = await open()
    const onEvent = () => {}
    const timing = { ...FAKE_TIMING, readyMs: 0 }
    const controller = new Controller({ config, state: ":memory:", clock, onEvent })
    const power = closing(new BmpPower({ clock, random: () => 0.5, onEvent, timing }))
    const address = { host: "127.0.0.1", port: 0 }
    const server = closing(new SpallocServer({ controller, power, clock, onEvent, address }))
    const client = await LineClient.connect(server.address.port)
    await client.ask("notify_job")
    await client.ask("create_job", [3], { owner: "me" })
    await until(() => controller.listJobs()[0]?.state === 3, "the job to be ready")
    const given = (controller.listJobs()[0]?.boards ?? []).map((place) => place.join())
    expect(given).toHaveLength(3)
    const on = config.machines[0]!.boards.filter((_board, at) => boards[at]!.board.phase !== "off")
    expect(on.map(({ logical }) => logical.join())).toEqual(given)
  })
})
