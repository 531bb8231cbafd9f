/** A server's keys, for whoever owns the data directory: the server itself, or `invite` while none runs. */
import { randomBytes } from "node:crypto"
import { KeyBook } from "../relay/key-book.ts"
import type { Clock } from "../transport/clock.ts"
import { CliError } from "./command.ts"
import { type DataDirectory, withStores } from "./data-directory.ts"
import { lockDirectory } from "./directory-lock.ts"
import { SecretFile } from "./secret-file.ts"

/** The keys, to be let go in the end. */
export interface OwnKeys {
  readonly keys: KeyBook
  release(): void
}

/** How long another command may take that owns the directory for a moment, and how often it is looked again. */
const PATIENCE_MS = 3000
const LOOK_AGAIN_MS = 50

/** Opens the keys if nobody owns them; undefined while somebody does. Throws CliError for a file that is damaged or not to be had. */
export function tryOwnKeys(directory: DataDirectory, platform: string = process.platform): OwnKeys | undefined {
  return withStores(() => {
    const lock = lockDirectory(directory.path, platform)
    if (!lock) return undefined
    try {
      const context = { now: Date.now, randomBytes: (length: number) => new Uint8Array(randomBytes(length)) }
      const keys = KeyBook.open(new SecretFile(directory.keysFile, platform), context)
      return { keys, release: () => lock.release() }
    } catch (error) {
      lock.release()
      throw error
    }
  })
}

/** The same with patience for a command that owns them for a moment; a server that runs already is a CliError. */
export function ownKeys(directory: DataDirectory, clock: Clock): Promise<OwnKeys> {
  return patiently(
    clock,
    () => tryOwnKeys(directory),
    `A server runs already with the folder ${directory.path}: end it first, or give this one a folder of its own with --data DIR.`,
  )
}

/** Tries until something comes of it; once patience is over, a CliError with the words of `failure`. */
export async function patiently<T>(
  clock: Clock,
  attempt: () => T | undefined | Promise<T | undefined>,
  failure: string,
): Promise<T> {
  for (const begun = clock.now(); clock.now() - begun <= PATIENCE_MS; await pause(clock)) {
    const result = await attempt()
    if (result !== undefined) return result
  }
  throw new CliError(failure)
}

function pause(clock: Clock): Promise<void> {
  return new Promise((done) => {
    // The system clock's timers do not keep the process alive, and here nothing else may.
    const alive = setInterval(() => {}, PATIENCE_MS)
    clock.after(LOOK_AGAIN_MS, () => {
      clearInterval(alive)
      done()
    })
  })
}
