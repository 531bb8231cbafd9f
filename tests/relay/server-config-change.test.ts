import { expect, test } from "bun:test"
import type { ServerConfig } from "../../src/relay/server-config.ts"
import { compareServerConfigs, describeChange } from "../../src/relay/server-config-change.ts"
import { readServerConfig } from "../../src/relay/server-config-file.ts"

function config(toml: string): ServerConfig {
  const result = readServerConfig(toml)
  if (!result.ok) throw new Error(JSON.stringify(result.complaints))
  return result.value
}

const A = '[[boards]]\nname = "a"\naddress = "10.0.0.1"\n'
const B = '[[boards]]\nname = "b"\naddress = "10.0.0.2"\n'
const C = '[[boards]]\nname = "c"\naddress = "10.0.0.3"\n'

test("the same configuration, however it is written, is unchanged", () => {
  const other = config(`port = 17896\n[leases]\nexclusive = false\n${B}scp-port = 17893\n${A}`)
  const change = compareServerConfigs(config(A + B), other)
  expect(describeChange(change)).toEqual([])
})

test("boards that came, went, moved or are shared out otherwise are told apart", () => {
  const after = `${B.replace("10.0.0.2", "10.0.0.9")}${C}exclusive = true\n[[boards]]\nname = "d"\naddress = "d"\n`
  const change = compareServerConfigs(config(A + B + C), config(after))
  expect(change.added.map(({ name }) => name)).toEqual(["d"])
  expect(change.removed.map(({ name }) => name)).toEqual(["a"])
  expect(change.changed.map(({ after: { name }, moved }) => [name, moved])).toEqual([
    ["b", true],
    ["c", false],
  ])
  expect(describeChange(change)).toEqual(["d added (d)", "a removed", "b is at 10.0.0.9 now", "c changed"])
})

test("what is not of a board is told by its key, and what takes a restart as such", () => {
  const after = config(`name = "x"\nport = 1\nlisten = ["::1"]\nallow = ["::1"]\n[limits]\nresume = 9\n${A}`)
  const change = compareServerConfigs(config(A), after)
  expect(change).toMatchObject({ limits: true, allow: true, name: true, restart: ["listen", "port"] })
  expect(describeChange(change)).toEqual([
    "limits changed",
    "allow changed",
    "name changed",
    "listen changed: that takes a restart of the server",
    "port changed: that takes a restart of the server",
  ])
})

test("a default in [leases] changes the boards that follow it", () => {
  const change = compareServerConfigs(config(A + B), config(`[leases]\nexclusive = true\n${A}${B}exclusive = false\n`))
  expect(describeChange(change)).toEqual(["a changed"])
})

test("limits that are built into what runs take a restart, the others do not", () => {
  const limits = "flows = 9\nidle-timeout = 9\ntag-buffer-mib = 9\n"
  expect(describeChange(compareServerConfigs(config(A), config(`[limits]\n${limits}${A}`)))).toEqual([
    "flows changed: that takes a restart of the server",
    "idle-timeout changed: that takes a restart of the server",
    "tag-buffer-mib changed: that takes a restart of the server",
  ])
  const live = "sessions-per-key = 9\nresume = 9\n"
  expect(describeChange(compareServerConfigs(config(A), config(`[limits]\n${live}${A}`)))).toEqual(["limits changed"])
})

test("the old ports keep whom they let in until a restart", () => {
  const change = compareServerConfigs(config(A), config(`allow = ["::1"]\n${A}`))
  expect(describeChange(change, { legacy: true })).toEqual([
    "allow changed",
    "allow of the old ports (--legacy) changed: that takes a restart of the server",
  ])
})
