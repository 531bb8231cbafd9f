/** What Bun's test runner says at its end, and whether to believe it. Pure: text and numbers in, a verdict out. */

/** The closing lines of `bun test` as numbers. */
export interface TestSummary {
  readonly pass: number
  readonly fail: number
  /** Errors outside any test, such as a file that throws while it loads. */
  readonly errors: number
  /** Skipped and to-do. */
  readonly skip: number
  readonly tests: number
  readonly files: number
}

/** A run as `N passed, N failed, N skipped`; `problems` are sentences for the ones that are not a test's own. */
export interface Verdict {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly problems: readonly string[]
}

/** The summary at the end of `output`; undefined where the run ended without one. Colours do not matter. */
export function parseTestSummary(output: string): TestSummary | undefined {
  const lines = Bun.stripANSI(output).split(/\r?\n/)
  // The last one: a test may print such a line of its own, but not after the runner's.
  const end = lines.findLastIndex((line) => /^Ran \d+ tests? across \d+ files?\./.test(line))
  if (end < 0) return undefined
  const [tests = 0, files = 0] = lines[end]!.match(/\d+/g)!.map(Number)
  const counts = new Map<string, number>()
  for (let i = end - 1; i >= 0; i--) {
    const match = lines[i]!.match(/^\s*(\d+) (\S+)/)
    if (!match) break
    counts.set(match[2]!, Number(match[1]))
  }
  const count = (...names: string[]): number => names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0)
  return {
    pass: count("pass"),
    fail: count("fail"),
    errors: count("error", "errors"),
    skip: count("skip", "todo"),
    tests,
    files,
  }
}

/**
 * What a run is worth whose output ends in `summary`. A run that lost its summary, or files, or ended non-zero with
 * nothing to show for it counts as failed: a test that calls process.exit(0) must not turn it green.
 */
export function judgeTestRun(run: {
  readonly summary: TestSummary | undefined
  readonly exitCode: number
  readonly filesOnDisk: number
}): Verdict {
  const { summary, exitCode, filesOnDisk } = run
  if (!summary) {
    const problem = `bun test ended with exit code ${exitCode} and without its summary: a test may have ended the process`
    return { passed: 0, failed: 1, skipped: 0, problems: [problem] }
  }
  const problems: string[] = []
  if (summary.pass + summary.fail + summary.errors === 0) problems.push("bun test ran no test")
  if (summary.files < filesOnDisk) {
    problems.push(`bun test ran ${summary.files} files, but there are ${filesOnDisk} test files`)
  }
  const failed = summary.fail + summary.errors
  if (exitCode !== 0 && failed === 0) problems.push(`bun test ended with exit code ${exitCode} though no test failed`)
  return { passed: summary.pass, failed: failed + problems.length, skipped: summary.skip, problems }
}

/** The line that continuous integration reads: `12 passed, 0 failed`, and `, 3 skipped` if any were. */
export function closingLine(verdict: Pick<Verdict, "passed" | "failed" | "skipped">): string {
  const skipped = verdict.skipped > 0 ? `, ${verdict.skipped} skipped` : ""
  return `${verdict.passed} passed, ${verdict.failed} failed${skipped}`
}

/** True for a path that `bun test` takes for a test file. */
export function isTestFile(path: string): boolean {
  return /[._](test|spec)\.[cm]?[jt]sx?$/.test(path) && !/(^|[\\/])(node_modules|dist|\.[^\\/]+)[\\/]/.test(path)
}
