/** One program file out of the sources, by `bun build --compile`. */
import { mkdtemp, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { readExecutableFormat } from "./executable-format.ts"
import { ROOT } from "./relay-command.ts"
import { findTarget, type Target } from "./targets.ts"

/** What `bun build` is told for every target. */
export const COMPILE_FLAGS = [
  "--compile",
  // Without it, bytecode means CommonJS, and that has this machine's paths in it.
  "--format=esm",
  "--bytecode",
  // Stack traces of a user's report then name our lines.
  "--sourcemap",
  // Not --minify-identifiers: it has confused names before, and makes stack traces unreadable.
  "--minify-syntax",
  "--minify-whitespace",
  // Otherwise the program obeys a .env and a bunfig.toml in whatever directory it is started from: anybody's code.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--reject-unresolved",
] as const

/** The target of the machine that we run on. Throws Error on one that nothing is built for. */
export async function nativeTarget(): Promise<Target> {
  // Our own program file tells glibc from musl better than anything that the system says.
  const format = await readExecutableFormat(process.execPath)
  const target = format && findTarget(format)
  if (!target) throw new Error(`Cannot build for ${process.platform}-${process.arch}: Bun has no runtime for it`)
  return target
}

/** What `compile` needs to know. */
export interface CompileJob {
  readonly entry: string
  readonly target: Target
  /** The file to make; it is there afterwards only if all went well. */
  readonly outfile: string
  /** Instead of COMPILE_FLAGS, for the test that shows what they are good for. */
  readonly flags?: readonly string[]
}

/** Makes `outfile` and checks that it is a program for `target`. Throws Error with what Bun said. */
export async function compile(job: CompileJob): Promise<void> {
  await rm(job.outfile, { force: true })
  // A folder of its own, beside the result so that the last step is a rename: Bun leaves a source map there as well.
  const folder = await mkdtemp(join(dirname(job.outfile), ".compile-"))
  try {
    const made = join(folder, basename(job.outfile))
    const flags = [...(job.flags ?? COMPILE_FLAGS), `--target=${job.target.bunTarget}`, `--outfile=${made}`]
    const build = Bun.spawn([process.execPath, "build", ...flags, job.entry], {
      cwd: ROOT,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    })
    const [stdout, stderr, code] = await Promise.all([build.stdout.text(), build.stderr.text(), build.exited])
    if (code !== 0) throw new Error(lastWords(stdout + stderr) || `bun build ended with exit code ${code}`)
    const format = await readExecutableFormat(made)
    if (!format || findTarget(format)?.name !== job.target.name) {
      const found = format ? `${format.os} ${format.arch} ${format.libc ?? ""}` : "no program"
      throw new Error(`bun build made ${found.trim()}, expected one for ${job.target.name}`)
    }
    await sign(made, job.target)
    await rename(made, job.outfile)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** On a Mac, an ad-hoc signature of our own: the one that Bun leaves in an x64 program does not cover the file. */
async function sign(path: string, target: Target): Promise<void> {
  if (target.os !== "darwin" || process.platform !== "darwin") return
  const code = await Bun.spawn(["codesign", "--force", "--sign", "-", path], { stdout: "inherit", stderr: "inherit" })
    .exited
  if (code !== 0) throw new Error(`codesign ended with exit code ${code}`)
}

/** The lines of Bun's output that say what went wrong: not its progress. */
function lastWords(output: string): string {
  const lines = Bun.stripANSI(output).split(/[\r\n]+/)
  return lines.filter((line) => line.trim() !== "" && !/^(Downloading|Decompressing| *\[)/.test(line)).join("\n")
}
