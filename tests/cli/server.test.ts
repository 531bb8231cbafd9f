import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { serverCommand } from "../../src/cli/server.ts"
import { runCli } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "server-"))
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
