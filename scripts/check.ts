/**
 * `bun run check`: all that has to be right before a commit. Installs, checks types, lints, runs every test, and ends
 * with `N passed, N failed`. Needs nothing but Bun: `npx --yes bun@1.4.5 run check` on a clean clone.
 */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { bunVersionProblem } from "./lib/bun-version.ts"
import { ROOT } from "./lib/relay-command.ts"
import { duration, heading } from "./lib/say.ts"
import { closingLine, isTestFile, judgeTestRun, parseTestSummary, type Verdict } from "./lib/test-summary.ts"

// The ordinary run has to end within 10 minutes; FULL=1 asks the tests for their long versions.
const TEST_LIMIT_MS = process.env.FULL ? 60 * 60_000 : 9 * 60_000
// One test. Bun's own 5 s are too few for the longest on a Raspberry Pi, or beside other work.
const ONE_TEST_LIMIT_MS = 60_000
// More than enough for the summary, which is a few lines at the very end.
const KEPT_OUTPUT = 65_536

const bun = process.execPath

/** Runs a step with our own output; true if it ended well. */
async function step(title: string, command: string[]): Promise<boolean> {
  heading(title)
  const code = await Bun.spawn(command, { cwd: ROOT, stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited
  if (code !== 0) console.log(`${title}: failed with exit code ${code}`)
  return code === 0
}

/** Copies what a child says to `target` as it comes, and returns the end of it. */
async function tee(stream: ReadableStream<Uint8Array>, target: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder()
  let kept = ""
  for await (const chunk of stream) {
    target.write(chunk)
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-KEPT_OUTPUT)
  }
  return kept
}

async function countTestFiles(): Promise<number> {
  let count = 0
  for (const room of ["src", "tests", "scripts"]) {
    const paths = await readdir(join(ROOT, room), { recursive: true })
    count += paths.filter(isTestFile).length
  }
  return count
}

/** The tests. In parallel, which gives each file a process: only so does a test that ends the process count as failed. */
async function runTests(): Promise<Verdict> {
  heading("tests")
  const colour = process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: "1" } : {}
  const tests = Bun.spawn([bun, "test", "--parallel", `--timeout=${ONE_TEST_LIMIT_MS}`], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...colour },
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    tests.kill("SIGKILL")
  }, TEST_LIMIT_MS)
  const [, said, exitCode] = await Promise.all([
    tee(tests.stdout, process.stdout),
    tee(tests.stderr, process.stdout),
    tests.exited,
  ])
  clearTimeout(timer)
  const verdict = judgeTestRun({ summary: parseTestSummary(said), exitCode, filesOnDisk: await countTestFiles() })
  if (!late) return verdict
  return { ...verdict, problems: [`the tests were ended after ${duration(TEST_LIMIT_MS)}`, ...verdict.problems] }
}

/** Biome comes as one package a platform, and there are platforms without one. */
async function lint(): Promise<"passed" | "failed" | "skipped"> {
  const { status, command } = await findBiome()
  if (status === "missing") {
    heading("lint")
    console.log(`Skipped: biome has no program for ${process.platform}-${process.arch}; lint on another machine`)
    return "skipped"
  }
  return (await step("lint", [...command, "check", "--config-path=scripts/lint.json", "."])) ? "passed" : "failed"
}

async function findBiome(): Promise<{ status: "found" | "missing"; command: string[] }> {
  const packages = await readdir(join(ROOT, "node_modules", "@biomejs")).catch(() => [])
  const program = process.platform === "win32" ? "biome.exe" : "biome"
  // Linux may have two, for glibc and for musl: the first that runs is the one.
  for (const name of packages.filter((entry) => entry.startsWith("cli-")).sort()) {
    const command = [join(ROOT, "node_modules", "@biomejs", name, program)]
    if (await runs([...command, "--version"])) return { status: "found", command }
  }
  return { status: "missing", command: [] }
}

async function runs(command: string[]): Promise<boolean> {
  try {
    return (await Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).exited) === 0
  } catch {
    return false
  }
}

async function main(): Promise<number> {
  const started = performance.now()
  const problem = bunVersionProblem(Bun.version, "check")
  if (problem) {
    console.log(problem)
    return report({ passed: 0, failed: 1, skipped: 0, problems: [] })
  }
  if (!(await step("install", [bun, "install", "--frozen-lockfile"]))) {
    return report({ passed: 0, failed: 1, skipped: 0, problems: ["the dependencies could not be installed"] })
  }
  const problems: string[] = []
  // --no-script: a `check` script of our own would otherwise be run in place of Bun's type checker, without end.
  if (!(await step("types", [bun, "check", "--no-script"]))) problems.push("the type check failed")
  const linted = await lint()
  if (linted === "failed") problems.push("the lint failed; `bun run format` mends most of it")
  const tests = await runTests()
  console.log(`\nTook ${duration(performance.now() - started)}`)
  return report({
    passed: tests.passed,
    failed: tests.failed + problems.length,
    skipped: tests.skipped + (linted === "skipped" ? 1 : 0),
    problems: [...problems, ...tests.problems],
  })
}

function report(verdict: Verdict): number {
  for (const problem of verdict.problems) console.log(`Problem: ${problem}`)
  console.log(closingLine(verdict))
  return verdict.failed === 0 ? 0 : 1
}

process.exitCode = await main()
