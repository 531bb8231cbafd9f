import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readCommand } from "../../src/cli/read.ts"
import { writeCommand } from "../../src/cli/write.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { Peer } from "../connections/peer.ts"
import { CliRun, runCli } from "./run-cli.ts"

let board: UdpBoard
let folder: string
let host: string
beforeEach(async () => {
  board = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true })
  host = `127.0.0.1:${board.scp.port}`
  folder = await mkdtemp(join(tmpdir(), "relay-memory-"))
})
afterEach(async () => {
  board.close()
  await rm(folder, { recursive: true })
})

describe("write and read", () => {
  test("a file goes into memory, is verified, and comes back the same, with progress", async () => {
    const data = new Uint8Array(10_001).map((_, at) => at * 31)
    await Bun.write(join(folder, "in.bin"), data)
    const written = await runCli(writeCommand, host, "0x60001001", join(folder, "in.bin"), "--verify", "--chip", "1,1")
    expect(written).toMatchObject({ exit: 0, stdout: "" })
    expect(written.stderr).toContain("writing: 10001 of 10001 bytes\n")
    expect(written.stderr).toContain("verifying: 10001 of 10001 bytes\n")
    const read = await runCli(readCommand, host, "0x60001001", "10001", join(folder, "out.bin"), "--chip", "1,1")
    expect(read).toMatchObject({ exit: 0, stdout: "" })
    expect(await Bun.file(join(folder, "out.bin")).bytes()).toEqual(data)
  })

  test("without a file, memory is shown", async () => {
    await Bun.write(join(folder, "in.bin"), "hello, board")
    await runCli(writeCommand, host, "0x60000000", join(folder, "in.bin"))
    const { stdout, stderr } = await runCli(readCommand, host, "0x60000000", "12")
    expect(stdout).toBe("60000000  68 65 6c 6c 6f 2c 20 62 6f 61 72 64              hello, board\n")
    expect(stderr).toBe("")
  })

  test("it works with the port as an option", async () => {
    const { exit } = await runCli(readCommand, "127.0.0.1", "0x60000000", "4", "--scp-port", String(board.scp.port))
    expect(exit).toBe(0)
  })
})

describe("what goes wrong is said", () => {
  test("a chip that is not there", async () => {
    const { exit, stderr } = await runCli(readCommand, host, "0x60000000", "4", "--chip", "7,0")
    expect(exit).toBe(1)
    expect(stderr).toContain("Reading 4 bytes at 0x60000000 failed: Unexpected response ROUTE to READ")
    expect(stderr).toContain("No route leads to that chip")
  })

  test("a board that does not answer, and no file is left behind", async () => {
    await using silent = await Peer.open()
    const out = join(folder, "out.bin")
    const quick = ["--timeout", "5", "--retries", "1"]
    const { exit, stderr } = await runCli(readCommand, `127.0.0.1:${silent.port}`, "0", "4", out, ...quick)
    expect(exit).toBe(1)
    expect(stderr).toContain("No reply to READ of 255,255 within 0.005 s, sent 2 times")
    expect(stderr).toContain(`spinnaker-relay info 127.0.0.1:${silent.port}`)
    expect(await Bun.file(out).exists()).toBe(false)
  })

  test("a port where nobody listens", async () => {
    const gone = await Peer.open()
    gone.close()
    const quick = ["--timeout", "20", "--retries", "2"]
    const { exit, stderr } = await runCli(readCommand, `127.0.0.1:${gone.port}`, "0", "4", ...quick)
    expect(exit).toBe(1)
    expect(stderr).toContain("Nothing listens there: if a relay should, start it")
  })

  test("a host without an address, a file that is not there, a folder to write into", async () => {
    expect((await runCli(readCommand, "no-such.invalid", "0", "4")).stderr).toContain("Check the spelling")
    const missing = await runCli(writeCommand, host, "0", join(folder, "none"))
    expect([missing.exit, missing.stderr]).toEqual([
      1,
      expect.stringContaining(`Cannot read ${join(folder, "none")}: there is no such file`),
    ])
    const unwritable = await runCli(readCommand, host, "0x60000000", "4", folder)
    expect([unwritable.exit, unwritable.stderr]).toEqual([1, expect.stringContaining(`Cannot write ${folder}`)])
    const mistyped = join(folder, "no-such-folder")
    const lost = await runCli(readCommand, host, "0x60000000", "4", join(mistyped, "out.bin"))
    expect([lost.exit, lost.stderr]).toEqual([1, expect.stringContaining("there is no such folder")])
    expect(existsSync(mistyped)).toBe(false)
  })

  test("Ctrl-C stops it with 130", async () => {
    await using silent = await Peer.open()
    const run = new CliRun(readCommand, [`127.0.0.1:${silent.port}`, "0", "4"])
    await silent.next()
    run.stop()
    expect(await run.exit).toBe(130)
    expect(run.stderr).toContain("stopped (SIGINT)")
  })

  test.each([
    [["x", "4"]],
    [["0", "0"]],
    [["0xffffffff", "2"]],
    [["0", "4", "-"]],
    [["0", "4", "f", "--window", "0"]],
    [["0", "4", "f", "--chip", "1"]],
    [["0", "4", "f", "--core", "32"]],
  ])("read %p is a usage error", async (args) => {
    const { exit, stderr } = await runCli(readCommand, host, ...args)
    expect([exit, stderr]).toEqual([2, expect.stringContaining("usage:")])
  })

  test("a file that reaches beyond the last address", async () => {
    await Bun.write(join(folder, "in.bin"), "12345")
    const { exit, stderr } = await runCli(writeCommand, host, "0xfffffffc", join(folder, "in.bin"))
    expect([exit, stderr]).toEqual([1, expect.stringContaining("5 bytes: too many behind 0xfffffffc")])
  })
})
