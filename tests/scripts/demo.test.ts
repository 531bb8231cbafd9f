import { expect, test } from "bun:test"
import { join } from "node:path"
import { startChild } from "../../scripts/lib/child.ts"
import { ROOT } from "../../scripts/lib/relay-command.ts"

const demo = [process.execPath, join(ROOT, "scripts", "demo.ts")]

test("the demo boots a board through client and server, and ends well", async () => {
  await using child = startChild(demo)
  const code = await child.exited
  expect({ code, last: child.stdout.at(-1) }).toEqual({ code: 0, last: expect.stringContaining("All well") })
}, 60_000)

test("the demo says why it failed and ends with 1", async () => {
  await using child = startChild(demo, {
    env: { SPINNAKER_RELAY_BINARY: JSON.stringify([process.execPath, "-e", "process.exit(7)"]) },
  })
  const code = await child.exited
  expect({ code, last: child.stdout.at(-1) }).toEqual({ code: 1, last: expect.stringContaining("ended with") })
}, 60_000)
