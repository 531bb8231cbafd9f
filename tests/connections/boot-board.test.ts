import { afterEach, describe, expect, test } from "bun:test"
import { type BootStep, bootBoard } from "../../src/connections/boot-board.ts"
import { withBootValues } from "../../src/connections/boot-values.ts"
import type { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { errorOf, hex, Peer } from "./peer.ts"
import { openSteppedBoard } from "./stepped-board.ts"

const image = withBootValues(new Uint8Array(5000).fill(3), "spin5", 1_700_000_000)
/** Waits that are short where an answer comes, and long enough for a busy machine to bring it. */
const times = { gapMs: 1, settleMs: 1, answerMs: 100, pollMs: 1, silentMs: 2000, bootingMs: 5000 }
/** For boards that never answer. */
const hurried = { ...times, answerMs: 5, silentMs: 20 }

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

async function board(options: Parameters<typeof openSteppedBoard>[0] = {}): Promise<UdpBoard> {
  const made = await openSteppedBoard(options)
  open.push(made)
  return made
}

function boot(target: { scp: { port: number }; boot: { port: number } }, extra: object = {}) {
  const steps: BootStep[] = []
  const ports = { scpPort: target.scp.port, bootPort: target.boot.port }
  const outcome = bootBoard({ host: "127.0.0.1", ...ports, image, times, onStep: (step) => steps.push(step), ...extra })
  return { outcome, steps }
}

describe("bootBoard", () => {
  test("boots a board: asks, sends everything, waits, sees it start, and names its software", async () => {
    const { outcome, steps } = boot(await board())
    expect(await outcome).toMatchObject({ kind: "booted", attempts: 1, version: { name: "SC&MP", x: 0, y: 0 } })
    const order = steps.map(({ doing }) => doing).filter((doing, at, all) => doing !== all[at - 1])
    expect(order).toEqual(["asking", "sending", "waiting", "starting"])
    const sent = steps.filter((step) => step.doing === "sending")
    // START, five blocks of up to 1024 bytes, END.
    expect([sent[0]?.done, sent.at(-1)?.done, sent.at(-1)?.total]).toEqual([0, 7, 7])
  })

  test("repairs a lost block by sending all of it again", async () => {
    const lossy = await board({ faults: { boot: { dropList: [3] } } })
    expect(await boot(lossy, { times: { ...times, silentMs: 300 } }).outcome).toMatchObject({
      kind: "booted",
      attempts: 2,
    })
  })

  test("leaves a booted board alone", async () => {
    const booted = await board({ booted: true })
    const { outcome, steps } = boot(booted)
    expect(await outcome).toMatchObject({ kind: "already-booted", version: { name: "SC&MP" } })
    expect(steps).toEqual([{ doing: "asking" }])
  })

  test("gives up after three tries without an answer", async () => {
    await using silent = await Peer.open()
    await using rom = await Peer.open()
    const { outcome } = boot({ scp: silent, boot: rom }, { times: hurried })
    expect(await outcome).toEqual({
      kind: "failed",
      reason: "no-answer",
      detail: "no answer to VER after the image was sent 3 times",
    })
    const starts = rom.got.filter(({ data }) => data[5] === 1)
    expect(starts.length).toBe(3)
    const [first, second] = [rom.got.slice(0, 7), rom.got.slice(7, 14)].map((part) => part.map(({ data }) => data))
    expect(second).toEqual(first)
  })

  test("says so if nothing listens on the boot port", async () => {
    const gone = await Peer.open()
    gone.close()
    const port = gone.port
    await using silent = await Peer.open()
    const { outcome } = boot({ scp: silent, boot: { port } }, { tries: 1, times: hurried })
    expect(await outcome).toEqual({
      kind: "failed",
      reason: "refused",
      detail: `nothing listens on 127.0.0.1:${port} (ECONNREFUSED)`,
    })
  })

  test("a machine that stays at 255,255 is a failure that says so", async () => {
    const slow = await board({ stuck: true })
    const { outcome } = boot(slow, { times: { ...times, bootingMs: 60 } })
    expect(await outcome).toMatchObject({ kind: "failed", reason: "stuck" })
  })

  test("does not send an image to a BMP", async () => {
    await using bmp = await Peer.open()
    await using rom = await Peer.open()
    bmp.answer = (request) => {
      const reply = hex("0000 07 08 ff e0 00 00 02 00 8000 0000 00000000 0001ffff 00000000")
      reply.set(request.subarray(12, 14), 12)
      return Uint8Array.from([...reply, ...Buffer.from("BC&MP/Spin5-BMP\x002.1.2\0")])
    }
    expect(await boot({ scp: bmp, boot: rom }).outcome).toMatchObject({ kind: "failed", reason: "bmp" })
    expect(rom.got).toEqual([])
  })

  test("a signal ends it in the middle", async () => {
    const stop = new AbortController()
    await using silent = await Peer.open()
    await using rom = await Peer.open()
    const onStep = (step: BootStep) => {
      if (step.doing === "sending" && step.done === 3) stop.abort(new Error("enough"))
    }
    const { outcome } = boot({ scp: silent, boot: rom }, { signal: stop.signal, onStep, times: hurried })
    expect((await errorOf(outcome)).message).toBe("enough")
    expect(rom.got.length).toBeLessThan(5)
  })
})
