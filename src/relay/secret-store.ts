/** Where secrets are kept between runs; files are cli/secret-file.ts's affair. */

import { isJsonObject } from "../protocol/json-lines.ts"

/** One text that is kept, whole or not at all. */
export interface SecretStore {
  /** What a person knows it by: the file's path. */
  readonly name: string
  /** The text; undefined if there is none yet. Throws StoreError if it cannot be had, or may be read by others. */
  load(): string | undefined
  /** Keeps `text` in place of what was there, or throws StoreError and leaves that as it was. */
  save(text: string): void
}

/** Keeping or finding secrets failed; the message is one line for a person, saying what to do. */
export class StoreError extends Error {
  override readonly name = "StoreError"
}

/** The version that this program writes, of any of its stores. */
const STORE_VERSION = 1

/** A list in a store, and how its items are written. */
export interface StoredList<Item> {
  /** One of them, and all of them: `key`, `keys`. */
  readonly one: string
  readonly all: string
  /** What a person is to do about a store that makes no sense. */
  readonly remedy: string
  toJson(item: Item): object
  /** Undefined for what is no item. */
  fromJson(said: unknown): Item | undefined
}

/**
 * The items that `store` holds, none if there is nothing yet. Throws StoreError for text that makes no sense, or that a
 * newer version wrote: what cannot be understood is never written over.
 */
export function loadList<Item>(store: SecretStore, list: StoredList<Item>): Item[] {
  const text = store.load()
  if (text === undefined) return []
  const said = objectIn(text)
  if (typeof said === "string") throw damaged(store, said, list.remedy)
  const { version, [list.all]: items } = said
  if (typeof version === "number" && version > STORE_VERSION) {
    throw new StoreError(`${store.name} was written by a newer version of spinnaker-relay: update this one`)
  }
  if (version !== STORE_VERSION) throw damaged(store, "it has no version", list.remedy)
  if (!Array.isArray(items)) throw damaged(store, `it has no list of ${list.all}`, list.remedy)
  return items.map((item, index) => {
    const read = list.fromJson(item)
    if (read === undefined) {
      throw damaged(store, `${list.one} ${index + 1} of ${items.length} makes no sense`, list.remedy)
    }
    return read
  })
}

/** Puts `items` in place of what `store` holds. Throws StoreError, and then has left that as it was. */
export function saveList<Item>(store: SecretStore, list: StoredList<Item>, items: readonly Item[]): void {
  const contents = { version: STORE_VERSION, [list.all]: items.map((item) => list.toJson(item)) }
  store.save(`${JSON.stringify(contents, undefined, 2)}\n`)
}

/** The JSON object that `text` is, or why it is none. */
function objectIn(text: string): Readonly<Record<string, unknown>> | string {
  try {
    const said: unknown = JSON.parse(text)
    return isJsonObject(said) ? said : "it is no object"
  } catch {
    return "it is no JSON"
  }
}

/** The error for contents that make no sense; nothing of the contents is told, as there are secrets among them. */
function damaged(store: SecretStore, why: string, remedy: string): StoreError {
  return new StoreError(`${store.name} is damaged (${why}) and was left as it is: ${remedy}`)
}
