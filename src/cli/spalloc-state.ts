/** Where a spalloc server remembers its jobs, and where the operator's commands find it. */
import { join, resolve } from "node:path"
import { CliError, type CommandIo, type OptionSpec, type Parsed } from "./command.ts"
import { pipeOf } from "./data-directory.ts"
import { stateDirectory } from "./state-directory.ts"

/** The server's option; commands that ask it take the same one. */
export const STATE_OPTION: OptionSpec = {
  name: "state",
  value: "PATH",
  description: "Where jobs are remembered (default: in the user's state directory); :memory: for nowhere",
}

/** The database's path, or `:memory:`. Throws CliError where the environment names no home. */
export function spallocState(parsed: Parsed, io: CommandIo): string {
  const given = parsed.value("state")
  if (given !== undefined) return given === ":memory:" ? given : resolve(given)
  const directory = stateDirectory(process.platform, io.env)
  if (directory === undefined) throw new CliError("There is no home directory to remember jobs in: give --state PATH.")
  return join(directory, "spalloc.sqlite")
}

/** The control endpoint of whoever has that database: nobody else can have it open. */
export function spallocControlAddress(state: string, platform: string = process.platform): string {
  return platform === "win32" ? pipeOf(state) : `${state}.sock`
}
