import { afterEach, describe, expect, test } from "bun:test"
import { makeInfoCommand } from "../../src/cli/info.ts"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { UdpBoard, type UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { hex, Peer } from "../connections/peer.ts"
import { runCli } from "./run-cli.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

async function board(options: UdpBoardOptions = {}): Promise<string> {
  const made = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true, ...options })
  open.push(made)
  return `127.0.0.1:${made.scp.port}`
}

/** Short waits, for boards that never answer. */
const hurried = { ask: { timeoutMs: 20, retries: 2 }, helloWaitMs: 90 }

async function command(waits: object = {}) {
  await using free = await Peer.open()
  return makeInfoCommand({ ...waits, helloPort: free.port })
}

/** A peer that answers VER with `text`. */
async function answering(text: string, arg1: string): Promise<Peer> {
  const peer = await Peer.open()
  open.push(peer)
  peer.answer = (request) => {
    const reply = hex(`0000 07 08 ff 00 00 00 00 00 8000 0000 ${arg1} 0001ffff 00000000`)
    reply.set(request.subarray(12, 14), 12)
    return Uint8Array.from([...reply, ...Buffer.from(text)])
  }
  return peer
}

describe("info", () => {
  test("a booted board: software, size, cores, links, Ethernet", async () => {
    const shape = new MachineShape({ deadChips: [{ x: 3, y: 3 }], deadCores: [{ x: 1, y: 0, core: 5 }] })
    const host = await board({ shape })
    const { exit, stdout } = await runCli(await command(), host)
    expect(exit).toBe(0)
    const links = /links +(\d+) work/.exec(stdout)?.[1]
    expect(stdout.split("\n")).toEqual([
      `${host}: SpiNNaker board, booted`,
      "  software       SC&MP 3.4.1 (SpiNNaker), built 2018-10-08",
      "  size           8 x 8, 47 chips work",
      expect.stringMatching(/^ {2}cores +845 work \(.*47 run.*idle\)$/),
      `  links          ${links} work`,
      "  Ethernet       0,0 at 127.0.0.1",
      "  dead cores     1,0 has 17 of 18",
      "",
    ])
  })

  test("as JSON, for programs", async () => {
    const { exit, stdout } = await runCli(await command(), await board(), "--json")
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      host: "127.0.0.1",
      kind: "booted",
      version: { name: "SC&MP", version: "3.4.1" },
      machine: { width: 8, height: 8, chips: 48, cores: 864, throughRelay: false, coreStates: { run: 48, idle: 816 } },
    })
  })

  test("a relay's far end is told by the board's own address", async () => {
    const far = await UdpBoard.open({ host: "127.0.0.4", scpPort: 0, bootPort: 0, booted: true })
    open.push(far)
    // A relay of three lines: everything to the board, everything back.
    const near = await Peer.open()
    const inner = await Peer.open()
    open.push(near, inner)
    let client = 0
    const forward = await Bun.udpSocket({
      hostname: "127.0.0.1",
      connect: { hostname: "127.0.0.4", port: far.scp.port },
      socket: { data: (_socket, data) => near.send(data, client), error() {} },
    })
    open.push(forward)
    near.answer = (data, port) => {
      client = port
      forward.send(data)
      return undefined
    }
    const { stdout } = await runCli(await command(), `127.0.0.1:${near.port}`)
    expect(stdout).toContain("  far end        the board's own address is 127.0.0.4: a relay stands between\n")
  })

  test("a BMP is called one", async () => {
    const bmp = await answering("BC&MP/Spin5-BMP\x002.1.2\0", "01020304")
    const { exit, stdout } = await runCli(await command(), `127.0.0.1:${bmp.port}`)
    expect(exit).toBe(0)
    expect(stdout).toContain("BMP, not a board\n  software       BC&MP 2.1.2 (Spin5-BMP)")
    expect(stdout).toContain("board 1 (CAN 2) of frame 3")
  })

  test("booting", async () => {
    const peer = await answering("SC&MP/SpiNNaker\x004.0.0\0", "0000ffff")
    const { exit, stdout } = await runCli(await command(), `127.0.0.1:${peer.port}`)
    expect([exit, stdout]).toEqual([0, expect.stringContaining("SpiNNaker board, booting")])
  })

  test("not booted, by its hello", async () => {
    await using scp = await Peer.open()
    await using rom = await Peer.open()
    await using free = await Peer.open()
    free.close()
    scp.answer = () => {
      rom.send(hex("0001 00000041 02010000 00000000 43505453"), free.port)
      return undefined
    }
    const info = makeInfoCommand({ ...hurried, helloPort: free.port })
    const { exit, stdout } = await runCli(info, `127.0.0.1:${scp.port}`, "--boot-port", String(rom.port))
    expect([exit, stdout]).toEqual([0, expect.stringContaining("not booted (its boot ROM says hello)")])
  })

  test("nobody: exit 1 and what to look at", async () => {
    await using silent = await Peer.open()
    const { exit, stdout } = await runCli(await command(hurried), `127.0.0.1:${silent.port}`)
    expect(exit).toBe(1)
    expect(stdout).toContain("no answer to VER, and no beacon from port 54321 either\n")
    expect(stdout).toContain("Is it switched on")
  })

  test("nobody, where beacons cannot be listened for", async () => {
    await using silent = await Peer.open()
    await using taken = await Peer.open()
    const info = makeInfoCommand({ ...hurried, helloPort: taken.port })
    const { stdout } = await runCli(info, `127.0.0.1:${silent.port}`, "--json")
    expect(JSON.parse(stdout)).toMatchObject({ kind: "no-answer", deaf: expect.stringContaining("EADDRINUSE") })
  })
})
