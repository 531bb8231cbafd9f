import { expect, test } from "bun:test"
import { join, resolve } from "node:path"
import type { CommandIo, Parsed } from "../../src/cli/command.ts"
import { spallocState } from "../../src/cli/spalloc-state.ts"

const stateOf = (given: string | undefined, env: CommandIo["env"]) =>
  spallocState({ value: () => given } as unknown as Parsed, { env } as CommandIo)

test.if(process.platform === "linux")("jobs are remembered in the program's directory among the user's states", () => {
  expect(stateOf(undefined, { HOME: "/home/me" })).toBe("/home/me/.local/state/spinnaker-relay/spalloc.sqlite")
  expect(stateOf(undefined, { HOME: "/home/me", STATE_DIRECTORY: "/var/lib/lab" })).toBe("/var/lib/lab/spalloc.sqlite")
})

test("jobs are remembered where --state says, and without a home it has to", () => {
  expect(stateOf(join("here", "jobs.db"), {})).toBe(resolve("here", "jobs.db"))
  expect(stateOf(":memory:", {})).toBe(":memory:")
  expect(() => stateOf(undefined, {})).toThrow("give --state PATH")
})
