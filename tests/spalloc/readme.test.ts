/** The example in the README is one that the program takes. */
import { expect, test } from "bun:test"
import { spallocCommand } from "../../src/cli/spalloc.ts"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { readSpallocConfig } from "../../src/spalloc/read-config.ts"

const readme = await Bun.file(new URL("../../README.md", import.meta.url)).text()
const section = /\n## Sharing boards with spalloc\n([\s\S]*?)\n## /.exec(readme)![1]!

test("the README's configuration is right, and its settings are the defaults but for who may connect", () => {
  const example = /```toml\n([\s\S]*?)```/.exec(section)![1]!
  const read = readSpallocConfig(example, "README.md")
  if (!read.ok) throw new Error(read.complaints)
  expect(read.config.settings).toEqual({ ...DEFAULT_SETTINGS, listen: "0.0.0.0", allow: ["192.0.2.0/24"] })
  expect(read.config.machines.map(({ name }) => name)).toEqual(["desk", "rack"])
})

test("the README names every flag of the server", () => {
  const missing = spallocCommand.options.filter(({ name }) => !section.includes(`--${name}`))
  expect(missing.map(({ name }) => name)).toEqual([])
})
