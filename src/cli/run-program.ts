/** Runs somebody's command with this terminal as its own. */
import { constants } from "node:os"
import { CliError, type CommandIo } from "./command.ts"

/** Resolves with the command's exit code, 128 and the signal's number if one ended it. Throws CliError if it cannot run. */
export async function runProgramFor(command: readonly string[], io: Pick<CommandIo, "stop">): Promise<number> {
  let child: Bun.Subprocess
  try {
    child = Bun.spawn([...command], { stdio: ["inherit", "inherit", "inherit"] })
  } catch (error) {
    const code = (error as { code?: string }).code
    const why = code === "ENOENT" ? "there is no such program" : ((error as Error).message ?? code)
    throw new CliError(`Cannot run ${command[0]}: ${why}.`, code === "ENOENT" ? 127 : 126, { cause: error })
  }
  // Ctrl-C in a terminal reaches the command by itself; a SIGTERM only this process.
  const pass = (): void => {
    if (io.stop.reason === "SIGTERM") child.kill("SIGTERM")
  }
  io.stop.addEventListener("abort", pass, { once: true })
  if (io.stop.aborted) pass()
  try {
    await child.exited
  } finally {
    io.stop.removeEventListener("abort", pass)
  }
  const { exitCode, signalCode } = child
  const { signals } = constants as { signals: Readonly<Record<string, number>> }
  return exitCode ?? 128 + (signals[String(signalCode)] ?? 0)
}
