import { describe, expect, test } from "bun:test"
import { boardCommand } from "../../src/cli/board.ts"
import { type CommandIo, type Parsed, UsageError } from "../../src/cli/command.ts"

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
  ])("refuses --%s %s as a mistake of the person who typed it", (name, value) => {
    const { commandIo } = io()
    expect(boardCommand.run(parsed({ [name]: [value] }), commandIo)).rejects.toBeInstanceOf(UsageError)
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
