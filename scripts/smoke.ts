/**
 * `bun run smoke`: the compiled programs, not the sources. Builds each one that this machine can run (its own, and
 * others under qemu, another C library or Wine where those are installed), and with it runs the demo and the
 * end-to-end tests. Says what it left out and why. `--only TEXT` takes the targets whose name contains it.
 */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import packageJson from "../package.json"
import { startChild } from "./lib/child.ts"
import { compile } from "./lib/compile.ts"
import { prepare } from "./lib/install.ts"
import { BINARY_VARIABLE, PATIENCE_VARIABLE, patient, ROOT } from "./lib/relay-command.ts"
import { heading, messageOf } from "./lib/say.ts"
import { fileName, TARGETS, type Target } from "./lib/targets.ts"
import { isTestFile } from "./lib/test-summary.ts"
import { findRunner, type Run } from "./smoke/runners.ts"

const DIST = join(ROOT, "dist")
const E2E = join("tests", "e2e")
/** The first start under Wine makes its folder of settings. */
const FIRST_START_MS = 60_000

type Outcome = { kind: "passed" } | { kind: "failed" | "skipped"; why: string }

/** Starts the program once; what it says if it will not run. */
async function tryVersion(run: Run): Promise<string | undefined> {
  const child = startChild([...run.command, "--version"], { env: run.env ?? {} })
  const timer = setTimeout(() => void child.kill(), patient(FIRST_START_MS))
  const code = await child.exited
  clearTimeout(timer)
  if (code === 0 && child.stdout.some((line) => line.includes(packageJson.version))) return undefined
  if (code === 137) return `--version did not end within ${patient(FIRST_START_MS)} ms`
  return child.stderr[0] ?? `--version ended with ${code}`
}

/** Runs a script of ours with the program; true if it ended well. */
async function runWith(run: Run, words: string[]): Promise<boolean> {
  const env = {
    ...process.env,
    ...run.env,
    [BINARY_VARIABLE]: JSON.stringify(run.command),
    [PATIENCE_VARIABLE]: String(run.patience),
  }
  const options = { cwd: ROOT, env, stdin: "ignore", stdout: "inherit", stderr: "inherit" } as const
  return (await Bun.spawn([process.execPath, ...words], options).exited) === 0
}

/** The end-to-end tests that `run` does not leave out. */
async function testFiles(run: Run): Promise<string[]> {
  const names = (await readdir(join(ROOT, E2E))).filter(isTestFile)
  for (const [name, why] of Object.entries(run.leaveOut)) {
    if (names.includes(name)) console.log(`${name} left out: ${why}`)
  }
  return names.filter((name) => !(name in run.leaveOut)).map((name) => `./${E2E}/${name}`)
}

async function smoke(target: Target, folder: string): Promise<Outcome> {
  const file = fileName(target)
  heading(file)
  try {
    await compile({ entry: join(ROOT, "src", "main.ts"), target, outfile: join(DIST, file) })
  } catch (error) {
    return { kind: "failed", why: messageOf(error) }
  }
  const run = await findRunner(target, { dist: DIST, folder })
  if ("skip" in run) return { kind: "skipped", why: run.skip }
  const refusal = await tryVersion(run)
  if (refusal !== undefined) {
    // A library that this machine lacks is no fault of the program; anything else is.
    return { kind: /shared (library|object)/.test(refusal) ? "skipped" : "failed", why: refusal }
  }
  if (!(await runWith(run, [join(ROOT, "scripts", "demo.ts")]))) return { kind: "failed", why: "the demo" }
  // An emulator cannot keep up with several tests at once.
  const pace = run.patience > 1 ? ["--max-concurrency=1", `--timeout=${5000 * run.patience}`] : ["--parallel"]
  const passed = await runWith(run, ["test", ...pace, ...(await testFiles(run))])
  return passed ? { kind: "passed" } : { kind: "failed", why: "the end-to-end tests" }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string", default: "" } } })
  await prepare("smoke")
  await mkdir(DIST, { recursive: true })
  const folder = await mkdtemp(join(tmpdir(), "relay-smoke-"))
  const outcomes: string[] = []
  let failed = 0
  try {
    for (const target of TARGETS) {
      if (!target.name.includes(values.only)) continue
      const outcome = await smoke(target, folder)
      if (outcome.kind === "failed") failed++
      outcomes.push(`${fileName(target).padEnd(34)} ${outcome.kind}${"why" in outcome ? `: ${outcome.why}` : ""}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  heading("smoke")
  for (const line of outcomes) console.log(line)
  return failed === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}
