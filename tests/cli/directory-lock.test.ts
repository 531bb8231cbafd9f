import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { lockDirectory } from "../../src/cli/directory-lock.ts"
import { StoreError } from "../../src/relay/secret-store.ts"

const scratch = mkdtempSync(join(tmpdir(), "directory-lock-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const HOLDER = `
import { lockDirectory } from ${JSON.stringify(join(import.meta.dir, "../../src/cli/directory-lock.ts"))}
console.log(lockDirectory(process.argv[1], process.platform) ? "held" : "busy")
setInterval(() => {}, 1000)
`

test("a directory has one owner at a time, and another once that one lets go", () => {
  const directory = join(scratch, "a", "b")
  const first = lockDirectory(directory, "linux")
  expect(first).toBeDefined()
  expect(lockDirectory(directory, "linux")).toBeUndefined()
  expect((statSync(join(directory, "lock")).mode & 0o777).toString(8)).toBe("600")
  first?.release()
  const second = lockDirectory(directory, "linux")
  expect(second).toBeDefined()
  second?.release()
})

test("what a killed process held is free at once", async () => {
  const directory = join(scratch, "killed")
  const holder = Bun.spawn([process.execPath, "-e", HOLDER, directory], { stdout: "pipe", stderr: "inherit" })
  const reader = holder.stdout.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("held\n")
  expect(lockDirectory(directory, "linux")).toBeUndefined()
  holder.kill("SIGKILL")
  await holder.exited
  const lock = lockDirectory(directory, "linux")
  expect(lock).toBeDefined()
  lock?.release()
})

test("a directory that cannot be is told in one line", () => {
  writeFileSync(join(scratch, "file"), "")
  try {
    lockDirectory(join(scratch, "file", "below"), "linux")
    throw new Error("locked")
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError)
    expect((error as Error).message).toMatch(
      /Cannot use the folder .*: a file has that name; choose another with --data\./,
    )
  }
})
