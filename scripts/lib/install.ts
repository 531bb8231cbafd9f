/** What every script does first on a clean clone: the right Bun, and the dependencies. */
import { bunVersionProblem } from "./bun-version.ts"
import { ROOT } from "./relay-command.ts"

/** Installs what the lock file names. Throws Error with the reason if this Bun is too old or the registry said no. */
export async function prepare(script: string): Promise<void> {
  const problem = bunVersionProblem(Bun.version, script)
  if (problem) throw new Error(problem)
  const install = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr, code] = await Promise.all([install.stdout.text(), install.stderr.text(), install.exited])
  if (code !== 0) throw new Error(`Cannot install the dependencies: bun install ended with ${code}\n${stdout}${stderr}`)
}
