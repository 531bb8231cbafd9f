/** The load generator as a program: load.c where this machine can compile and run it, load.ts otherwise. */
import { join } from "node:path"
import { startChild } from "../lib/child.ts"
import type { LoadResult } from "./report.ts"

/** How to start the generator, and what it is for the reader of the report. */
export interface Generator {
  readonly command: readonly string[]
  readonly description: string
}

/** Makes the generator in `folder`. */
export async function makeGenerator(folder: string): Promise<Generator> {
  const compiler = process.platform === "linux" ? (Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang")) : null
  if (compiler) {
    const outfile = join(folder, "load")
    const build = Bun.spawn([compiler, "-O2", "-o", outfile, join(import.meta.dir, "load.c")], { stderr: "inherit" })
    if ((await build.exited) === 0) return { command: [outfile], description: "C, up to 64 datagrams a system call" }
  }
  const why = process.platform === "linux" ? "no C compiler found" : "the C one is for Linux"
  return { command: [process.execPath, join(import.meta.dir, "load.ts")], description: `TypeScript (${why})` }
}

/** One run of load against a port of this machine. Throws Error if the generator fails. */
export async function runLoad(
  generator: Generator,
  load: { port: number; window: number; seconds: number; rate?: number },
): Promise<LoadResult> {
  const { port, window, seconds, rate = 0 } = load
  const words = ["generate", "127.0.0.1", port, window, seconds, rate].map(String)
  await using child = startChild([...generator.command, ...words])
  const code = await child.exited
  if (code !== 0) throw new Error(`The load generator ended with ${code}: ${child.stderr.join(" ")}`)
  return JSON.parse(child.stdout[0] ?? "")
}
