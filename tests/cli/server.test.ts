import { afterAll, afterEach, expect, mock, spyOn, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as os from "node:os"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { clientCommand } from "../../src/cli/client.ts"
import { inviteCommand } from "../../src/cli/invite.ts"
import { joinCommand } from "../../src/cli/join.ts"
import { serverCommand } from "../../src/cli/server.ts"
import { decodeTicket } from "../../src/protocol/ticket.ts"
import { Leases } from "../../src/relay/leases.ts"
import { until } from "../support/until.ts"
import { CliRun, runCli } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "server-"))
afterEach(() => mock.restore())
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let files = 0

/** A configuration file with a board that can be switched. */
function configFile(more = ""): string {
  const file = join(scratch, `server${++files}.toml`)
  writeFileSync(file, `${more}\n[[boards]]\nname = "a"\naddress = "10.0.0.1"\nbmp = "10.0.0.0"\n`)
  return file
}

test("--check says that a configuration is in order, or where it is not", async () => {
  const file = configFile()
  const right = await runCli(serverCommand, "--config", file, "--check")
  expect(right).toEqual({ exit: 0, stderr: "", stdout: `${file} is in order: a\n` })
  const wrong = configFile("prot = 1")
  const { exit, stderr } = await runCli(serverCommand, "--config", wrong, "--check")
  expect(exit).toBe(1)
  expect(stderr).toBe(`spinnaker-relay: ${wrong}:1:1: unknown key "prot": did you mean port?\n`)
})

test.each([
  [[], "name the board (spinnaker-relay server 192.168.240.1) or a configuration"],
  [["10.0.0.1", "--config", "x.toml"], "give a board or --config, not both: put 10.0.0.1 into x.toml"],
])("%j is told with the usage", async (args, said) => {
  const { exit, stderr } = await runCli(serverCommand, ...args)
  expect(exit).toBe(2)
  expect(stderr).toContain(said)
})

test("the old ports are not opened before a BMP for everybody", async () => {
  const { exit, stderr } = await runCli(serverCommand, "--config", configFile(), "--legacy", "--check")
  expect(exit).toBe(2)
  expect(stderr).toContain("--legacy needs --allow where a board has a bmp")
  for (const args of [
    ["--config", configFile(), "--legacy", "--allow", "192.0.2.0/24"],
    ["--config", configFile('allow = ["192.0.2.0/24"]'), "--legacy"],
    ["--config", configFile()],
  ]) {
    expect(await runCli(serverCommand, ...args, "--check")).toMatchObject({ exit: 0 })
  }
})

/** A server of this process, with a folder of its own. */
async function startServer(...args: string[]) {
  const [port] = (await freePorts(1)) as [number]
  const data = ["--data", mkdtempSync(join(scratch, "data-"))]
  const server = new CliRun(serverCommand, ["127.0.0.1", "--port", `${port}`, ...args, ...data])
  await server.said("listening for its users")
  const stop = async (): Promise<void> => {
    server.stop()
    expect(await server.exit).toBe(0)
  }
  return { port, data, [Symbol.asyncDispose]: stop }
}

test("invite names the host and all local addresses of the server's machine, unless it is told hosts", async () => {
  spyOn(os, "hostname").mockReturnValue("raspberry-7")
  const ipv4 = { netmask: "", mac: "", cidr: null, internal: false, family: "IPv4" } as const
  const ipv6 = { ...ipv4, family: "IPv6", scopeid: 0 } as const
  spyOn(os, "networkInterfaces").mockReturnValue({
    lo: [{ ...ipv4, address: "127.0.0.1", internal: true }],
    eth0: [
      { ...ipv6, address: "2001:db8::7" },
      { ...ipv4, address: "192.0.2.7" },
    ],
    wlan0: [{ ...ipv4, address: "198.51.100.7" }],
  })
  await using server = await startServer()
  const { exit, stdout } = await runCli(inviteCommand, "alice", ...server.data)
  expect(exit).toBe(0)
  const hosts = ["raspberry-7.local", "raspberry-7", "192.0.2.7", "198.51.100.7", "2001:db8::7"]
  const addresses = hosts.map((host) => ({ host, port: server.port }))
  expect(decodeTicket(stdout)).toMatchObject({ ok: true, ticket: { addresses } })
})

test("sessions have ids of 128 random bits", async () => {
  const began = spyOn(Leases.prototype, "sessionBegan")
  await using server = await startServer("--bind", "127.0.0.1")
  const { stdout } = await runCli(inviteCommand, "alice", ...server.data)
  const joined = new CliRun(joinCommand, ["--as", "pi", ...server.data], { stdin: stdout })
  expect(await joined.exit).toBe(0)
  const sessions = 4
  for (let session = 1; session <= sessions; session++) {
    const [scp, boot] = (await freePorts(2)) as [number, number]
    const client = new CliRun(clientCommand, ["pi", "--scp-port", `${scp}`, "--boot-port", `${boot}`, ...server.data])
    await until(() => began.mock.calls.length === session, "the session")
    client.stop()
    await client.exit
  }
  const ids = began.mock.calls.map(([, id]) => id)
  expect(new Set(ids).size).toBe(sessions)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32,}$/)
  // A counter, the time or the process's number would stand still in some places.
  const still = Array.from(ids[0]!).filter((digit, at) => ids.every((id) => id[at] === digit))
  expect(still.length).toBeLessThan(4)
})
