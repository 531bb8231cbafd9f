import { describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { boardCommand } from "../../src/cli/board.ts"
import { type CommandIo, type Parsed, UsageError } from "../../src/cli/command.ts"
import { readPcap } from "../support/pcap.ts"

/** What the parser makes of these options, defaults filled in. */
function parsed(given: Record<string, string | string[] | true>): Parsed {
  const values = (name: string): readonly string[] => {
    const value = given[name] ?? boardCommand.options.find((option) => option.name === name)?.default ?? []
    return value === true ? [] : typeof value === "string" ? [value] : value
  }
  return {
    positionals: [],
    rest: [],
    flag: (name) => given[name] === true,
    value: (name) => values(name).at(-1),
    values,
  }
}

function io() {
  const out: string[] = []
  const err: string[] = []
  const listening = Promise.withResolvers<void>()
  const controller = new AbortController()
  const commandIo: CommandIo = {
    stdout: (text) => {
      out.push(text)
      listening.resolve()
    },
    stderr: (text) => err.push(text),
    isTerminal: false,
    env: {},
    stop: controller.signal,
  }
  return { out, err, commandIo, listening: listening.promise, stop: () => controller.abort("SIGTERM") }
}

describe("the board command", () => {
  test("says where it listens in words and for programs, and ends with 0 when stopped", async () => {
    const { out, err, commandIo, listening, stop } = io()
    const exit = boardCommand.run(parsed({ "scp-port": "0", "boot-port": "0", booted: true }), commandIo)
    await listening
    expect(JSON.parse(out.join(""))).toEqual({
      scp: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      boot: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
    expect(err.join("")).toContain("listening on 127.0.0.1:")
    stop()
    expect(await exit).toBe(0)
  })

  test.each([
    ["drop", "1.5"],
    ["drop", "rom=0.1"],
    ["delay", "-1"],
    ["drop-list", "boot=0,1"],
    ["drop-list", "boot="],
    ["jitter", "soon"],
    ["scp-port", "65536"],
    ["type", "spin9"],
    ["seed", "0.5"],
    ["listen", "localhost"],
    ["listen", "::1"],
    ["bmp", "127.0.0"],
    ["boards", "2x2"],
    ["dead-link", "0,0,6"],
    ["program", "0,0,1=sing"],
    ["scamp-version", "4"],
  ])("refuses --%s %s as a mistake of the person who typed it", (name, value) => {
    const { commandIo } = io()
    expect(boardCommand.run(parsed({ [name]: [value] }), commandIo)).rejects.toBeInstanceOf(UsageError)
  })

  test("records what it sees and says where the BMP and the other boards are", async () => {
    const directory = mkdtempSync(join(tmpdir(), "board-"))
    const file = join(directory, "board.pcap")
    const { out, commandIo, listening, stop } = io()
    const options = { listen: "127.0.32.1", bmp: "127.0.32.9", boards: "1x1x3", pcap: file }
    const exit = boardCommand.run(parsed({ ...options, "scp-port": "0", "boot-port": "0", booted: true }), commandIo)
    await listening
    const { scp, bmp, hosts } = JSON.parse(out.join(""))
    expect(bmp).toBe(scp.replace("127.0.32.1", "127.0.32.9"))
    expect(hosts).toEqual(["127.0.32.1", "127.0.32.2", "127.0.32.3"])
    const answered = Promise.withResolvers<void>()
    const client = await Bun.udpSocket({
      connect: { hostname: "127.0.32.9", port: Number(bmp.split(":")[1]) },
      socket: { data: () => answered.resolve(), error() {} },
    })
    client.send(Buffer.from("000087ff00ff0000000000000000000000000000000000000000", "hex"))
    await answered.promise
    client.close()
    stop()
    expect(await exit).toBe(0)
    const packets = [...readPcap(new Uint8Array(await Bun.file(file).arrayBuffer()))]
    expect(packets.map(({ payload }) => payload.length)).toEqual([26, 48])
    rmSync(directory, { recursive: true })
  })

  test("refuses combinations that make no sense", () => {
    const run = (options: Record<string, string | true>): Promise<number> =>
      boardCommand.run(parsed(options), io().commandIo)
    expect(run({ "powered-off": true })).rejects.toBeInstanceOf(UsageError)
    expect(run({ "powered-off": true, bmp: "127.0.0.9", booted: true })).rejects.toBeInstanceOf(UsageError)
    expect(run({ boards: "1x1x3", size: "12x12" })).rejects.toBeInstanceOf(UsageError)
    expect(run({ type: "spin3", boards: "1x1x3" })).rejects.toBeInstanceOf(UsageError)
  })

  test("says which file it cannot record to", () => {
    const missing = join(tmpdir(), "there-is-no-such-directory", "x.pcap")
    expect(boardCommand.run(parsed({ pcap: missing }), io().commandIo)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining(missing),
    })
  })

  test("says which ports are taken and how to choose others", async () => {
    const first = io()
    const exit = boardCommand.run(parsed({ "scp-port": "0", "boot-port": "0" }), first.commandIo)
    await first.listening
    const port = JSON.parse(first.out.join("")).scp.split(":")[1] as string
    const second = boardCommand.run(parsed({ "scp-port": port, "boot-port": "0" }), io().commandIo)
    expect(second).rejects.toMatchObject({ exitCode: 1, message: expect.stringContaining("--scp-port") })
    first.stop()
    await exit
  })
})
