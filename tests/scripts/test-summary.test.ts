import { expect, test } from "bun:test"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { closingLine, isTestFile, judgeTestRun, parseTestSummary } from "../../scripts/lib/test-summary.ts"

const ALL_SORTS = `
t/b.test.ts:
 99 pass
(fail) bad [0.22ms]

 2 pass
 1 skip
 1 todo
 4 fail
 1 error
 2 expect() calls
Ran 8 tests across 4 files. [9.00ms]
`

test("parseTestSummary() takes the counts from the closing lines only", () => {
  const summary = parseTestSummary(ALL_SORTS)
  expect(summary).toEqual({ pass: 2, fail: 4, errors: 1, skip: 2, tests: 8, files: 4 })
})

test("parseTestSummary() reads through colours and singulars", () => {
  const coloured =
    "\x1b[0m\x1b[32m 1 pass\x1b[0m\n\x1b[0m\x1b[2m 0 fail\x1b[0m\nRan 1 test across 1 file. \x1b[2m[2ms]\x1b[0m"
  expect(parseTestSummary(coloured)).toEqual({ pass: 1, fail: 0, errors: 0, skip: 0, tests: 1, files: 1 })
})

test("parseTestSummary() prefers the last summary to one that a test printed", () => {
  const twice = ` 7 pass\n 0 fail\nRan 7 tests across 7 files. [1ms]\n\n 1 pass\n 1 fail\nRan 2 tests across 2 files. [1ms]\n`
  expect(parseTestSummary(twice)).toMatchObject({ pass: 1, fail: 1, files: 2 })
})

test("judgeTestRun() counts errors as failures", () => {
  const verdict = judgeTestRun({ summary: parseTestSummary(ALL_SORTS), exitCode: 1, filesOnDisk: 4 })
  expect(verdict).toEqual({ passed: 2, failed: 5, skipped: 2, problems: [] })
  expect(closingLine(verdict)).toBe("2 passed, 5 failed, 2 skipped")
})

const good = { pass: 3, fail: 0, errors: 0, skip: 0, tests: 3, files: 2 }

test("judgeTestRun() believes a good run", () => {
  const verdict = judgeTestRun({ summary: good, exitCode: 0, filesOnDisk: 2 })
  expect(closingLine(verdict)).toBe("3 passed, 0 failed")
})

test.each([
  ["without a summary", { summary: undefined, exitCode: 0, filesOnDisk: 1 }, "without its summary"],
  ["that left out a file", { summary: good, exitCode: 0, filesOnDisk: 3 }, "ran 2 files, but there are 3"],
  ["of no tests", { summary: { ...good, pass: 0, tests: 0 }, exitCode: 0, filesOnDisk: 2 }, "ran no test"],
  ["of skipped tests only", { summary: { ...good, pass: 0, skip: 3 }, exitCode: 0, filesOnDisk: 2 }, "ran no test"],
  ["that ended non-zero for no reason", { summary: good, exitCode: 9, filesOnDisk: 2 }, "exit code 9"],
])("judgeTestRun() fails a run %s", (_, run, problem) => {
  const verdict = judgeTestRun(run)
  expect(verdict.failed).toBe(1)
  expect(verdict.problems.join()).toContain(problem)
})

test("isTestFile() knows test files as Bun does", () => {
  expect(["a.test.ts", "x/b_spec.mjs", "c.spec.tsx"].every(isTestFile)).toBe(true)
  expect(["test.ts", "a.tests.ts", "a.test.json", "node_modules/a.test.ts", "x/dist/a.test.ts"].some(isTestFile)).toBe(
    false,
  )
})

test("a real run whose test calls process.exit(0) is failed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "relay-check-"))
  try {
    await writeFile(join(folder, "fine.test.ts"), 'import { test } from "bun:test"; test("fine", () => {})')
    await writeFile(
      join(folder, "exit.test.ts"),
      'import { test } from "bun:test"; test("exit", () => process.exit(0))',
    )
    const run = Bun.spawn([process.execPath, "test", "--parallel"], { cwd: folder, stdout: "ignore", stderr: "pipe" })
    const summary = parseTestSummary(await run.stderr.text())
    const verdict = judgeTestRun({ summary, exitCode: await run.exited, filesOnDisk: 2 })
    expect(verdict.failed).toBeGreaterThan(0)
  } finally {
    await rm(folder, { recursive: true })
  }
})
