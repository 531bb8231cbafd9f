import { describe, expect, test } from "bun:test"
import { discoverCommand } from "../../src/cli/discover.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { hex, Peer } from "../connections/peer.ts"
import { CliRun, runCli } from "./run-cli.ts"

describe("discover", () => {
  test("prints each board's address once, until Ctrl-C, and nobody else's", async () => {
    await using rom = await Peer.open()
    await using stranger = await Peer.open()
    const free = await Peer.open()
    free.close()
    const ports = ["--boot-port", String(free.port), "--from-port", String(rom.port)]
    const run = new CliRun(discoverCommand, ["--time", "0", "--bind", "127.0.0.1", ...ports])
    await run.said("listening on 127.0.0.1:")
    stranger.send(hex("01"), free.port)
    for (let beacon = 0; beacon < 3; beacon++) rom.send(hex("0001 00000041"), free.port)
    while (run.stdout === "") await new Promise((resolve) => setImmediate(resolve))
    run.stop()
    expect(await run.exit).toBe(0)
    expect(run.stdout).toBe("127.0.0.1\n")
  })

  test("ends after its time, with 1 and advice if nobody was heard", async () => {
    const free = await Peer.open()
    free.close()
    const { exit, stderr } = await runCli(discoverCommand, "--time", "0.02", "--boot-port", String(free.port))
    expect([exit, stderr]).toEqual([1, expect.stringContaining("no beacon: booted boards send none")])
  })

  test.if(process.platform === "linux")(
    "listens beside a fake board on the same machine, whose port it is too",
    async () => {
      const board = await UdpBoard.open({ host: "127.0.34.1", scpPort: 0, bootPort: 0 })
      const { exit, stderr } = await runCli(discoverCommand, "--time", "0.02", "--boot-port", String(board.boot.port))
      board.close()
      expect([exit, stderr]).toEqual([1, expect.stringContaining(`listening on 0.0.0.0:${board.boot.port}`)])
    },
  )

  test("a port that another program has", async () => {
    await using taken = await Peer.open()
    const { exit, stderr } = await runCli(discoverCommand, "--bind", "127.0.0.1", "--boot-port", String(taken.port))
    expect(exit).toBe(1)
    expect(stderr).toContain(`Error binding socket to 127.0.0.1:${taken.port}`)
    expect(stderr).toContain("Another program has that port")
  })
})
