/** The client's address book as a small JSON file, written whole or not at all. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type AddressBook, type AddressStore, readAddressBook } from "../relay/address-book.ts"

const FILE = "addresses.json"
/** Longest file that is read: far above 32 relays of 64 boards. */
const MAX_BYTES = 1 << 18

/** Reads and writes the file in `directory`; undefined for nowhere. What cannot be read or written is done without. */
export class AddressFile implements AddressStore {
  readonly #directory: string | undefined

  constructor(directory: string | undefined) {
    this.#directory = directory
  }

  load(): AddressBook {
    if (this.#directory === undefined) return {}
    const file = join(this.#directory, FILE)
    try {
      if (statSync(file).size > MAX_BYTES) return {}
      return readAddressBook(JSON.parse(readFileSync(file, "utf8")))
    } catch {
      // None yet, not ours to read, or half a file of another program: the addresses are given anew.
      return {}
    }
  }

  save(book: AddressBook): void {
    if (this.#directory === undefined) return
    const file = join(this.#directory, FILE)
    const draft = `${file}.${process.pid}`
    try {
      mkdirSync(this.#directory, { recursive: true })
      writeFileSync(draft, `${JSON.stringify(book, undefined, 2)}\n`)
      renameSync(draft, file)
    } catch {
      // A read-only home: the boards are there all the same, perhaps at other addresses next time.
      remove(draft)
    }
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // Where it could not be written it cannot be removed either.
  }
}
