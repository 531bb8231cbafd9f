/**
 * One process at a time owns a data directory: the server for as long as it runs, `invite` and the like for a moment.
 * The lock is SQLite's on an empty file, the one lock in Bun that every system takes back from a process that was killed.
 */
import { closeSync, openSync } from "node:fs"
import { join } from "node:path"
import { StoreError } from "../relay/secret-store.ts"
import { giveToOwner, makePrivateDirectory } from "./secret-file.ts"

/** A lock that is held. */
export interface DirectoryLock {
  release(): void
}

/** Takes the lock of `directory`, which is made if there is none; undefined while another process has it. Throws StoreError. */
export function lockDirectory(directory: string, platform: string): DirectoryLock | undefined {
  // Loaded here and not at the top: only commands that keep secrets need it.
  const { Database } = require("bun:sqlite") as typeof import("bun:sqlite")
  const file = join(directory, "lock")
  try {
    makePrivateDirectory(directory, platform !== "win32")
    // Made here, as SQLite would let others read it, and who can read it can lock it.
    const fd = openSync(file, "a", 0o600)
    giveToOwner(fd, directory)
    closeSync(fd)
    const database = new Database(file)
    try {
      database.run("PRAGMA busy_timeout = 0")
      database.run("BEGIN EXCLUSIVE")
    } catch (error) {
      database.close()
      throw error
    }
    return { release: () => database.close() }
  } catch (error) {
    const { code = "", message } = error as { code?: string; message: string }
    if (code.startsWith("SQLITE_BUSY")) return undefined
    const why = WHY[code] ?? message
    throw new StoreError(`Cannot use the folder ${directory}: ${why}.`, { cause: error })
  }
}

const NOT_OURS = "this user may not write there; run this as its owner, or choose another with --data"
const WHY: Readonly<Record<string, string>> = {
  EACCES: NOT_OURS,
  EPERM: NOT_OURS,
  SQLITE_CANTOPEN: NOT_OURS,
  SQLITE_READONLY: NOT_OURS,
  EROFS: "the disk is read-only; choose another with --data",
  ENOTDIR: "a file has that name; choose another with --data",
  EEXIST: "a file has that name; choose another with --data",
}
