import { describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { CommandIo, Parsed } from "../../src/cli/command.ts"
import { lucidacCommand, settingsFrom } from "../../src/cli/lucidac.ts"
import { parseArgv } from "../../src/cli/parse-argv.ts"
import { runProgram } from "../../src/cli/program.ts"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeV1 } from "../../src/lucidac/envelope.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { RawPeer } from "../support/raw-tcp.ts"
import { until } from "../support/until.ts"
import { runCli } from "./run-cli.ts"

function settings(...args: string[]) {
  const parsed: Parsed = parseArgv(args, lucidacCommand.options, lucidacCommand.positionals)
  return settingsFrom(parsed)
}

/** With a directory that is gone afterwards. */
async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lucidac-"))
  try {
    await run(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** What the proxy says until it listens, with this environment. */
async function startedWith(env: Record<string, string>, ...args: string[]): Promise<{ exit: number; stderr: string }> {
  const stop = new AbortController()
  let stderr = ""
  const exit = await runLucidac(env, args, stop.signal, (text) => {
    stderr += text
    if (text.includes("Ctrl-C ends")) stop.abort("SIGINT")
  })
  return { exit, stderr }
}

/** The proxy before a device that is not there, on any port; its exit code. */
function runLucidac(
  env: Record<string, string>,
  args: readonly string[],
  stop: AbortSignal,
  stderr: (text: string) => void,
): Promise<number> {
  const io: CommandIo = { stdout() {}, stderr, isTerminal: false, env, stop }
  const argv = ["lucidac", "-b", "127.0.0.1:1", "-p", "0", ...args]
  return runProgram(argv, [lucidacCommand, { ...lucidacCommand, name: "" }], io)
}

describe("the lucidac command's settings", () => {
  test("are those of pybrid's proxy where nothing is said", () => {
    expect(settings()).toEqual({
      listen: { host: "0.0.0.0", port: 5732 },
      allow: undefined,
      limits: { maxSessions: 8, idleMs: 10_000, holdMs: 4_000, maxHoldMs: undefined },
      bufferBytes: 256 * 2 ** 20,
      require: "all",
      allowWrites: false,
      noUdp: false,
    })
  })

  test.each([
    [["--session-timeout", "2.5"], { limits: { idleMs: 2_500 } }],
    [["--max-sessions", "3"], { limits: { maxSessions: 3 } }],
    [["--max-hold", "60"], { limits: { maxHoldMs: 60_000 } }],
    [["--buffer", "2M"], { bufferBytes: 2 * 2 ** 20 }],
    [["--require", "any"], { require: "any" }],
    [["--require", "all"], { require: "all" }],
    [["--allow-writes"], { allowWrites: true, noUdp: false }],
    [["--no-udp"], { noUdp: true, allowWrites: false }],
    [["-l", "[::1]", "-p", "99"], { listen: { host: "::1", port: 99 } }],
  ])("%p", (args, wanted) => {
    expect(settings(...args)).toMatchObject(wanted)
  })

  test("--allow may be given several times", () => {
    const { allow } = settings("--allow", "192.0.2.0/24", "--allow", "198.51.100.7")
    const hosts = ["192.0.2.9", "198.51.100.7", "198.51.100.8", "127.0.0.1"]
    expect(hosts.map((host) => allow?.allows(host))).toEqual([true, true, false, false])
  })
})

describe("the lucidac command", () => {
  const OPEN = "Everybody who can reach"

  test("warns that anybody may use the devices, unless --auth or --allow limits that", async () => {
    const secret = { PYBRID_AUTHENTICATION: "hunter2" }
    const [open, noAuth, auth, allow] = await Promise.all([
      startedWith(secret),
      startedWith(secret, "--no-auth"),
      startedWith(secret, "--auth"),
      startedWith({}, "--allow", "192.0.2.0/24"),
    ])
    expect([open, noAuth, auth, allow].map(({ exit, stderr }) => [exit, stderr.includes(OPEN)])).toEqual([
      [0, true],
      [0, true],
      [0, false],
      [0, false],
    ])
    expect(auth.stderr).not.toContain("hunter2")
  })

  test("does not start with --auth and --no-auth together, or with an empty secret", async () => {
    const both = await startedWith({ PYBRID_AUTHENTICATION: "s" }, "--auth", "--no-auth")
    expect(both.exit).toBe(2)
    expect(both.stderr).toContain("--auth and --no-auth contradict each other")
    const empty = await startedWith({ PYBRID_AUTHENTICATION: "" }, "--auth")
    expect(empty.exit).toBe(1)
    expect(empty.stderr).toContain("set PYBRID_AUTHENTICATION")
  })

  test("takes backends of several -b and of a file, in their order", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "backends.txt")
      writeFileSync(file, "# the rack\ncarrier 10.0.0.2 0/1\ncarrier 10.0.0.3 0/2\n")
      const { exit, stdout } = await runCli(
        lucidacCommand,
        "--check",
        "-b",
        "10.0.0.9",
        "-b",
        file,
        "-b",
        "10.0.0.1:6000",
      )
      expect(stdout).toBe(
        "carrier 10.0.0.9:5732\ncarrier 10.0.0.2:5732 0/1\ncarrier 10.0.0.3:5732 0/2\ncarrier 10.0.0.1:6000\n",
      )
      expect(exit).toBe(0)
    })
  })

  test.each([[["--check"]], [[]]])("ends with 1, file and line where a file is wrong (%p)", async (more) => {
    await withDirectory(async (directory) => {
      const file = join(directory, "backends.txt")
      writeFileSync(file, "carrier 10.0.0.2 0/1\n\nnonsense here\n")
      const { exit, stdout, stderr } = await runCli(lucidacCommand, ...more, "-b", file)
      expect({ exit, stdout }).toEqual({ exit: 1, stdout: "" })
      expect(stderr).toContain(`${file}:3`)
    })
  })

  test("logs everything with --debug, whatever --log-level says", async () => {
    const { exit, stderr } = await startedWith({}, "--log-level", "error", "--debug")
    expect(exit).toBe(0)
    expect(stderr).toContain("LUCIDAC proxy listening on")
  })

  test.each([
    ["--allow", ["--allow", "192.0.2.0/24"], "its address is not in --allow"],
    ["--auth", ["--auth"], "Authentication required"],
  ])("keeps a client out with %s", async (_name, args, word) => {
    const stop = new AbortController()
    const listening = Promise.withResolvers<number>()
    let stderr = ""
    const exit = runLucidac({ PYBRID_AUTHENTICATION: "hunter2" }, ["-l", "127.0.0.1", ...args], stop.signal, (text) => {
      stderr += text
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(stderr)?.[1]
      if (port) listening.resolve(Number(port))
    })
    const client = await RawPeer.connect(await listening.promise)
    client.send(encodeFrame(encodeV1("a", ARM.extract)))
    await until(() => client.closed || client.received.length > 0, "a refusal")
    const told = `${stderr}${client.received.toString("latin1")}`
    stop.abort("SIGINT")
    await exit
    expect(told).toContain(word)
  })
})
