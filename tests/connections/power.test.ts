import { describe, expect, test } from "bun:test"
import { SpinnmanInvalidParameterException, SpinnmanTimeoutException } from "../../src/connections/exceptions.ts"
import {
  cyclePower,
  POWER_CYCLE_WAIT_MS,
  POWER_OFF_TIMEOUT_MS,
  POWER_ON_TIMEOUT_MS,
  POWER_ON_WAIT_MS,
  type PowerStep,
  setPower,
} from "../../src/connections/power.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { errorOf, hex, Peer } from "./peer.ts"

/** A BMP that answers OK, and a clock that a test moves when a step begins. */
async function rig() {
  const bmp = await Peer.open()
  bmp.answer = (request) => {
    const reply = hex("0000 07 08 ff e0 00 00 02 00 8000 0000")
    reply.set(request.subarray(12, 14), 12)
    return reply
  }
  const clock = new FakeClock()
  const steps: PowerStep[] = []
  let wanted: { doing: PowerStep["doing"]; reached: () => void } | undefined
  const onStep = (step: PowerStep) => {
    steps.push(step)
    if (step.doing === wanted?.doing) wanted.reached()
  }
  /** Resolves when the step begins and what it waits on has been set up. */
  const step = async (doing: PowerStep["doing"]) => {
    if (steps.at(-1)?.doing !== doing) await new Promise<void>((reached) => (wanted = { doing, reached }))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const options = { bmp: "127.0.0.1", port: bmp.port, boards: [0, 1], clock, onStep }
  return { bmp, clock, steps, step, options, [Symbol.asyncDispose]: async () => bmp.close() }
}

describe("setPower", () => {
  test("on: one POWER to board 0 with the boards as mask, then 5 s for them to get ready", async () => {
    await using power = await rig()
    const { bmp, clock, steps, step, options } = power
    let done = false
    const switching = setPower("on", options).then(() => {
      done = true
    })
    // The bytes of tests/captures/rig-bmp and of both spalloc servers, sequence 1.
    expect((await bmp.next()).data).toEqual(hex("0000 87ff00ff 00000000 3900 0100 01000000 03000000 00000000"))
    await step("waiting for the boards to be ready")
    clock.advance(POWER_ON_WAIT_MS - 1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toBe(false)
    clock.advance(1)
    await switching
    expect(steps.map(({ doing, waitMs }) => [doing, waitMs])).toEqual([
      ["switching on", POWER_ON_TIMEOUT_MS],
      ["waiting for the boards to be ready", POWER_ON_WAIT_MS],
    ])
    expect(bmp.got).toEqual([])
  })

  test("off: no wait afterwards", async () => {
    await using power = await rig()
    const { bmp, clock, options } = power
    await setPower("off", { ...options, boards: [23] })
    expect((await bmp.next()).data.subarray(14, 22)).toEqual(hex("00000000 00008000"))
    expect(clock.pending).toBe(0)
  })

  test.each([
    ["on", POWER_ON_TIMEOUT_MS],
    ["off", POWER_OFF_TIMEOUT_MS],
  ] as const)("%s is never sent a second time: no answer is a time-out after %p ms", async (state, timeoutMs) => {
    await using power = await rig()
    const { bmp, clock, options } = power
    bmp.answer = () => undefined
    const error = errorOf(setPower(state, options))
    await bmp.next()
    clock.advance(timeoutMs - 1)
    expect(clock.pending).toBe(1)
    clock.advance(1)
    expect(await error).toBeInstanceOf(SpinnmanTimeoutException)
    expect(bmp.got).toEqual([])
  })

  test("a result that others send again for is an error here", async () => {
    await using power = await rig()
    const { bmp, options } = power
    bmp.answer = () => hex("0000 07 08 ff e0 00 00 02 00 8100 0100")
    expect((await errorOf(setPower("on", options))).message).toContain("Unexpected response LEN to POWER")
  })

  test("a board that no frame has is refused before anything is sent", async () => {
    await using power = await rig()
    const { bmp, options } = power
    expect(await errorOf(setPower("on", { ...options, boards: [24] }))).toBeInstanceOf(
      SpinnmanInvalidParameterException,
    )
    expect(bmp.got).toEqual([])
  })
})

describe("cyclePower", () => {
  test("is off, a pause, on", async () => {
    await using power = await rig()
    const { bmp, clock, step, options } = power
    const cycling = cyclePower(options)
    const off = await bmp.next()
    expect(off.data[14]).toBe(0)
    await step("waiting before switching on")
    clock.advance(POWER_CYCLE_WAIT_MS - 1)
    expect(bmp.got).toEqual([])
    clock.advance(1)
    const on = await bmp.next()
    expect([on.data[14], on.port]).toEqual([1, off.port])
    expect(on.data[12]).not.toBe(off.data[12])
    await step("waiting for the boards to be ready")
    clock.advance(POWER_ON_WAIT_MS)
    await cycling
  })
})
