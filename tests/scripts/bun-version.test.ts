import { expect, test } from "bun:test"
import { join } from "node:path"
import packageJson from "../../package.json"
import { bunVersionProblem } from "../../scripts/lib/bun-version.ts"
import { ROOT } from "../../scripts/lib/relay-command.ts"

test("bunVersionProblem() is silent about this Bun and newer ones", () => {
  expect(bunVersionProblem(Bun.version, "check")).toBeUndefined()
  expect(bunVersionProblem("1.5.0", "check")).toBeUndefined()
})

test("bunVersionProblem() says why an older one will not do, and what to run", () => {
  expect(bunVersionProblem("1.4.4", "demo")).toContain("needs >=1.4.5")
  expect(bunVersionProblem("1.4.4", "demo")).toContain("npx --yes bun@1.4.5 run demo")
})

test(".ci/run calls the check with the Bun that package.json names", async () => {
  const script = await Bun.file(join(ROOT, ".ci", "run")).text()
  expect(script).toContain(`npx --yes ${packageJson.packageManager} run check\n`)
})

test("the types are those of the Bun that package.json names", () => {
  expect(`bun@${packageJson.devDependencies["bun-types"]}`).toBe(packageJson.packageManager)
})
