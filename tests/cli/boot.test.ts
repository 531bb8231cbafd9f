import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type BootCommandParts, makeBootCommand } from "../../src/cli/boot.ts"
import type { PowerOptions } from "../../src/connections/power.ts"
import type { UdpBoard, UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { Peer } from "../connections/peer.ts"
import { openSteppedBoard } from "../connections/stepped-board.ts"
import { CliRun, runCli } from "./run-cli.ts"

/** Waits that are short where an answer comes, and long enough for a busy machine to bring it. */
const times = { gapMs: 1, settleMs: 1, answerMs: 100, pollMs: 1, silentMs: 2000, bootingMs: 5000 }
/** For boards that never answer. */
const hurried = { ...times, answerMs: 5, silentMs: 20 }
const open: { close(): void }[] = []
let folder: string
let image: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-boot-"))
  image = join(folder, "scamp.boot")
  await Bun.write(image, new Uint8Array(5000).fill(7))
})
afterEach(async () => {
  for (const thing of open.splice(0)) thing.close()
  await rm(folder, { recursive: true })
})

async function board(options: UdpBoardOptions = {}): Promise<UdpBoard> {
  const made = await openSteppedBoard(options)
  open.push(made)
  return made
}

const command = (parts: BootCommandParts = {}) => makeBootCommand({ times, ...parts })
const where = (target: { scp: { port: number }; boot: { port: number } }) => [
  `127.0.0.1:${target.scp.port}`,
  "--boot-port",
  String(target.boot.port),
]

describe("boot", () => {
  test("exit 0: booted, with progress in lines and the software's name", async () => {
    const { exit, stdout, stderr } = await runCli(command(), ...where(await board()), "--image", image)
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^127\.0\.0\.1: booted at the first try in \d+\.\d s: SC&MP 3\.4\.1 on SpiNNaker\n$/)
    expect(stderr.split("\n")).toEqual([
      "asking whether it is booted already",
      "sending: 2 of 7 datagrams",
      "sending: 4 of 7 datagrams",
      "sending: 6 of 7 datagrams",
      "sending: 7 of 7 datagrams",
      "waiting for SC&MP",
      "SC&MP 3.4.1 on SpiNNaker answers; waiting for its network to be up",
      "",
    ])
  })

  test("on a terminal there is a bar", async () => {
    const run = new CliRun(command(), [...where(await board()), "--image", image], { isTerminal: true })
    expect(await run.exit).toBe(0)
    expect(run.stderr).toContain(`\rsending [${"#".repeat(30)}] 7 of 7 datagrams\n`)
  })

  test("the image has the board's values in it", async () => {
    const images: string[] = []
    for (const type of ["spin3", "spin5"]) {
      await using rom = await Peer.open()
      await using silent = await Peer.open()
      const args = [...where({ scp: silent, boot: rom }), "--image", image, "--type", type, "--tries", "1"]
      await runCli(command({ times: hurried, unixTime: () => 0x01020304 }), ...args)
      // Block 0 is in wire order: its words reversed.
      const block = Buffer.from(rom.got[1]!.data.subarray(18 + 384, 18 + 384 + 128)).swap32()
      expect([block.readUInt32LE(0x1c), block.readUInt32LE(0x5c), block[0x40]]).toEqual([0x01020304, 0x01020304, 1])
      images.push(`${block[0x0a]} ${block.readUInt32LE(0x30)}`)
    }
    expect(images).toEqual([`3 ${0x502}`, "5 1"])
  })

  test("exit 1: it was booted already", async () => {
    const { exit, stdout } = await runCli(command(), ...where(await board({ booted: true })), "--image", image)
    expect([exit, stdout]).toEqual([1, "127.0.0.1: already booted: SC&MP 3.4.1 on SpiNNaker\n"])
  })

  test("exit 2: no answer after three tries, and what to do", async () => {
    await using rom = await Peer.open()
    await using silent = await Peer.open()
    const { exit, stdout, stderr } = await runCli(
      command({ times: hurried }),
      ...where({ scp: silent, boot: rom }),
      "--image",
      image,
    )
    expect([exit, stdout]).toEqual([2, ""])
    expect(stderr).toContain("Boot of 127.0.0.1 failed: no answer to VER after the image was sent 3 times.")
    expect(stderr).toContain("only switching it off and on clears a boot ROM")
  })

  test("--bmp switches the board off and on after a failed boot, and tries again", async () => {
    const lossy = await board({ faults: { boot: { dropList: [1] } } })
    const cycled: PowerOptions[] = []
    const cycle = async (options: PowerOptions) => void cycled.push(options)
    const args = [...where(lossy), "--image", image, "--tries", "1", "--bmp", "127.0.0.9:4000", "--boards", "0,2"]
    const { exit, stderr, stdout } = await runCli(command({ times: { ...times, silentMs: 300 }, cycle }), ...args)
    expect(exit).toBe(0)
    expect(cycled).toMatchObject([{ bmp: "127.0.0.9", port: 4000, boards: [0, 2] }])
    expect(stderr).toContain("switching the board off and on")
    expect(stdout).toContain("booted at the first try")
  })

  test.each([
    ["no image", [], "--image is missing"],
    ["a type that is none", ["--image", "x", "--type", "spin6"], "expected one of spin1"],
    ["no tries", ["--image", "x", "--tries", "0"], "--tries"],
  ])("%s is a usage error", async (_name, args, text) => {
    const { exit, stderr } = await runCli(command(), "127.0.0.1", ...args)
    expect([exit, stderr]).toEqual([2, expect.stringContaining(text)])
  })

  test("a file that is no image, or not there", async () => {
    const short = join(folder, "short")
    await Bun.write(short, "abc")
    const bad = await runCli(command(), "127.0.0.1", "--image", short)
    expect([bad.exit, bad.stderr]).toEqual([2, expect.stringContaining("it has 3 bytes, expected 512 to 32768")])
    const missing = await runCli(command(), "127.0.0.1", "--image", join(folder, "none"))
    expect([missing.exit, missing.stderr]).toEqual([2, expect.stringContaining("there is no such file")])
  })

  test("Ctrl-C stops it with 130", async () => {
    await using rom = await Peer.open()
    await using silent = await Peer.open()
    const run = new CliRun(command({ times: hurried }), [...where({ scp: silent, boot: rom }), "--image", image])
    await rom.next()
    run.stop()
    expect(await run.exit).toBe(130)
  })
})
