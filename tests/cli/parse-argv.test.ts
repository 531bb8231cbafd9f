import { describe, expect, test } from "bun:test"
import { type OptionSpec, type Parsed, UsageError } from "../../src/cli/command.ts"
import { parseArgv } from "../../src/cli/parse-argv.ts"

const SPECS: readonly OptionSpec[] = [
  { name: "server", short: "s", classic: true, description: "" },
  { name: "sdp-via-tcp", short: "T", classic: true, description: "" },
  { name: "scp-port", short: "p", value: "PORT", classic: true, default: "17893", description: "" },
  { name: "scp-tunnel-port", value: "PORT", classic: true, description: "" },
  { name: "scp-port-range", value: "PORTS", description: "" },
  { name: "bind", value: "ADDRESS", repeatable: true, description: "" },
  { name: "bindings", description: "" },
  { name: "help", short: "h", classic: true, description: "" },
]

const parse = (line: string, positionals = "<target>"): Parsed =>
  parseArgv(line.split(" ").filter(Boolean), SPECS, positionals)

/** What it says of a line that is wrong. */
function mistake(line: string, positionals?: string): string {
  try {
    parse(line, positionals)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    return (error as Error).message
  }
  throw new Error(`${line} was taken`)
}

describe("parseArgv()", () => {
  test("takes options before, between and behind positional arguments", () => {
    for (const line of ["-s -p 5 host", "host -s -p 5", "-s host -p 5", "--scp-port 5 host --server"]) {
      const parsed = parse(line)
      expect([parsed.positionals, parsed.flag("server"), parsed.value("scp-port")]).toEqual([["host"], true, "5"])
    }
  })

  test("takes clusters of flags, the last of which may have a value, attached or not", () => {
    for (const line of ["-sTp 5 host", "-sTp5 host", "-Tsp=5 host", "-s -T -p5 host"]) {
      const parsed = parse(line)
      expect([parsed.flag("server"), parsed.flag("sdp-via-tcp"), parsed.value("scp-port")]).toEqual([true, true, "5"])
    }
  })

  test("takes --option=value, also with = in the value, and an empty one", () => {
    expect(parse("--bind=a=b host").value("bind")).toBe("a=b")
    expect(parse("--bind= host").value("bind")).toBe("")
  })

  test("takes unique prefixes, also with a value attached", () => {
    expect(parse("--se host").flag("server")).toBe(true)
    expect(parse("--scp-t=7 host").value("scp-tunnel-port")).toBe("7")
  })

  test("lets an option of Python's proxy win over ours where both begin so, and the exact name over all", () => {
    expect(parse("--scp-p 7 host").value("scp-port")).toBe("7")
    expect(parse("--scp-port-r 7 host").value("scp-port-range")).toBe("7")
    expect(parse("--bind 7 host").value("bind")).toBe("7")
  })

  test("refuses ambiguous prefixes and names what they could be", () => {
    expect(mistake("--s host")).toBe(
      "ambiguous option --s: it could be --server, --sdp-via-tcp, --scp-port, --scp-tunnel-port",
    )
    expect(mistake("--bin host")).toBe("ambiguous option --bin: it could be --bind, --bindings")
  })

  test.each([
    ["--bogus host", "unknown option --bogus"],
    ["-x host", "unknown option -x"],
    ["-sxT host", "unknown option -x in -sxT"],
    ["-s=1 host", "unknown option -= in -s=1"],
    ["--server=1 host", '--server takes no value, got "1"'],
    ["host --scp-port", "--scp-port needs a value: --scp-port PORT"],
    ["--scp-port -s host", "--scp-port needs a value: --scp-port PORT"],
    ["-sp", "--scp-port needs a value: --scp-port PORT"],
    ["--scp-port -- host", "--scp-port needs a value: --scp-port PORT"],
    ["-s", "missing target"],
    ["", "missing target"],
    ["a b", 'unexpected argument "b"'],
    ["a -- b", 'unexpected argument "b"'],
  ])("says of %j: %s", (line, message) => {
    expect(mistake(line)).toBe(message)
  })

  test("takes a negative number as a value, as argparse does", () => {
    expect(parse("--scp-port -5 host").value("scp-port")).toBe("-5")
  })

  test("takes what follows -- for positional arguments, and a single - for one too", () => {
    expect(parse("-- -s").positionals).toEqual(["-s"])
    expect(parse("-").positionals).toEqual(["-"])
    expect(parse("-s -- host").flag("server")).toBe(true)
  })

  test("keeps what follows -- apart where the command has a use for it", () => {
    const parsed = parse("host -s -- run -s", "<target> [-- command...]")
    expect([parsed.positionals, parsed.rest, parsed.flag("server")]).toEqual([["host"], ["run", "-s"], true])
  })

  test("counts optional and repeated positional arguments", () => {
    expect(parse("", "[file]").positionals).toEqual([])
    expect(parse("a", "[file]").positionals).toEqual(["a"])
    expect(mistake("a b", "[file]")).toContain('"b"')
    expect(parse("a b c", "<first> [...more]").positionals).toEqual(["a", "b", "c"])
    expect(mistake("a", "<first> <second>")).toBe("missing second")
  })

  test("keeps every value of a repeated option, and the last of any", () => {
    const parsed = parse("--bind a --bind=b -p 1 -p 2 host")
    expect(parsed.values("bind")).toEqual(["a", "b"])
    expect(parsed.value("scp-port")).toBe("2")
  })

  test("gives the default of an option that is not given, but no value to values()", () => {
    const parsed = parse("host")
    expect([parsed.value("scp-port"), parsed.value("bind"), parsed.flag("server")]).toEqual(["17893", undefined, false])
    expect(parsed.values("scp-port")).toEqual([])
  })

  test("looks at nothing behind a request for help, and misses no argument", () => {
    for (const line of ["-h", "--help", "-s --he", "-h --bogus", "-sh a b c"])
      expect(parse(line).flag("help")).toBe(true)
    expect(mistake("--bogus -h")).toContain("--bogus")
  })
})
