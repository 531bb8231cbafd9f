import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AddressFile } from "../../src/cli/address-file.ts"
import { stateDirectory } from "../../src/cli/state-directory.ts"

const made: string[] = []
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true })
})

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "addresses-"))
  made.push(path)
  return path
}

const BOOK = { "pi.example:17894": { "192.0.2.9": "127.0.0.2" } }

describe("AddressFile", () => {
  test("gives back what was saved, and makes its directory", () => {
    const path = join(directory(), "a", "b")
    expect(new AddressFile(path).load()).toEqual({})
    new AddressFile(path).save(BOOK)
    expect(new AddressFile(path).load()).toEqual(BOOK)
    expect(readdirSync(path)).toEqual(["addresses.json"])
  })

  test("does without a file that is damaged, huge or another program's", () => {
    const path = directory()
    for (const content of ["", "{", "[]", "null", '{"pi":{"a":"127.0.0.2"}', " ".repeat(1 << 19)]) {
      writeFileSync(join(path, "addresses.json"), content)
      expect(new AddressFile(path).load()).toEqual({})
    }
  })

  test("does without a place to write to", () => {
    const path = join(directory(), "file")
    writeFileSync(path, "")
    for (const nowhere of [undefined, path]) {
      new AddressFile(nowhere).save(BOOK)
      expect(new AddressFile(nowhere).load()).toEqual({})
    }
  })
})

describe("stateDirectory()", () => {
  test.each([
    ["linux", { HOME: "/home/u" }, "/home/u/.local/state/spinnaker-relay"],
    ["linux", { HOME: "/home/u", XDG_STATE_HOME: "/state" }, "/state/spinnaker-relay"],
    ["linux", { HOME: "/home/u", XDG_STATE_HOME: "relative" }, "/home/u/.local/state/spinnaker-relay"],
    ["linux", { STATE_DIRECTORY: "/var/lib/x:/var/lib/y" }, "/var/lib/x"],
    ["linux", {}, undefined],
    ["darwin", { HOME: "/Users/u" }, "/Users/u/Library/Application Support/spinnaker-relay"],
    ["win32", { LOCALAPPDATA: "C:\\Users\\u\\AppData\\Local" }, "C:\\Users\\u\\AppData\\Local\\spinnaker-relay"],
    ["win32", { HOME: "/home/u" }, undefined],
  ] as const)("on %s with %j is %s", (platform, env, expected) => {
    expect(stateDirectory(platform, env)).toBe(expected as string | undefined)
  })
})
