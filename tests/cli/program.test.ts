import { afterEach, describe, expect, spyOn, test } from "bun:test"
import packageJson from "../../package.json" with { type: "json" }
import { CliError, type Command, type Parsed, UsageError } from "../../src/cli/command.ts"
import { commands } from "../../src/cli/commands.ts"
import { EXIT, runProgram } from "../../src/cli/program.ts"
import { FakeIo } from "../support/command-io.ts"

const info = spyOn(console, "info").mockImplementation(() => {})
afterEach(() => {
  info.mockClear()
})

/** Two commands that note how they were called. */
function setup(outcome: () => Promise<number> = async () => 0) {
  const ran: { name: string; parsed: Parsed }[] = []
  const make = (name: string, positionals: string): Command => ({
    name,
    positionals,
    summary: `summary of ${name || "the default"}`,
    options: [{ name: "loud", short: "l", description: "be loud" }],
    examples: [`spinnaker-relay ${name} --loud`],
    run(parsed) {
      ran.push({ name, parsed })
      return outcome()
    },
  })
  const io = new FakeIo()
  const known = [make("", "<target>"), make("board", ""), make("board show", "<what>")]
  return { io, ran, run: (...argv: string[]) => runProgram(argv, known, io) }
}

describe("runProgram()", () => {
  test("runs the command that the first word names, else the one without a name", async () => {
    const { run, ran } = setup()
    expect(await run("board", "--loud")).toBe(EXIT.ok)
    expect(await run("--loud", "board")).toBe(EXIT.ok)
    expect(await run("host")).toBe(EXIT.ok)
    expect(ran.map(({ name, parsed }) => [name, parsed.positionals, parsed.flag("loud")])).toEqual([
      ["board", [], true],
      ["", ["board"], true],
      ["", ["host"], false],
    ])
  })

  test("takes the longest name that the command line begins with", async () => {
    const { run, ran } = setup()
    expect(await run("board", "show", "it", "-l")).toBe(EXIT.ok)
    expect(await run("board", "--loud")).toBe(EXIT.ok)
    expect(ran.map(({ name, parsed }) => [name, parsed.positionals])).toEqual([
      ["board show", ["it"]],
      ["board", []],
    ])
    expect(await run("board", "show", "--help")).toBe(EXIT.ok)
    expect(info.mock.calls.at(-1)?.[0]).toContain("spinnaker-relay board show <what>")
  })

  test("gives back the command's own exit code", async () => {
    expect(await setup(async () => 7).run("host")).toBe(7)
  })

  test("prints usage and one line with the mistake on standard error, exit 2", async () => {
    const { run, io, ran } = setup()
    expect(await run("--bogus")).toBe(EXIT.usage)
    expect(io.err.split("\n")).toEqual([
      expect.stringMatching(/^usage: spinnaker-relay -s\|-c \[options\] <target> /),
      "spinnaker-relay: unknown option --bogus",
      "",
    ])
    expect([io.out, ran.length, info.mock.calls.length]).toEqual(["", 0, 0])
    expect(await run("board", "extra")).toBe(EXIT.usage)
    expect(io.err).toContain("usage: spinnaker-relay board [options]")
  })

  test("does the same for a mistake that the command itself finds", async () => {
    const { run, io } = setup(() => Promise.reject(new UsageError("no such thing")))
    expect(await run("host")).toBe(EXIT.usage)
    expect(io.err).toMatch(/^usage: .*\nspinnaker-relay: no such thing\n$/)
  })

  test("prints what a person must mend on standard error, without usage, with its own exit code", async () => {
    const { run, io } = setup(() => Promise.reject(new CliError("port 5 is taken", 3)))
    expect(await run("host")).toBe(3)
    expect(io.err).toBe("spinnaker-relay: port 5 is taken\n")
  })

  test("reports its own faults with where they come from, exit 1", async () => {
    const { run, io } = setup(() => Promise.reject(new TypeError("undefined is not a function")))
    expect(await run("host")).toBe(EXIT.failed)
    expect(io.err).toMatch(/please report it: TypeError: undefined is not a function\n\s+at /)
  })

  for (const flag of ["--help", "-h", "--he"]) {
    test(`prints the help of the command with ${flag} on standard output, exit 0, whatever else is missing`, async () => {
      const { run, io, ran } = setup()
      expect(await run(flag)).toBe(EXIT.ok)
      expect(await run("board", flag, "--bogus")).toBe(EXIT.ok)
      const [main, board] = info.mock.calls.map(([text]) => String(text))
      expect(main).toContain("$ spinnaker-relay <target>")
      expect(main).toContain("summary of board")
      expect(main).toContain("-l, --loud")
      expect(main).toContain("-h, --help")
      expect(board).toContain("$ spinnaker-relay board")
      expect([io.out, io.err, ran.length]).toEqual(["", "", 0])
    })
  }

  test("prints the version on standard output, exit 0", async () => {
    const { run, io } = setup()
    expect(await run("--version")).toBe(EXIT.ok)
    expect([io.out, io.err]).toEqual([`spinnaker-relay ${packageJson.version}\n`, ""])
  })
})

test("the help gives no default for flags that switch something off", async () => {
  await runProgram(["--help"], commands, new FakeIo())
  const said = info.mock.calls.flat().join("\n")
  expect(said).toContain("--no-scp-guard")
  expect(said).not.toContain("default: true")
})

test("every command has a help that names each of its options and its examples", async () => {
  for (const command of commands) {
    info.mockClear()
    expect(await runProgram([...command.name.split(" "), "--help"].filter(Boolean), commands, new FakeIo())).toBe(
      EXIT.ok,
    )
    const text = String(info.mock.calls[0]?.[0])
    for (const option of command.options) expect(text).toContain(`--${option.name}`)
    for (const example of command.examples ?? []) expect(text).toContain(example)
  }
})

test("no command has two options of the same name or letter, or one that hides --help", () => {
  for (const { options } of commands) {
    const names = [...options.map(({ name }) => name), "help", "version"]
    const letters = [...options.flatMap(({ short }) => short ?? []), "h"]
    expect(new Set(names).size).toBe(names.length)
    expect(new Set(letters).size).toBe(letters.length)
  }
})
