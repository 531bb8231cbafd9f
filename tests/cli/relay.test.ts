import { describe, expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import type { Command, Parsed } from "../../src/cli/command.ts"
import { runProgram } from "../../src/cli/program.ts"
import { relayCommand, relaySettings } from "../../src/cli/relay.ts"
import type { EndpointSettings } from "../../src/relay/endpoint.ts"
import { FakeIo } from "../support/command-io.ts"
import { RawServer } from "../support/raw-tcp.ts"
import { until } from "../support/until.ts"
import table from "./argparse-table.json" with { type: "json" }

interface Outcome {
  exit: number
  err: string
  role: string
  settings: EndpointSettings
  parsed: Parsed
}

/** What a command line means; nothing is started. */
async function understand(argv: readonly string[]): Promise<Outcome> {
  const outcome: Partial<Outcome> = {}
  const command: Command = {
    ...relayCommand,
    async run(parsed) {
      Object.assign(outcome, { parsed, ...relaySettings(parsed) })
      return 0
    },
  }
  const io = new FakeIo()
  const exit = await runProgram(argv, [command], io)
  return { ...outcome, exit, err: io.err } as Outcome
}

const settingsOf = async (line: string) => (await understand(line.split(" "))).settings

describe("Python's command line", () => {
  test("has these defaults", async () => {
    const { role, settings, parsed } = await understand(["-s", "board"])
    expect(role).toBe("server")
    expect(settings).toMatchObject({
      target: "board",
      bootViaTcp: false,
      sdpViaTcp: false,
      scpPort: 17893,
      bootPort: 54321,
      scpTunnelPort: 17894,
      bootTunnelPort: 17895,
    })
    expect(parsed.flag("quiet")).toBe(false)
  })

  test("every beginning of its options means the same here, or is ambiguous in the same way", async () => {
    expect(Object.keys(table.prefixes).length).toBeGreaterThan(70)
    for (const [prefix, name] of Object.entries(table.prefixes)) {
      const takesValue = name?.endsWith("-port")
      const { exit, err, parsed } = await understand([`--${prefix}`, ...(takesValue ? ["1234"] : []), "-c", "host"])
      if (name === null) {
        expect([prefix, exit]).toEqual([prefix, 2])
        expect(err).toContain(`ambiguous option --${prefix}: it could be --`)
      } else if (name === "server") {
        expect(err).toContain("-s and -c exclude each other")
      } else if (name === "help") {
        expect(exit).toBe(0)
      } else {
        expect([prefix, exit, parsed.flag(name)]).toEqual([prefix, 0, true])
        if (takesValue) expect(parsed.value(name)).toBe("1234")
      }
    }
  })

  test("400 lines of it mean the same here, mistakes included", async () => {
    let taken = 0
    for (const [line, meant] of Object.entries(table.lines)) {
      const { exit, err, role, settings, parsed } = await understand(line.split(" "))
      if (typeof meant === "string") {
        expect([line, exit]).toEqual([line, meant === "error" ? 2 : 0])
        if (meant === "error") expect(err).toMatch(/^usage: .+\nspinnaker-relay: .+\n$/)
        continue
      }
      taken++
      expect([line, exit, err]).toEqual([line, 0, ""])
      expect({
        target: settings.target,
        server: role === "server",
        client: role === "client",
        boot_via_tcp: settings.bootViaTcp,
        sdp_via_tcp: settings.sdpViaTcp,
        quiet: parsed.flag("quiet"),
        scp_port: settings.scpPort,
        boot_port: settings.bootPort,
        scp_tunnel_port: settings.scpTunnelPort,
        boot_tunnel_port: settings.bootTunnelPort,
      }).toEqual(meant)
    }
    expect(taken).toBeGreaterThan(100)
  })
})

describe("the relay's own options", () => {
  test("take several addresses to bind; one that means all means all", async () => {
    expect((await settingsOf("-s board")).bind).toEqual([])
    expect((await settingsOf("-s board --bind 192.0.2.7 --bind [::1]")).bind).toEqual(["192.0.2.7", "::1"])
    expect((await settingsOf("-s board --bind 192.0.2.7 --bind 0.0.0.0")).bind).toEqual([])
    expect((await settingsOf("-c server --bind ::")).bind).toEqual([])
    expect((await settingsOf("-c server")).bind).toEqual(["127.0.0.1"])
  })

  test("take networks to allow", async () => {
    expect((await settingsOf("-s board")).allow).toBeUndefined()
    const { allow } = await settingsOf("-s board --allow 192.0.2.0/24 --allow 2001:db8::/32")
    expect(["192.0.2.9", "2001:db8::9", "198.51.100.1"].map((host) => allow!.allows(host))).toEqual([true, true, false])
  })

  test("take one user at a time, for how long he may be silent and how long he may stay while others wait", async () => {
    expect((await settingsOf("-s board")).lease).toBeUndefined()
    const usual = { exclusive: true, sessionTimeoutMs: 300_000, hold: "traffic", onRelease: "nothing" }
    expect((await settingsOf("-s board --exclusive")).lease).toMatchObject({ ...usual, maxHoldMs: undefined })
    expect((await settingsOf("-s board --exclusive --session-timeout 60 --max-hold 3600")).lease).toMatchObject({
      ...usual,
      sessionTimeoutMs: 60_000,
      maxHoldMs: 3_600_000,
    })
  })

  test("take an idle time in seconds, 300 unless told, 0 for never, and how many flows", async () => {
    expect((await settingsOf("-s board")).limits).toEqual({ maxFlows: 256, idleTimeoutMs: 300_000 })
    expect((await settingsOf("-s board --idle-timeout 0 --max-flows 8")).limits).toEqual({
      maxFlows: 8,
      idleTimeoutMs: 0,
    })
    expect((await settingsOf("-s board --idle-timeout 0.5")).limits.idleTimeoutMs).toBe(500)
  })

  test("take more boards, a BMP for those that --allow lets in, and addresses for boards", async () => {
    expect((await settingsOf("-s board")).boards).toEqual([])
    const server = await settingsOf("-s 192.0.2.1 --boards 192.0.2.9,board-3 --bmp 192.0.2.0 --allow 192.0.2.0/24")
    expect([server.boards, server.bmp]).toEqual([["192.0.2.9", "board-3"], "192.0.2.0"])
    expect((await settingsOf("-s board --boards all")).boards).toBe("all")
    const client = await settingsOf("-c server --address 192.0.2.9=127.0.0.9 --address board-3=127.0.0.7")
    expect(Object.fromEntries(client.addresses!)).toEqual({ "192.0.2.9": "127.0.0.9", "board-3": "127.0.0.7" })
  })

  test("leave the boot port alone if told", async () => {
    expect((await settingsOf("-c server")).bootListener).toBe(true)
    expect((await settingsOf("-c server --no-boot-listener")).bootListener).toBe(false)
  })

  test("take IPv6 targets with and without brackets", async () => {
    expect((await settingsOf("-c [2001:db8::1]")).target).toBe("2001:db8::1")
    expect((await settingsOf("-c 2001:db8::1")).target).toBe("2001:db8::1")
  })
})

describe("a mistake on the command line", () => {
  const PORTS = ["--scp-port", "--boot-port", "--scp-tunnel-port", "--boot-tunnel-port"]
  const badPorts = PORTS.flatMap((option) =>
    ["0", "65536", "-1", "x", "", "1e3", "80.0", "80.5", "0x50", " 80", "99999999999"].map((value) => [
      ["-s", "board", `${option}=${value}`],
      `${option} ${JSON.stringify(value)}: expected a whole number from 1 to 65535`,
    ]),
  ) as [string[], string][]

  test.each<[string[], string]>([
    ...badPorts,
    [["board"], "give -s to be the server or -c to be the client"],
    [["-s", "-c", "board"], "-s and -c exclude each other: give one"],
    [["-sc", "board"], "-s and -c exclude each other: give one"],
    [["-s"], "missing target"],
    [[], "missing target"],
    [["-s", "board", "board2"], 'unexpected argument "board2"'],
    [["-s", "--nonsense", "board"], "unknown option --nonsense"],
    [["-sz", "board"], "unknown option -z in -sz"],
    [["-s", "board:17893"], '"board:17893": give the host alone; ports have options of their own'],
    [["-s", "[board]"], '"[board]": expected an IPv6 address between the brackets'],
    [["-s", "300.1.1.1"], '"300.1.1.1" is not an IPv4 address'],
    [["-s", "board", "--bind", "eth0"], '--bind "eth0": expected an IP address of this machine'],
    [["-s", "board", "--bind"], "--bind needs a value: --bind ADDRESS"],
    [["-s", "board", "--allow", "192.0.2.0/33"], '"192.0.2.0/33"'],
    [["-s", "board", "--allow", "neighbours"], "--allow: not an address or network such as"],
    [["-s", "board", "--idle-timeout", "-1"], '--idle-timeout "-1": expected a number from 0 to'],
    [["-s", "board", "--idle-timeout", "soon"], '--idle-timeout "soon"'],
    [["-s", "board", "--idle-timeout", "1e9"], '--idle-timeout "1e9"'],
    [["-s", "board", "--max-flows", "0"], '--max-flows "0"'],
    [["-s", "board", "--bmp", "192.0.2.0"], "--bmp needs --allow: whoever reaches a BMP can switch the boards off"],
    [["-s", "board", "--boards", "a,,b"], '--boards ""'],
    [["-s", "board", "--boards", "a,b:1"], '"b:1"'],
    [["-c", "server", "--boards", "a"], "--boards is for the server (-s)"],
    [["-c", "server", "--bmp", "a", "--allow", "192.0.2.0/24"], "--bmp is for the server (-s)"],
    [["-s", "board", "--address", "a=127.0.0.2"], "--address is for the client (-c)"],
    [["-c", "server", "--exclusive"], "--exclusive is for the server (-s)"],
    [["-c", "server", "--session-timeout", "9"], "--session-timeout is for the server (-s)"],
    [["-c", "server", "--max-hold", "9"], "--max-hold is for the server (-s)"],
    [["-s", "board", "--session-timeout", "9"], "--session-timeout needs --exclusive"],
    [["-s", "board", "--max-hold", "9"], "--max-hold needs --exclusive"],
    [["-s", "board", "--exclusive", "--max-hold", "0"], '--max-hold "0": expected a number from 1 to'],
    [["-s", "board", "--exclusive", "--session-timeout", "0"], '--session-timeout "0": expected a number from 1 to'],
    [["-c", "server", "--address", "127.0.0.2"], "expected BOARD=ADDRESS, such as"],
    [["-c", "server", "--address", "a=localhost"], "expected BOARD=ADDRESS, such as"],
    [["-c", "server", "--address", "a=127.0.0.2", "--address", "b=127.0.0.2"], "127.0.0.2 is given to two boards"],
    [
      ["-c", "server", "--scp-port", "5", "--boot-port", "05"],
      "--scp-port and --boot-port are both 5: they must differ",
    ],
    [
      ["-s", "board", "--scp-tunnel-port", "54321", "--boot-tunnel-port", "54321"],
      "--scp-tunnel-port and --boot-tunnel-port are both 54321: they must differ",
    ],
  ])("%j ends with 2, usage and one line: %s", async (argv, message) => {
    const { exit, err } = await understand(argv)
    expect(exit).toBe(2)
    const [usage, mistake, ...rest] = err.split("\n")
    expect(usage).toStartWith("usage: spinnaker-relay -s|-c [options] <target>")
    expect(mistake).toStartWith("spinnaker-relay: ")
    expect(mistake).toContain(message)
    expect(rest).toEqual([""])
  })

  test("in the log's options is one too", async () => {
    for (const [option, value] of [
      ["log-format", "xml"],
      ["log-level", "loud"],
    ]) {
      const io = new FakeIo()
      const argv = ["-s", "board", "--bind", "127.0.0.1", `--${option}=${value}`]
      expect(await runProgram(argv, [relayCommand], io)).toBe(2)
      expect(io.err).toContain(`--${option} "${value}": expected one of`)
    }
  })

  test("is none where two ports are equal at the other end", async () => {
    expect((await understand(["-s", "board", "--scp-port", "5", "--boot-port", "5"])).exit).toBe(0)
    expect((await understand(["-c", "server", "--scp-tunnel-port", "5", "--boot-tunnel-port", "5"])).exit).toBe(0)
  })
})

describe("a port that is taken", () => {
  const run = async (...argv: string[]) => {
    const io = new FakeIo()
    const exit = await runProgram(argv, [relayCommand], io)
    return { exit, err: io.err }
  }

  test.each([
    ["--scp-tunnel-port", "--boot-tunnel-port", "the server listens there for its clients' SCP"],
    ["--boot-tunnel-port", "--scp-tunnel-port", "the server listens there for its clients' boots"],
  ])("ends a server with 1 and names the port, its purpose and %s", async (taken, free, purpose) => {
    const { port } = new RawServer()
    const [other] = (await freePorts(1)) as [number]
    const { exit, err } = await run("-s", "127.0.0.1", "--bind", "127.0.0.1", taken, `${port}`, free, `${other}`)
    expect(exit).toBe(1)
    expect(err).toContain(`TCP port ${port} on 127.0.0.1 is already in use by another program: ${purpose}`)
    expect(err.trimEnd()).toEndWith(`choose another port with ${taken}.`)
    expect(err).not.toContain("usage:")
  })

  test.each([
    ["--scp-port", "--boot-port", "the client listens there in place of the board, for SCP"],
    ["--boot-port", "--scp-port", "the client listens there in place of the board, for boots"],
  ])("ends a client with 1 and names the port, its purpose and %s", async (taken, free, purpose) => {
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 })
    const [other] = (await freePorts(1)) as [number]
    const { exit, err } = await run("-c", "127.0.0.1", taken, `${socket.port}`, free, `${other}`)
    socket.close()
    expect(exit).toBe(1)
    expect(err).toContain(`UDP port ${socket.port} on 127.0.0.1 is already in use by another program: ${purpose}`)
    expect(err.trimEnd()).toEndWith(`choose another port with ${taken}, or an address with --bind 127.0.0.2.`)
  })
})

describe("a running relay", () => {
  for (const role of ["-s", "-c"] as const) {
    test(`with ${role} says where it listens, ends with 0 at a signal, and gives its ports back`, async () => {
      const [scp, boot] = (await freePorts(2)) as [number, number]
      const ports = (role === "-s" ? ["--scp-tunnel-port", "--boot-tunnel-port"] : ["--scp-port", "--boot-port"]) as [
        string,
        string,
      ]
      const argv = [role, "127.0.0.1", "--bind", "127.0.0.1", ports[0], `${scp}`, ports[1], `${boot}`]
      for (let round = 0; round < 2; round++) {
        const io = new FakeIo()
        const exit = runProgram(argv, [relayCommand], io)
        await until(() => io.err.includes(`127.0.0.1:${boot}`), "a line about the boot port")
        expect(io.err).toContain(`127.0.0.1:${scp}`)
        io.signal("SIGTERM")
        expect(await exit).toBe(0)
        expect(io.err.trimEnd()).toEndWith("stopping (SIGTERM)")
        expect(io.out).toBe("")
      }
    })
  }

  test("with -q prints warnings only", async () => {
    const [scp, boot] = (await freePorts(2)) as [number, number]
    const io = new FakeIo()
    const argv = ["-qc", "127.0.0.1", "--bind", "0.0.0.0", "--scp-port", `${scp}`, "--boot-port", `${boot}`]
    const exit = runProgram(argv, [relayCommand], io)
    await until(() => io.err !== "", "the warning about a client that listens wider")
    io.signal()
    expect(await exit).toBe(0)
    expect(io.err).toContain("beyond this machine")
    expect(io.err).not.toContain("listening for")
    expect(io.err).not.toContain("stopping")
  })
})
