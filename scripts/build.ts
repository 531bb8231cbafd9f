/**
 * `bun run build`: dist/spinnaker-relay-<os>-<arch>[.exe] for every target, and SHA256SUMS beside them.
 * `--native` makes only this machine's. The runtimes of the other targets come from the package registry, once.
 */
import { mkdir, readdir } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { compile, nativeTarget } from "./lib/compile.ts"
import { prepare } from "./lib/install.ts"
import { ROOT } from "./lib/relay-command.ts"
import { duration, megabytes, messageOf } from "./lib/say.ts"
import { fileName, TARGETS, type Target } from "./lib/targets.ts"

const DIST = join(ROOT, "dist")

/** Writes SHA256SUMS over all program files in dist, as `sha256sum --check` reads it. */
async function writeSums(): Promise<void> {
  const lines: string[] = []
  const names = await readdir(DIST)
  for (const name of names.filter((entry) => entry.startsWith("spinnaker-relay-")).sort()) {
    const hasher = new Bun.CryptoHasher("sha256")
    for await (const chunk of Bun.file(join(DIST, name)).stream()) hasher.update(chunk)
    lines.push(`${hasher.digest("hex")}  ${name}\n`)
  }
  await Bun.write(join(DIST, "SHA256SUMS"), lines.join(""))
}

async function build(target: Target): Promise<boolean> {
  const started = performance.now()
  const outfile = join(DIST, fileName(target))
  try {
    await compile({ entry: join(ROOT, "src", "main.ts"), target, outfile })
  } catch (error) {
    console.log(`${fileName(target)}: failed: ${messageOf(error)}`)
    return false
  }
  const size = megabytes(Bun.file(outfile).size)
  console.log(`${fileName(target).padEnd(34)} ${size.padStart(9)}  ${duration(performance.now() - started)}`)
  if (target.name === "darwin-x64" && process.platform !== "darwin") {
    console.log("  its signature is not valid until `codesign --force --sign - FILE` was run on a Mac")
  }
  return true
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { native: { type: "boolean" } } })
  await prepare("build")
  await mkdir(DIST, { recursive: true })
  const targets: readonly Target[] = values.native ? [await nativeTarget()] : TARGETS
  let failed = 0
  for (const target of targets) if (!(await build(target))) failed++
  await writeSums()
  console.log(failed === 0 ? `All ${targets.length} built in dist/` : `${failed} of ${targets.length} failed`)
  return failed === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}
