/** The command line as a person types it: exit codes, messages, and what must never be fatal. */
import { describe, expect, test } from "bun:test"
import packageJson from "../../package.json" with { type: "json" }
import { Application } from "../support/application.ts"
import { type Child, freePorts, relayCommand, startBoard, startChild, startRelay } from "../support/relay-process.ts"
import { verRequest } from "../support/scp-requests.ts"

/** Runs to its end; a mistake must not wait for anything. */
async function runToEnd(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  await using child = startRelay(args)
  const code = await child.exited
  return { code, stdout: child.stdout.join("\n"), stderr: child.stderr.join("\n") }
}

/** Ends it and says how: within a second, exit code 0. */
async function stopsAtOnce(child: Child, signal: "SIGTERM" | "SIGINT"): Promise<void> {
  const begun = performance.now()
  expect(await child.stop(signal)).toBe(0)
  expect(performance.now() - begun).toBeLessThan(1_000)
}

async function portFlags(): Promise<{ flags: string[]; ports: [number, number, number, number] }> {
  const ports = (await freePorts(4)) as [number, number, number, number]
  const names = ["--scp-tunnel-port", "--boot-tunnel-port", "--scp-port", "--boot-port"]
  return { flags: names.flatMap((name, index) => [name, `${ports[index]}`]), ports }
}

describe("spinnaker-relay", () => {
  test("prints its version and its help on standard output and ends with 0", async () => {
    expect(await runToEnd(["--version"])).toEqual({
      code: 0,
      stdout: `spinnaker-relay ${packageJson.version}`,
      stderr: "",
    })
    const help = await runToEnd(["-h"])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain("--boot-tunnel-port <PORT>")
  })

  test.each([
    [["-s"], "missing target"],
    [["board.example"], "give -s to be the server or -c to be the client"],
    [["-s", "-c", "board.example"], "-s and -c exclude each other"],
    [["-s", "board.example", "--scp-port", "65536"], '--scp-port "65536": expected a whole number from 1 to 65535'],
    [["-s", "board.example", "--colour"], "unknown option --colour"],
  ])("ends with 2 and one line about the mistake in %j", async (args, line) => {
    const { code, stdout, stderr } = await runToEnd(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    const [usage, mistake, ...more] = stderr.split("\n")
    expect(usage).toStartWith("usage: spinnaker-relay")
    expect(mistake).toContain(line)
    expect(more).toEqual([])
  })

  test("names a port that is taken, who needs it and how to choose another, and ends with 1", async () => {
    const { flags, ports } = await portFlags()
    const taken = await Bun.udpSocket({ hostname: "127.0.0.1", port: ports[2], socket: { data() {} } })
    const { code, stderr } = await runToEnd(["-c", "127.0.0.1", ...flags])
    taken.close()
    expect(code).toBe(1)
    expect(stderr.split("\n").at(-1)).toContain(`UDP port ${ports[2]} on 127.0.0.1 is already in use`)
    expect(stderr).toContain("the client listens there in place of the board, for SCP")
    expect(stderr).toContain("--scp-port")
  })

  test.each(["-s", "-c", "-stT", "-ctT"])(
    "says, as %s, that a name does not resolve yet, and ends at once when told",
    async (role) => {
      const { flags } = await portFlags()
      await using child = startRelay([role, "no-such-host.invalid", "--bind", "127.0.0.1", ...flags])
      await child.waitForLine(/listening for boot/)
      await child.waitForLine(/cannot find the address of no-such-host.invalid/)
      await stopsAtOnce(child, "SIGTERM")
    },
  )

  test("waits for an address that the machine does not have yet", async () => {
    const { flags } = await portFlags()
    // TEST-NET-1: no machine has it.
    await using child = startRelay(["-s", "127.0.0.1", "--bind", "192.0.2.1", ...flags])
    await child.waitForLine(/cannot listen on 192\.0\.2\.1:\d+ yet/)
    await stopsAtOnce(child, "SIGINT")
  })

  test("survives a board that is off and carries on when it is switched on", async () => {
    const { flags, ports } = await portFlags()
    await using server = startRelay(["-s", "127.0.0.1", "--bind", "127.0.0.1", ...flags])
    await server.waitForLine(/listening for boot on UDP/)
    using program = await Application.open(ports[0])
    program.send(verRequest(1))
    await server.waitForLine(/cannot be reached/)
    await using _board = await startBoard(["--booted", "--scp-port", `${ports[2]}`, "--boot-port", `${ports[3]}`])
    program.send(verRequest(2))
    expect(await program.next(2_000)).toBeDefined()
    await server.waitForLine(/answers again/)
  })

  test.if(process.platform === "linux")("goes on when its log cannot be written, as on a full disk", async () => {
    await using board = await startBoard(["--booted"])
    const [scp, boot] = (await freePorts(2)) as [number, number]
    const args = ["-s", "127.0.0.1", "--bind", "127.0.0.1", "--scp-port", `${board.scp.port}`]
    const tunnel = ["--scp-tunnel-port", `${scp}`, "--boot-tunnel-port", `${boot}`]
    await using server = startChild(["sh", "-c", 'exec "$@" 2>/dev/full', "sh", ...relayCommand(), ...args, ...tunnel])
    let answers = 0
    for (let sequence = 1; sequence <= 40 && answers < 5; sequence++) {
      using program = await Application.open(scp)
      program.send(verRequest(sequence))
      if (await program.next(250)) answers++
    }
    expect(answers).toBe(5)
    await stopsAtOnce(server, "SIGTERM")
  })

  test.if(process.platform === "linux")("ends with 1 when what was asked for cannot be written", async () => {
    await using child = startChild(["sh", "-c", 'exec "$@" >/dev/full', "sh", ...relayCommand(), "--version"])
    expect(await child.exited).toBe(1)
    expect(child.stderr).toEqual([expect.stringMatching(/^spinnaker-relay: cannot write the output: .*ENOSPC/)])
  })

  test("says once that an open server is open, and nothing of the kind with --allow", async () => {
    const { flags } = await portFlags()
    await using open = startRelay(["-s", "127.0.0.1", ...flags])
    await open.waitForLine(/anyone who reaches these ports/)
    await stopsAtOnce(open, "SIGTERM")
    await using limited = startRelay(["-s", "127.0.0.1", "--allow", "127.0.0.0/8", ...flags])
    await limited.waitForLine(/listening for boot on UDP/)
    await stopsAtOnce(limited, "SIGTERM")
    expect(open.stderr.filter((line) => /anyone who reaches/.test(line))).toHaveLength(1)
    expect(limited.stderr.filter((line) => /anyone who reaches/.test(line))).toEqual([])
  })

  test("logs JSON lines that carry the event's own fields", async () => {
    const { flags } = await portFlags()
    await using server = startRelay(["-s", "127.0.0.1", "--bind", "127.0.0.1", "--log-format", "json", ...flags])
    const [line] = await server.waitForLine(/^.*"boot".*"udp".*$/)
    expect(JSON.parse(line)).toMatchObject({ level: "info", event: "listening", channel: "boot", carrier: "udp" })
  })
})
