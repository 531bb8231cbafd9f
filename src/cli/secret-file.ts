/** A file that only its owner may read, written whole or not at all. */
import {
  chmodSync,
  closeSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { type SecretStore, StoreError } from "../relay/secret-store.ts"

/** Longest file that is read: far above a thousand keys. */
export const MAX_SECRET_FILE_BYTES = 1 << 20

/** A store in `file`. On Windows, where a user's own folder has that user's permissions, modes are neither set nor looked at. */
export class SecretFile implements SecretStore {
  readonly name: string
  readonly #hasModes: boolean

  constructor(file: string, platform: string) {
    this.name = file
    this.#hasModes = platform !== "win32"
  }

  load(): string | undefined {
    let fd: number
    try {
      fd = openSync(this.name, "r")
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined
      throw this.#failed("read", error)
    }
    try {
      const { mode, size } = fstatSync(fd)
      if (this.#hasModes && (mode & 0o077) !== 0) {
        throw new StoreError(
          `${this.name} holds secrets and others may read it (mode ${(mode & 0o777).toString(8)}): run chmod 600 ${shellQuoted(this.name)}`,
        )
      }
      if (size > MAX_SECRET_FILE_BYTES) {
        throw new StoreError(`${this.name} is none of this program's files: it has ${size} bytes; move it away`)
      }
      return readFileSync(fd, "utf8")
    } catch (error) {
      throw error instanceof StoreError ? error : this.#failed("read", error)
    } finally {
      closeSync(fd)
    }
  }

  save(text: string): void {
    const draft = `${this.name}.${process.pid}.new`
    try {
      makePrivateDirectory(dirname(this.name), this.#hasModes)
      // Left behind by a process of that id which was ended; "wx" then makes sure that it is our own.
      rmSync(draft, { force: true })
      const fd = openSync(draft, "wx", 0o600)
      try {
        giveToOwner(fd, dirname(this.name))
        writeFileSync(fd, text)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(draft, this.name)
    } catch (error) {
      remove(draft)
      throw this.#failed("write", error)
    }
    this.#syncDirectory()
  }

  /** So that a power cut cannot bring the old file back. Not every system can; the file itself is whole all the same. */
  #syncDirectory(): void {
    if (!this.#hasModes) return
    try {
      const fd = openSync(dirname(this.name), "r")
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    } catch {}
  }

  #failed(what: "read" | "write", error: unknown): StoreError {
    const code = codeOf(error)
    const words = WHY[code] ?? (error instanceof Error ? error.message : String(error))
    return new StoreError(`Cannot ${what} ${this.name}: ${words}.`, { cause: error })
  }
}

const WHY: Readonly<Record<string, string>> = {
  EACCES: "it belongs to another user; run this as the user that made it",
  EPERM: "it belongs to another user; run this as the user that made it",
  ENOSPC: "the disk is full; make room and try again",
  EDQUOT: "the disk quota is used up; make room and try again",
  EROFS: "the disk is read-only; choose another place with --data",
  EISDIR: "a folder has that name; move it away",
  EEXIST: "a file stands where a folder should be; move it away, or choose another place with --data",
  ENOTDIR: "a file stands where a folder should be; move it away, or choose another place with --data",
}

/**
 * Makes `directory`, only for its owner; one that others may write to is taken from them, as they could put files there.
 * Throws for one that is everybody's on purpose (sticky, as /tmp): root would take it from the whole machine.
 */
export function makePrivateDirectory(directory: string, hasModes: boolean): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (!hasModes) return
  const { mode } = statSync(directory)
  if ((mode & 0o022) === 0) return
  if ((mode & 0o1000) !== 0) throw new Error("that folder is shared by all users; name one of its own with --data")
  chmodSync(directory, 0o700)
}

/** What root makes in a folder of another user's becomes that user's, whose server could not read it otherwise. */
export function giveToOwner(fd: number, directory: string): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(directory)
  if (uid !== 0) fchownSync(fd, uid, gid)
}

/** `path` as a shell takes it. */
export function shellQuoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function codeOf(error: unknown): string {
  return (error as { code?: string } | null)?.code ?? ""
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // Where it could not be written it cannot be removed either.
  }
}

/** The names of a data directory's files. */
export const secretFiles = {
  keys: (directory: string): string => join(directory, "keys.json"),
  servers: (directory: string): string => join(directory, "servers.json"),
} as const
