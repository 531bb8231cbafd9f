import { expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { spallocCommand } from "../../src/cli/spalloc.ts"
import { LineClient } from "../support/spalloc-server.ts"
import { deadPort } from "../support/udp.ts"
import { until } from "../support/until.ts"
import { CliRun } from "./run-cli.ts"

test("a BMP that is silent at the start is a warning that names it, and the server serves", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spalloc-start-"))
  const file = join(folder, "lab.toml")
  const bmp = `127.0.0.1:${await deadPort()}`
  writeFileSync(file, `[[machine]]\nname = "desk"\nsingle-board = { bmp = "${bmp}", host = "192.0.2.1" }\n`)
  const run = new CliRun(spallocCommand, ["--config", file, "--state", ":memory:", "--port", "0"])
  try {
    await until(() => run.stdout.includes("\n"), "the address")
    await run.said(`BMP ${bmp} does not answer`)
    const line = run.stderr.split("\n").find((one) => one.includes(bmp))
    expect(line).toMatch(/\bwarn\b/i)
    const { spalloc } = JSON.parse(run.stdout) as { spalloc: string }
    expect(spalloc).toStartWith("127.0.0.1:")
    const client = await LineClient.connect(Number(spalloc.split(":").at(-1)))
    expect(await client.ask("list_machines")).toMatchObject({ return: [{ name: "desk" }] })
  } finally {
    run.stop()
    await run.exit
    rmSync(folder, { recursive: true, force: true })
  }
})
