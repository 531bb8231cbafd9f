import { afterAll, afterEach, beforeAll, describe, expect, mock, spyOn, test } from "bun:test"
import * as fs from "node:fs"
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MAX_SECRET_FILE_BYTES, SecretFile, shellQuoted } from "../../src/cli/secret-file.ts"
import { StoreError } from "../../src/relay/secret-store.ts"

let scratch = ""
let made = 0
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "secret-file-"))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const folder = (): string => join(scratch, `${++made}`)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

/** The message of the StoreError that `run` throws. */
function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof StoreError) return error.message
    throw error
  }
  throw new Error("not refused")
}

describe("a secret file", () => {
  test("comes back as it was saved, for its owner only, in a folder for its owner only", () => {
    const file = join(folder(), "a", "b", "keys.json")
    const store = new SecretFile(file, "linux")
    expect(store.load()).toBeUndefined()
    store.save("one")
    store.save("twö")
    expect(store.load()).toBe("twö")
    expect(modeOf(file)).toBe("600")
    expect(modeOf(join(file, ".."))).toBe("700")
    expect(readdirSync(join(file, ".."))).toEqual(["keys.json"])
  })

  test.each([0o644, 0o640, 0o660, 0o604])("of mode %o is refused with the command that mends it", (mode) => {
    const directory = folder()
    mkdirSync(directory)
    const file = join(directory, "my keys.json")
    writeFileSync(file, "secret")
    chmodSync(file, mode)
    const message = refusal(() => new SecretFile(file, "linux").load())
    expect(message).toContain(`others may read it (mode ${mode.toString(8)})`)
    const command = /run (chmod 600 .*)$/.exec(message)![1]!
    expect(Bun.spawnSync(["sh", "-c", command]).exitCode).toBe(0)
    expect(new SecretFile(file, "linux").load()).toBe("secret")
  })

  test("is read whatever its mode on Windows, where modes say nothing", () => {
    const directory = folder()
    mkdirSync(directory)
    const file = join(directory, "keys.json")
    writeFileSync(file, "secret", { mode: 0o666 })
    chmodSync(file, 0o666)
    expect(new SecretFile(file, "win32").load()).toBe("secret")
  })

  test("in a folder that others may write to takes the folder from them", () => {
    const directory = folder()
    mkdirSync(directory)
    chmodSync(directory, 0o777)
    new SecretFile(join(directory, "keys.json"), "linux").save("x")
    expect(modeOf(directory)).toBe("700")
  })

  test("in a folder that is everybody's, as /tmp, is refused, and the folder stays everybody's", () => {
    const directory = folder()
    mkdirSync(directory)
    chmodSync(directory, 0o1777)
    const message = refusal(() => new SecretFile(join(directory, "keys.json"), "linux").save("x"))
    expect(message).toEndWith("that folder is shared by all users; name one of its own with --data.")
    expect(modeOf(directory)).toBe("777")
  })

  test("is not read where it is far too long", () => {
    const directory = folder()
    const file = join(directory, "keys.json")
    const store = new SecretFile(file, "linux")
    store.save("x".repeat(MAX_SECRET_FILE_BYTES + 1))
    expect(refusal(() => store.load())).toContain("is none of this program's files")
  })

  test("that cannot be written leaves what was there, and nothing beside it", () => {
    const directory = folder()
    const file = join(directory, "keys.json")
    // A folder cannot be replaced by a file.
    mkdirSync(file, { recursive: true })
    expect(refusal(() => new SecretFile(file, "linux").save("x"))).toContain("a folder has that name")
    expect(readdirSync(directory)).toEqual(["keys.json"])
    writeFileSync(join(directory, "plain"), "")
    expect(refusal(() => new SecretFile(join(directory, "plain", "keys.json"), "linux").save("x"))).toContain(
      "a file stands where a folder should be",
    )
  })

  test.skipIf(process.getuid?.() !== 0)("that root writes in the folder of another user is that user's", () => {
    const directory = folder()
    mkdirSync(directory)
    chownSync(directory, 65_534, 65_534)
    const file = join(directory, "keys.json")
    new SecretFile(file, "linux").save("x")
    expect(statSync(file)).toMatchObject({ uid: 65_534, gid: 65_534 })
  })

  test("replaces what a killed process left of its draft", () => {
    const directory = folder()
    mkdirSync(directory)
    const file = join(directory, "keys.json")
    writeFileSync(`${file}.${process.pid}.new`, "half", { mode: 0o644 })
    new SecretFile(file, "linux").save("whole")
    expect(readFileSync(file, "utf8")).toBe("whole")
    expect(modeOf(file)).toBe("600")
  })
})

test.each([
  ["/home/pi/keys.json", "/home/pi/keys.json"],
  ["/home/a b/keys.json", "'/home/a b/keys.json'"],
  ["/it's/$x", "'/it'\\''s/$x'"],
])("%s is %s to a shell", (path, quoted) => {
  expect(shellQuoted(path)).toBe(quoted)
  expect(Bun.spawnSync(["sh", "-c", `printf %s ${quoted}`]).stdout.toString()).toBe(path)
})

describe("a save that ends halfway", () => {
  afterEach(() => mock.restore())

  test.each(["writeFileSync", "fsyncSync", "renameSync"] as const)(
    "in %s leaves the old file whole, and no draft beside it",
    (step) => {
      const directory = folder()
      const file = join(directory, "keys.json")
      const store = new SecretFile(file, "linux")
      store.save("the old keys")
      const full = Object.assign(new Error("no space left"), { code: "ENOSPC" })
      const write = fs.writeFileSync
      spyOn(fs, step).mockImplementation((to: unknown, text?: unknown) => {
        // Half of it has come to the disk.
        if (step === "writeFileSync") write(to as number, String(text).slice(0, 4))
        throw full
      })
      expect(refusal(() => store.save("the new keys"))).toContain("the disk is full")
      mock.restore()
      expect(store.load()).toBe("the old keys")
      expect(readdirSync(directory)).toEqual(["keys.json"])
    },
  )

  // Windows replaces no file that somebody has open.
  test.skipIf(process.platform === "win32")(
    "is seen by nobody: a save replaces the file, and who has the old one open reads it whole",
    () => {
      const file = join(folder(), "keys.json")
      const store = new SecretFile(file, "linux")
      store.save("the old keys")
      const reader = openSync(file, "r")
      store.save("new")
      expect(readFileSync(reader, "utf8")).toBe("the old keys")
      closeSync(reader)
      expect(store.load()).toBe("new")
    },
  )
})
