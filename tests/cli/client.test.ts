import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { clientCommand } from "../../src/cli/client.ts"
import { SecretFile, secretFiles } from "../../src/cli/secret-file.ts"
import { KnownServers } from "../../src/relay/known-servers.ts"
import { SafeChain } from "../support/safe-chain.ts"
import { CliRun, runCli } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "client-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Options for a client that has joined `chain` as "pi", on free ports. */
async function joined(chain: SafeChain): Promise<string[]> {
  const { id, secret } = chain.key("alice")
  const address = { host: "127.0.0.1", port: chain.server.port }
  const servers = KnownServers.open(new SecretFile(secretFiles.servers(scratch), process.platform))
  servers.put({ name: "pi", addresses: [address], keyId: id, secret })
  const [scp, boot] = await freePorts(2)
  return ["pi", "--data", scratch, "--scp-port", `${scp}`, "--boot-port", `${boot}`]
}

test("a client has the first board at the address that it is told, so that a second server's has room", async () => {
  await using chain = await SafeChain.start()
  const client = new CliRun(clientCommand, [...(await joined(chain)), "--bind", "127.0.0.5"])
  await client.said("board board-a is at 127.0.0.5")
  client.stop()
  expect(await client.exit).toBe(0)
})

test("a client says what to type for a board whose type its owner has told", async () => {
  await using chain = await SafeChain.start()
  const { config } = chain.server
  chain.server.reconfigure({ ...config, boards: config.boards.map((board) => ({ ...board, type: "spin5" })) })
  const client = new CliRun(clientCommand, await joined(chain))
  await client.said("is at 127.0.0.1: rig-boot 127.0.0.1 --spin5; ")
  await client.said("machine_name = 127.0.0.1, version = 5\n")
  client.stop()
  expect(await client.exit).toBe(0)
})

test.each(["192.0.2.1", "0.0.0.0", "::1", "somewhere"])(
  "a client offers boards to this machine only, not at %s",
  async (address) => {
    await using chain = await SafeChain.start()
    const { exit, stderr } = await runCli(clientCommand, ...(await joined(chain)), "--bind", address)
    expect(exit).toBe(2)
    expect(stderr).toContain(`--bind "${address}": expected an address such as 127.0.0.2, which only this machine has`)
  },
)

test("a server that nobody has joined is told of with those that are known", async () => {
  const data = join(scratch, "empty")
  expect((await runCli(clientCommand, "pi", "--data", data)).stderr).toBe(
    "spinnaker-relay: No server is known here: ask its owner for a ticket (spinnaker-relay invite) and type spinnaker-relay join.\n",
  )
  await using chain = await SafeChain.start()
  await joined(chain)
  const { exit, stderr } = await runCli(clientCommand, "lab", "--data", scratch)
  expect(exit).toBe(1)
  expect(stderr).toContain('No server called "lab" is known here, only pi')
})
