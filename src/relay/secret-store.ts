/** Where secrets are kept between runs; files are cli/secret-file.ts's affair. */

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
export const STORE_VERSION = 1

/**
 * The JSON object that `store` holds, undefined if there is none yet. Throws StoreError for text that is none, or that a
 * newer version wrote: what cannot be understood is never written over.
 */
export function loadObject(store: SecretStore, remedy: string): Readonly<Record<string, unknown>> | undefined {
  const text = store.load()
  if (text === undefined) return undefined
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    throw damaged(store, "it is no JSON", remedy)
  }
  if (typeof said !== "object" || said === null || Array.isArray(said)) throw damaged(store, "it is no object", remedy)
  const { version } = said as { version?: unknown }
  if (typeof version === "number" && version > STORE_VERSION) {
    throw new StoreError(`${store.name} was written by a newer version of spinnaker-relay: update this one`)
  }
  if (version !== STORE_VERSION) throw damaged(store, "it has no version", remedy)
  return said as Record<string, unknown>
}

/** The error for contents that make no sense; nothing of the contents is told, as there are secrets among them. */
export function damaged(store: SecretStore, why: string, remedy: string): StoreError {
  return new StoreError(`${store.name} is damaged (${why}) and was left as it is: ${remedy}`)
}
