import { expect, test } from "bun:test"
import { DEFAULT_SETTINGS, type ServerSettings } from "../../src/spalloc/config.ts"
import { readTomlConfig } from "../../src/spalloc/toml-config.ts"

function settingsOf(text: string): ServerSettings {
  const read = readTomlConfig(text)
  if (!read.ok) throw new Error(JSON.stringify(read))
  return read.value.settings
}

test("a server listens on this computer only where the file says nothing", () => {
  expect(settingsOf("").listen).toBe("127.0.0.1")
})

test.each<[string, Partial<ServerSettings>]>([
  ['listen = "192.0.2.9"', { listen: "192.0.2.9" }],
  ["port = 22250", { port: 22250 }],
  ["max-jobs = 7", { maxJobs: 7 }],
  ["max-jobs-per-host = 6", { maxJobsPerHost: 6 }],
  ["max-connections-per-host = 5", { maxConnectionsPerHost: 5 }],
  ["owner-only = true", { ownerOnly: true }],
  ['version = "5.0.0"', { version: "5.0.0" }],
  ["timeout-check-interval = 2.5", { timeoutCheckIntervalS: 2.5 }],
  ["max-retired-jobs = 4", { maxRetiredJobs: 4 }],
  ["seconds-before-free = 1.5", { secondsBeforeFree: 1.5 }],
])("%s changes that setting and no other", (line, changed) => {
  expect(settingsOf(`[server]\n${line}\n`)).toEqual({ ...DEFAULT_SETTINGS, ...changed })
})
