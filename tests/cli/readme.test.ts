/** The README's list of commands and its table of messages are those of the program. */
import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { Glob } from "bun"
import type { OptionSpec } from "../../src/cli/command.ts"
import { commands } from "../../src/cli/commands.ts"
import { DATA_OPTION } from "../../src/cli/data-directory.ts"
import { LOG_OPTIONS } from "../../src/cli/log-options.ts"
import { readmeBlock, readmeSection } from "../support/readme.ts"

const LIST = "Every command and every flag"
/** Told once, for all that have them. */
const SHARED = new Set([DATA_OPTION, ...LOG_OPTIONS].map(({ name }) => name))
/** Sections of their own. */
const SECTIONS = { spalloc: "Sharing boards with spalloc", lucidac: "LUCIDAC and REDAC analog computers" }

/** The lines about each command: one that begins at the margin, and what is indented below. */
function entries(): Map<string, string> {
  const found = new Map<string, string>()
  let names: string[] = []
  for (const line of readmeBlock(LIST).split("\n")) {
    if (/^\S/.test(line)) names = [...line.matchAll(/^-s|^[a-z]+/g)].map(([name]) => name)
    for (const name of names) found.set(name, `${found.get(name) ?? ""}${line}\n`)
  }
  // One list for both, as they have the same flags.
  found.set("read", `${found.get("read")}${found.get("write")}`)
  return found
}

/** How a flag, its value and its default stand in the list. */
function isTold(entry: string, { name, value, default: usual, short }: OptionSpec): boolean {
  const flag = new RegExp(`${short ? `-${short}, ` : ""}--${name}(?![\\w-])(.*)`).exec(entry)
  if (!flag) return false
  // "--drop P, --duplicate P": two in one line.
  const line = entry.split("\n").find((each) => each.includes(flag[0]))!
  if (value !== undefined && !flag[1]!.startsWith(` ${value.includes("|") ? "TYPE" : value}`)) return false
  return usual === undefined || name.endsWith("-port") || line.endsWith(`(${usual})`)
}

describe("the README's list of commands", () => {
  const told = entries()
  const own = commands.filter(({ name }) => !Object.keys(SECTIONS).some((other) => name.startsWith(other)))

  test.each(own.map((command) => [command.name || "-s", command] as const))(
    "has %s with all flags",
    (name, command) => {
      const entry = told.get(name) ?? ""
      expect(entry).not.toBe("")
      const missing = command.options.filter((option) => !SHARED.has(option.name) && !isTold(entry, option))
      expect(missing.map((option) => `--${option.name}`)).toEqual([])
    },
  )

  test("has no flag that no longer exists", () => {
    const known = new Set(commands.flatMap(({ options }) => options.map((option) => option.name)))
    const named = [...readmeSection(LIST).matchAll(/--([a-z][a-z-]+)/g)].map((match) => match[1]!)
    const common = ["help", "version", "option"]
    expect([...new Set(named)].filter((name) => !known.has(name) && !common.includes(name))).toEqual([])
  })

  test.each(Object.entries(SECTIONS))("leaves %s to a section that names it", (name, title) => {
    expect(readmeSection(title)).toContain(`spinnaker-relay ${name}`)
  })

  test("lucidac's section tells of each of its flags, its value and its default, and of no other", () => {
    const lines = readmeSection(SECTIONS.lucidac).split("\n")
    const rows = lines.filter((line) => /^\| `--?\w/.test(line)).map((line) => line.replaceAll("\\|", "/"))
    const { options } = commands.find(({ name }) => name === "lucidac")!
    const missing = options.filter(({ name, short, value, default: usual }) => {
      const flag = new RegExp(
        `\`${short ? `-${short}\`, \`` : ""}--${name}${value ? `(?: ${value.replaceAll("|", "/")})` : ""}\``,
      )
      const row = rows.find((each) => flag.test(each.split(" | ")[0]!))
      if (LOG_OPTIONS.some((shared) => shared.name === name))
        return !rows.at(-1)!.includes(short ? `\`-${short}\`` : `--${name}`)
      return row === undefined || (usual !== undefined && row.split(" | ")[1]!.replaceAll("`", "") !== usual)
    })
    expect(missing.map(({ name }) => `--${name}`)).toEqual([])
    const told = rows.flatMap((row) => [...row.split(" | ")[0]!.matchAll(/--([a-z][a-z-]+)/g)].map(([, name]) => name!))
    expect(told.filter((name) => !options.some((option) => option.name === name))).toEqual([])
  })

  test("says what is shared", () => {
    for (const name of SHARED) expect(readmeSection(LIST).split("```")[0]).toContain(`--${name}`)
  })
})

describe("the README's messages", async () => {
  /** All that the program can say, with the joints between pieces of a text taken out. */
  const sources = join(import.meta.dir, "../../src")
  const files = [...new Glob("**/*.ts").scanSync({ cwd: sources, absolute: true })]
  const texts = await Promise.all(files.map((file) => Bun.file(file).text()))
  const source = texts.join("\n").replace(/["`] \+\s+["`]/g, "")
  const rows = readmeSection("When something is wrong").split("\n")
  const first = rows.filter((row) => row.startsWith("| ")).map((row) => row.split(" | ")[0]!)
  const messages = first.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!))

  test.each(messages)("%s is one of the program's", (message) => {
    // Between the pieces stand names, numbers and what is left out; a colon may join two texts.
    const pieces = message.split(/\.\.\.|: |datagrams |\b[A-Z]{4,}\b|\b[ABN]\b|\S*\d[\d.:]*|[()]/)
    const words = pieces
      .map((piece) => piece.replace(/^['s]* |[ :,;]+$/g, "").trim())
      .filter((piece) => piece.length > 3)
    expect(words.length).toBeGreaterThan(0)
    expect(words.filter((piece) => !source.includes(piece))).toEqual([])
  })
})
