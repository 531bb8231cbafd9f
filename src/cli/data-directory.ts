/** Where keys, known servers and the control endpoint are: --data, or the system's usual place. */
import { resolve } from "node:path"
import { StoreError } from "../relay/secret-store.ts"
import { CliError, type CommandIo, type OptionSpec, type Parsed } from "./command.ts"
import { stateDirectory } from "./state-directory.ts"

/** The option of every command that keeps something. */
export const DATA_OPTION: OptionSpec = {
  name: "data",
  value: "DIRECTORY",
  description: "Where keys and known servers are kept (default: the system's usual place for them)",
}

/** The directory, which may not exist yet; throws CliError where neither the option nor the environment names one. */
export function dataDirectory(parsed: Parsed, io: Pick<CommandIo, "env">, platform: string): string {
  const typed = parsed.value("data")
  const directory = typed ? resolve(typed) : stateDirectory(platform, io.env)
  if (directory === undefined) {
    throw new CliError("This user has no home directory to keep keys in: name a directory with --data DIRECTORY.")
  }
  return directory
}

/** Runs `action`; what cannot be kept or found is told in its one line. */
export async function keeping<T>(action: () => T | Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof StoreError) throw new CliError(error.message, 1, { cause: error })
    throw error
  }
}
