/**
 * The safe way in as a person uses it: board, server, tickets, clients and the owner's commands, each a process. The
 * data folders are of this file's own. The tests go one after the other: the board stays booted.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { patient, underWine } from "../../scripts/lib/relay-command.ts"
import { readMemory, writeMemory } from "../../src/connections/memory-access.ts"
import { SCAMPConnection } from "../../src/connections/scamp-connection.ts"
import { SCPRequestPipeLine } from "../../src/connections/scp-request-pipeline.ts"
import type { StatusReport } from "../../src/observe/status.ts"
import { Command, decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { decodeVersion, isBooting } from "../../src/protocol/version.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Application } from "../support/application.ts"
import { readCapturedBoot, replayBoot } from "../support/captured-boot.ts"
import { randomBytes } from "../support/fuzz.ts"
import {
  type BoardProcess,
  type Child,
  freePorts,
  relayCommand,
  startBoard,
  startRelay,
} from "../support/relay-process.ts"
import { SDRAM, scpRequest, verRequest } from "../support/scp-requests.ts"
import { sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { manyLoopbacks } from "../support/udp.ts"

setDefaultTimeout(patient(20_000))

/** One relay command, run to its end. */
async function run(args: readonly string[], stdin?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = startRelay(args, stdin === undefined ? {} : { stdin })
  const code = await child.exited
  return { code, stdout: child.stdout.join("\n"), stderr: child.stderr.join("\n") }
}

interface LocalPorts {
  readonly scp: number
  readonly boot: number
}

/** A board that waits for its boot and a server beside it; Alice has joined. */
class World implements AsyncDisposable {
  readonly server: readonly string[]
  ticket = ""

  private constructor(
    readonly folder: string,
    readonly board: BoardProcess,
    readonly serverProcess: Child,
    readonly port: number,
  ) {
    this.server = ["--data", join(folder, "server")]
  }

  static async start(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), "relay-tunnel-"))
    const [port] = (await freePorts(1)) as [number]
    const board = await startBoard(["--silent-ms", "1", "--booting-ms", "1", "--program", "0,0,5=echo"])
    const config = join(folder, "boards.toml")
    await Bun.write(config, boards({ "board-a": board }))
    const args = ["--config", config, "--data", join(folder, "server"), "--port", `${port}`, "--bind", "127.0.0.1"]
    const server = startRelay(["server", ...args])
    await server.waitForLine(/listening for its users, encrypted/)
    const world = new World(folder, board, server, port)
    world.ticket = await world.invite("alice")
    return world
  }

  /** A ticket for `user`. */
  async invite(user: string): Promise<string> {
    const { code, stdout, stderr } = await run(["invite", user, "--host", `127.0.0.1:${this.port}`, ...this.server])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    return stdout
  }

  join(ticket: string, machine: string): ReturnType<typeof run> {
    return run(["join", "--as", "pi", ...this.dataOf(machine)], ticket)
  }

  dataOf(machine: string): string[] {
    return ["--data", join(this.folder, machine)]
  }

  /** Starts `client pi` on a machine that has joined. */
  async client(machine: string, ports: LocalPorts): Promise<Child> {
    const local = ["--scp-port", `${ports.scp}`, "--boot-port", `${ports.boot}`]
    const client = startRelay(["client", "pi", ...this.dataOf(machine), ...local])
    await client.waitForLine(/connected to/)
    await client.waitForLine(/board board-a is at 127\.0\.0\.1/)
    return client
  }

  async status(): Promise<StatusReport> {
    const { code, stdout } = await run(["status", "--json", ...this.server])
    expect(code).toBe(0)
    return JSON.parse(stdout) as StatusReport
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.serverProcess.stop()
    await this.board.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A configuration file of these boards. */
function boards(all: Readonly<Record<string, BoardProcess>>): string {
  const tables = Object.entries(all).map(
    ([name, { scp, boot }]) =>
      `[[boards]]\nname = "${name}"\naddress = "${scp.host}"\nscp-port = ${scp.port}\nboot-port = ${boot.port}\n`,
  )
  return `name = "pi"\n\n${tables.join("\n")}`
}

async function localPorts(): Promise<LocalPorts> {
  const [scp, boot] = (await freePorts(2)) as [number, number]
  return { scp, boot }
}

/** Asks VER until SC&MP says that it is up. */
async function booted(port: number): Promise<string> {
  using program = await Application.open(port)
  for (let sequence = 1; sequence <= 40; sequence++) {
    program.send(verRequest(sequence))
    const answer = await program.next(250)
    const reply = answer && decodeScpReply(answer)
    const version = reply && decodeVersion(reply)
    if (version && !isBooting(version)) return version.name
  }
  throw new Error("SC&MP never came up")
}

let world: World

beforeAll(async () => {
  world = await World.start()
  const joined = await world.join(world.ticket, "laptop")
  expect(joined).toMatchObject({ code: 0 })
  expect(joined.stdout).toBe(`Joined pi at 127.0.0.1:${world.port}. To use its boards: spinnaker-relay client pi`)
})

afterAll(() => world[Symbol.asyncDispose]())

describe("a ticket", () => {
  test("that was used, and one that was cut, are refused in a line; nothing is stored", async () => {
    const used = await world.join(world.ticket, "other")
    expect(used).toMatchObject({ code: 1, stdout: "" })
    expect(used.stderr.split("\n")).toHaveLength(1)
    expect(used.stderr).toMatch(/Not joined: .*used/)
    const fresh = await world.invite("bob")
    const cut = await world.join(fresh.slice(0, -9), "other")
    expect(cut).toMatchObject({ code: 1, stdout: "" })
    expect(cut.stderr).toBe("spinnaker-relay: Not joined: the ticket is incomplete: copy the whole line, to its end.")
    expect((await run(["client", "pi", ...world.dataOf("other")])).code).toBe(1)
    expect((await world.join(fresh, "bob")).code).toBe(0)
  })
})

describe("a client", () => {
  test("gives programs the board: its boot, memory and what it sends by IP tag", async () => {
    const ports = await localPorts()
    await using client = await world.client("laptop", ports)
    const capture = await readCapturedBoot("rig-boot-spin5")
    await replayBoot(capture, ports)
    expect(await booted(ports.scp)).toBe("SC&MP")
    expect(world.board.stderr.join("\n")).toContain(`image ${capture.digest}`)

    await using scamp = await SCAMPConnection.open({ remoteHost: "127.0.0.1", remotePort: ports.scp })
    const pipeline = new SCPRequestPipeLine(scamp, { channels: 8 })
    const data = randomBytes(seededRandom(6), 64 << 10)
    await writeMemory(pipeline, { address: SDRAM, data })
    expect(await readMemory(pipeline, { address: SDRAM, length: data.length })).toEqual(data)

    using program = await TagProgram.open(ports.scp)
    expect((await program.ask({ tag: 1, port: program.receiver.port, strip: true }))?.result).toBe(Result.OK)
    program.scp.send(sdpToEcho("by the tag"))
    expect(await program.receiver.next()).toMatchObject({ text: "by the tag", from: `127.0.0.1:${ports.scp}` })

    const status = await world.status()
    expect(status.boards).toMatchObject([{ name: "board-a", state: "booted" }])
    expect(status.sessions).toMatchObject([{ user: "alice", reconnects: 0 }])
    expect(status.sessions[0]!.flows).toBeGreaterThan(0)
    const code = await client.stop()
    if (!underWine()) expect(code).toBe(0)
  })

  // What runs in Wine cannot start this machine's programs.
  test.skipIf(underWine())("for one command ends with its code, and the command finds the boards", async () => {
    const ports = await localPorts()
    const local = ["--scp-port", `${ports.scp}`, "--boot-port", `${ports.boot}`]
    const client = ["client", "pi", ...world.dataOf("laptop"), ...local, "--"]
    const info = await run([...client, ...relayCommand(), "info", `127.0.0.1:${ports.scp}`])
    expect(info).toMatchObject({ code: 0, stderr: "" })
    expect(info.stdout).toContain("SC&MP")
    expect((await run([...client, process.execPath, "-e", "process.exit(7)"])).code).toBe(7)
    const missing = await run([...client, "no-such-program"])
    expect(missing.code).toBe(127)
    expect(missing.stderr).toContain("no-such-program")
  })
})

describe("the owner", () => {
  test.if(manyLoopbacks)(
    "adds a board by a reload, which a running client has at once; a wrong file changes nothing",
    async () => {
      const ports = await localPorts()
      await using client = await world.client("laptop", ports)
      await using second = await startBoard(["--booted"])
      const config = join(world.folder, "boards.toml")
      await Bun.write(config, `${boards({ "board-a": world.board })}exclusiv = true\n`)
      const wrong = await run(["reload", ...world.server])
      expect(wrong.code).toBe(1)
      expect(wrong.stderr).toMatch(/boards\.toml:8:1: unknown key "exclusiv": did you mean exclusive\?$/)
      await Bun.write(config, boards({ "board-a": world.board, "board-b": second }))
      const reloaded = await run(["reload", ...world.server])
      expect(reloaded).toMatchObject({ code: 0 })
      const [, address] = await client.waitForLine(/board board-b is at (127\.\d+\.\d+\.\d+)/)
      using program = await Application.open(ports.scp, address)
      program.send(verRequest(1))
      expect(decodeScpReply((await program.next())!)?.result).toBe(Result.OK)
      await Bun.write(config, boards({ "board-a": world.board }))
      expect((await run(["reload", ...world.server])).code).toBe(0)
      await client.waitForLine(/the server has no board-b for you any more: nothing answers at 127\./)
      expect((await world.status()).boards.map(({ name }) => name)).toEqual(["board-a"])
    },
  )

  // Windows has no SIGHUP.
  test.skipIf(underWine() || process.platform === "win32")("has the configuration read again by a SIGHUP", async () => {
    const { serverProcess } = world
    const config = join(world.folder, "boards.toml")
    const names = async () => (await world.status()).boards.map(({ name }) => name)
    await Bun.write(
      config,
      boards({ "board-a": world.board, "board-h": { ...world.board, scp: { ...world.board.scp, host: "127.0.0.9" } } }),
    )
    process.kill(serverProcess.pid, "SIGHUP")
    await serverProcess.waitForLine(/board-h/)
    expect(await names()).toEqual(["board-a", "board-h"])
    await Bun.write(config, "nonsense = 1\n")
    process.kill(serverProcess.pid, "SIGHUP")
    await serverProcess.waitForLine(/boards\.toml:1:1: unknown key "nonsense"/)
    expect(await names()).toEqual(["board-a", "board-h"])
    await Bun.write(config, boards({ "board-a": world.board }))
    expect((await run(["reload", ...world.server])).code).toBe(0)
    expect(await names()).toEqual(["board-a"])
  })

  test("kicks a user, who is told so and comes back", async () => {
    const ports = await localPorts()
    await using client = await world.client("laptop", ports)
    expect(await run(["kick", "alice", ...world.server])).toMatchObject({ code: 0 })
    await client.waitForLine(/lost: kicked by the server's owner/)
    expect(await booted(ports.scp)).toBe("SC&MP")
    expect((await world.status()).sessions).toMatchObject([{ user: "alice" }])
  })

  test("revokes a key: the session ends within a second, its client says so in one line, and nothing passes", async () => {
    const ports = await localPorts()
    await using client = await world.client("laptop", ports)
    using program = await Application.open(ports.scp)
    program.send(verRequest(1))
    expect(await program.next()).toBeDefined()
    const before = client.stderr.length
    const revoked = await run(["revoke", "alice", ...world.server])
    const since = performance.now()
    expect(revoked).toMatchObject({ code: 0 })
    await client.waitForLine(/the key has been revoked/)
    expect(performance.now() - since).toBeLessThan(patient(1_000))
    expect((await world.status()).sessions).toEqual([])
    // Not idempotent: were it to pass, a second answer of the board's would show it.
    program.send(scpRequest({ sequence: 2, command: Command.ALLOC, arg1: 0, arg2: 64 }))
    expect(await program.next(300)).toBeUndefined()
    const said = client.stderr.slice(before)
    expect(said.filter((line) => line.includes("lost: the key has been revoked"))).toHaveLength(1)
    expect(said.join("\n")).not.toMatch(/fault in/)
  })
})
