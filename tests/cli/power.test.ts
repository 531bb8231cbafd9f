import { afterEach, describe, expect, test } from "bun:test"
import { makePowerCommand } from "../../src/cli/power.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { Peer } from "../connections/peer.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { CliRun, runCli } from "./run-cli.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

describe("power", () => {
  test("cycle switches a board off and on, telling what it waits for", async () => {
    const clock = new FakeClock()
    const bmp = { host: "127.0.0.31", powerOnMs: 1 }
    const board = await UdpBoard.open({ host: "127.0.0.32", bmp, booted: true, scpPort: 0, bootPort: 0 })
    open.push(board)
    const { port } = board.board.bmpAddress!
    const run = new CliRun(makePowerCommand(clock), [`127.0.0.31:${port}`, "cycle"])
    await run.said("waiting before switching on, 2 s")
    expect(board.board.phase).toBe("off")
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(2_000)
    await run.said("waiting for the boards to be ready, 5 s")
    expect(board.board.phase).toBe("rom")
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(5_000)
    expect(await run.exit).toBe(0)
    expect(run.stderr).toEndWith("board 0: on\n")
  })

  test("no answer is said, and why it is not sent again", async () => {
    const clock = new FakeClock()
    await using bmp = await Peer.open()
    const run = new CliRun(makePowerCommand(clock), [`127.0.0.1:${bmp.port}`, "on", "--boards", "0,1"])
    await bmp.next()
    clock.advance(10_000)
    expect(await run.exit).toBe(1)
    expect(run.stderr).toContain(
      'Power on of boards 0,1 (the request is never repeated: a second "on" would reset them) failed',
    )
    expect(run.stderr).toContain("No reply to POWER of 0,0 within 10 s, sent once")
    expect(run.stderr).toContain(`Is 127.0.0.1:${bmp.port} the BMP's address, and not the board's?`)
    expect(run.stderr).not.toContain("booted")
    expect(bmp.got).toEqual([])
  })

  test.each([
    [["127.0.0.1", "maybe"], "expected on, off or cycle"],
    [["127.0.0.1", "on", "--boards", "24"], "expected numbers from 0 to 23"],
    [["127.0.0.1"], "missing"],
  ])("%p is a usage error", async (args, text) => {
    const { exit, stderr } = await runCli(makePowerCommand(), ...args)
    expect([exit, stderr]).toEqual([2, expect.stringContaining(text)])
  })
})
