/** Files that a person names. */
import { resolve } from "node:path"
import { CliError } from "./command.ts"

/** The bytes of `file`. Throws CliError with `exitCode`, saying which file and why. */
export async function readFile(file: string, exitCode = 1): Promise<Uint8Array> {
  try {
    return await Bun.file(file).bytes()
  } catch (error) {
    const code = (error as { code?: string }).code
    const why = code === "ENOENT" ? "there is no such file" : error instanceof Error ? error.message : String(error)
    throw new CliError(`Cannot read ${resolve(file)}: ${why}.`, exitCode, { cause: error })
  }
}

/** Puts `bytes` into `file`. Throws CliError, saying which file and why. */
export async function writeFile(file: string, bytes: Uint8Array): Promise<void> {
  try {
    // A folder that is not there is mistyped, not wanted.
    await Bun.write(file, bytes, { createPath: false })
  } catch (error) {
    const code = (error as { code?: string }).code
    const why = code === "ENOENT" ? "there is no such folder" : error instanceof Error ? error.message : String(error)
    throw new CliError(`Cannot write ${resolve(file)}: ${why}. Choose another file.`, 1, { cause: error })
  }
}
