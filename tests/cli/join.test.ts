import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { joinCommand } from "../../src/cli/join.ts"
import { encodeTicket } from "../../src/protocol/ticket.ts"
import { EchoTunnel } from "../support/tunnel.ts"
import { CliRun } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "join-"))
let made = 0
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A server, a ticket to it, and a folder of one's own. */
function invited(hosts: readonly string[] = ["127.0.0.1"]) {
  const tunnel = new EchoTunnel()
  const { id: keyId, secret } = tunnel.keys.add("alice", "ticket")
  const addresses = hosts.map((host) => ({ host, port: tunnel.port }))
  const expiresAt = Math.floor(Date.now() / 1000) + 3600
  const ticket = encodeTicket({ keyId, secret, serverName: "the pi", addresses, expiresAt })
  const data = join(scratch, `${++made}`)
  const run = async (args: readonly string[], stdin = `${ticket}\n`) => {
    const command = new CliRun(joinCommand, ["--data", data, ...args], { stdin })
    const exit = await command.exit
    return { exit, stdout: command.stdout, stderr: command.stderr }
  }
  return { tunnel, ticket, data, run, isGood: () => tunnel.keys.find(keyId)?.state === "valid" }
}

describe("join", () => {
  test("keeps a device's key under the server's name, for its owner only, and the ticket is used", async () => {
    const { tunnel, data, run, isGood, ticket } = invited()
    using _ = tunnel
    const { exit, stdout } = await run([])
    expect([exit, stdout]).toEqual([
      0,
      `Joined the-pi at 127.0.0.1:${tunnel.port}. To use its boards: spinnaker-relay client the-pi\n`,
    ])
    expect(statSync(join(data, "servers.json")).mode & 0o777).toBe(0o600)
    const [server] = JSON.parse(readFileSync(join(data, "servers.json"), "utf8")).servers
    const device = tunnel.keys.find(server.keyId)!
    expect([device.kind, Buffer.from(device.secret).toString("base64")]).toEqual(["device", server.secret])
    expect(ticket).not.toContain(server.secret)
    expect(isGood()).toBe(false)
    const again = await run([])
    expect([again.exit, again.stderr]).toEqual([
      1,
      "spinnaker-relay: Not joined: this ticket has been used: ask for another.\n",
    ])
  })

  test("says nothing of a ticket's addresses that lead nowhere, if another leads to the server", async () => {
    const { tunnel, run } = invited(["no-such-host.invalid", "127.0.0.1"])
    using _ = tunnel
    const { exit, stdout, stderr } = await run([])
    expect([exit, stderr]).toEqual([0, ""])
    expect(stdout).toStartWith(`Joined the-pi at 127.0.0.1:${tunnel.port}.`)
  })

  test.each(["my lab", "-x", "a/b", "x".repeat(64), ""])(
    "--as=%j, which could not be typed again, is a mistake, and the ticket stays good",
    async (name) => {
      const { tunnel, run, isGood } = invited()
      using _ = tunnel
      const { exit, stderr } = await run([`--as=${name}`])
      expect([exit, isGood()]).toEqual([2, true])
      expect(stderr).toContain("--as")
    },
  )

  test("--as a name that is taken is a mistake, and the ticket stays good", async () => {
    const one = invited()
    using _ = one.tunnel
    expect((await one.run(["--as", "lab"])).exit).toBe(0)
    const other = one.tunnel.keys.add("bob", "ticket")
    const { exit, stderr } = await one.run(["--as", "lab"])
    expect([exit, one.tunnel.keys.find(other.id)?.state]).toEqual([2, "valid"])
    expect(stderr).toContain("a server of that name is known already")
  })

  test.skipIf(process.platform !== "linux")("whose key could not be kept leaves the ticket good", async () => {
    const { tunnel, run, isGood } = invited()
    using _ = tunnel
    const { exit, stderr } = await run(["--data", "/proc/self/nowhere"])
    expect([exit, isGood()]).toEqual([1, true])
    expect(stderr).toStartWith("spinnaker-relay: Cannot write /proc/self/nowhere/servers.json: ")
  })

  test("takes no ticket behind the command, and does not repeat it", async () => {
    const { tunnel, run, isGood, ticket } = invited()
    using _ = tunnel
    const { exit, stderr, stdout } = await run([ticket])
    expect([exit, isGood()]).toEqual([2, true])
    expect(stdout + stderr).not.toContain(ticket.slice(6, 40))
  })

  test("says what is wrong with a ticket that is cut or none, and asks nobody", async () => {
    const { tunnel, run, isGood, ticket } = invited()
    using _ = tunnel
    for (const [pasted, words] of [
      [ticket.slice(0, -20), "the ticket is incomplete"],
      ["hello\n", "this is no ticket"],
      ["", "nothing was pasted"],
    ] as const) {
      const { exit, stderr } = await run([], pasted)
      expect([exit, stderr]).toEqual([1, expect.stringContaining(words)])
    }
    expect(isGood()).toBe(true)
  })
})
