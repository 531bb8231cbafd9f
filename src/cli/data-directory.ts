/** The folder in which a server keeps its keys and is asked things, and a client the servers that it has joined. */
import { createHash } from "node:crypto"
import { join, resolve } from "node:path"
import { StoreError } from "../relay/secret-store.ts"
import { ControlListenError } from "../transport/control-listener.ts"
import { CliError, type CommandIo, type OptionSpec, type Parsed } from "./command.ts"
import { stateDirectory } from "./state-directory.ts"

/** The option that names another folder: two servers on one machine need one each. */
export const DATA_OPTION: OptionSpec = {
  name: "data",
  value: "DIR",
  description: "The folder of keys and of the control endpoint (default: this user's own)",
}

/** What lies there. */
export interface DataDirectory {
  readonly path: string
  /** The server's keys. */
  readonly keysFile: string
  /** The servers that a client has joined. */
  readonly serversFile: string
  /** Where a running server is asked: a socket, or a named pipe on Windows. */
  readonly controlAddress: string
}

/** The folder that is named, or this user's own. Throws CliError where the environment names no home. */
export function dataDirectory(parsed: Parsed, io: CommandIo, platform: string = process.platform): DataDirectory {
  const named = parsed.value("data")
  const path = named === undefined ? stateDirectory(platform, io.env) : resolve(named)
  if (path === undefined)
    throw new CliError("This user has no home folder to keep keys in: name a folder with --data DIR.")
  return {
    path,
    keysFile: join(path, "keys.json"),
    serversFile: join(path, "servers.json"),
    controlAddress: platform === "win32" ? pipeOf(path) : join(path, "control.sock"),
  }
}

/** Pipes have names and no folders: one for each path, however its letters are written. */
export function pipeOf(path: string): string {
  const hash = createHash("sha256").update(path.toLowerCase()).digest("hex").slice(0, 16)
  return `\\\\.\\pipe\\spinnaker-relay-${hash}`
}

/** Runs what may throw StoreError or ControlListenError; their one line is for the person who typed the command. */
export function withStores<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof StoreError || error instanceof ControlListenError) {
      throw new CliError(error.message, 1, { cause: error })
    }
    throw error
  }
}
