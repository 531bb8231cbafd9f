import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CliError } from "../../src/cli/command.ts"
import { ownKeys, tryOwnKeys } from "../../src/cli/own-keys.ts"
import { FakeClock } from "../support/fake-clock.ts"

const scratch = mkdtempSync(join(tmpdir(), "own-keys-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const directory = { path: scratch, keysFile: join(scratch, "keys.json"), serversFile: "", controlAddress: "" }

/** Lets what is waited for happen, and time pass. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    await new Promise((done) => setImmediate(done))
    clock.advance(50)
  }
}

test("keys that a command owns for a moment are waited for, and keys of a server are not", async () => {
  const clock = new FakeClock()
  const first = tryOwnKeys(directory)
  expect(first).toBeDefined()
  expect(tryOwnKeys(directory)).toBeUndefined()

  const refused = ownKeys(directory, clock).catch((error: unknown) => error)
  await pass(clock, 4000)
  expect(await refused).toBeInstanceOf(CliError)
  expect(String(await refused)).toContain(`A server runs already with the folder ${scratch}: end it first`)

  const waiting = ownKeys(directory, clock)
  await pass(clock, 1000)
  first?.release()
  await pass(clock, 100)
  const second = await waiting
  second.keys.invite("alice", "all", 60_000)
  second.release()
  const third = tryOwnKeys(directory)
  expect(third?.keys.list().map(({ user }) => user)).toEqual(["alice"])
  third?.release()
})
