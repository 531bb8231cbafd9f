import { describe, expect, test } from "bun:test"
import { lucidacFakeCommand } from "../../src/cli/lucidac-fake.ts"
import { CliRun, runCli } from "./run-cli.ts"

describe("the lucidac fake command", () => {
  test("says where its devices listen, in words and for programs, and ends with 0 when stopped", async () => {
    const run = new CliRun(lucidacFakeCommand, ["--carriers", "2", "--port", "0"])
    await run.said("04-E9-E5-00-00-02")
    const { devices } = JSON.parse(run.stdout)
    expect(devices).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
    expect(run.stderr).toBe(
      `listening on ${devices[0]} as 04-E9-E5-00-00-01\nlistening on ${devices[1]} as 04-E9-E5-00-00-02\n`,
    )
    run.stop()
    expect(await run.exit).toBe(0)
    expect(run.stderr).not.toContain("gone")
  })

  test("nested, one device has all carriers; it says when it dies", async () => {
    const run = new CliRun(lucidacFakeCommand, ["--carriers", "3", "--nested", "--port", "0", "--die-after", "0"])
    await run.said("gone")
    expect(JSON.parse(run.stdout).devices).toHaveLength(1)
    expect(run.stderr).toContain("as 04-E9-E5-00-00-01, 04-E9-E5-00-00-02, 04-E9-E5-00-00-03\n")
    run.stop()
    expect(await run.exit).toBe(0)
  })

  test.each([
    [["--listen", "lab"], '--listen "lab": expected an IP address'],
    [["--carriers", "0"], '--carriers "0": expected a whole number from 1 to 64'],
    [["--port", "65535", "--carriers", "2"], '--port "65535": expected a whole number from 0 to 65534'],
    [["--refuse", "dance"], '--refuse "dance": expected a kind of request, one of standBy, reset,'],
    [["--die-at", "noon"], '--die-at "noon": expected one of connect, extract,'],
    [["--rate", "0"], '--rate "0": expected a number from 1 to 1000000'],
  ])("refuses %p", async (args, text) => {
    const { exit, stderr } = await runCli(lucidacFakeCommand, ...args)
    expect(exit).toBe(2)
    expect(stderr).toContain(text)
  })

  test("with --json the devices are of the older generation", async () => {
    const run = new CliRun(lucidacFakeCommand, ["--json", "--port", "0", "--verbose"])
    await run.said("04-E9-E5-00-00-01")
    const [host, port] = JSON.parse(run.stdout).devices[0].split(":")
    const answer = Promise.withResolvers<string>()
    const socket = await Bun.connect({
      hostname: host,
      port: Number(port),
      socket: { data: (_socket, bytes) => answer.resolve(String(bytes)), error() {} },
    })
    socket.write('{"id":"7","type":"ping","msg":{}}')
    expect(JSON.parse(await answer.promise)).toMatchObject({ id: "7", type: "ping", code: 0 })
    expect(run.stderr).toContain("ping from 127.0.0.1")
    socket.end()
    run.stop()
    expect(await run.exit).toBe(0)
    const { exit, stderr } = await runCli(lucidacFakeCommand, "--json", "--nested")
    expect({ exit, last: stderr.trim().split("\n").at(-1) }).toEqual({
      exit: 2,
      last: "spinnaker-relay: --nested does not go with --json",
    })
  })

  test("a port that is taken is one line and 1", async () => {
    const first = new CliRun(lucidacFakeCommand, ["--port", "0"])
    await first.said("listening")
    const port = JSON.parse(first.stdout).devices[0].split(":")[1]
    const { exit, stderr } = await runCli(lucidacFakeCommand, "--port", port)
    expect(exit).toBe(1)
    expect(stderr).toContain(
      `Cannot listen on 127.0.0.1:${port}: EADDRINUSE. Choose another --listen or --port (0 = any free).`,
    )
    first.stop()
    expect(await first.exit).toBe(0)
  })
})
