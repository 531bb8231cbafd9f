import { expect, test } from "bun:test"
import { nativeTarget } from "../../scripts/lib/compile.ts"
import { TARGETS } from "../../scripts/lib/targets.ts"
import { findRunner } from "../../scripts/smoke/runners.ts"

const SURROUNDINGS = { dist: "dist", folder: "/nonexistent" }

test("findRunner() runs this machine's program as it is", async () => {
  const runner = await findRunner(await nativeTarget(), SURROUNDINGS)
  expect(runner).toMatchObject({ patience: 1, leaveOut: {} })
})

test("findRunner() says of every program that it cannot run why not", async () => {
  for (const target of TARGETS.filter(({ name }) => name !== "windows-x64")) {
    const runner = await findRunner(target, SURROUNDINGS)
    if ("skip" in runner) expect(runner.skip).not.toBe("")
    else expect(runner.command.at(-1)).toContain(target.name)
  }
})
