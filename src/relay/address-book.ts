/** Which address on this machine each board of each relay was given, so that it has the same one next time. */

/** By relay (`server:port`), then by the board's name there: an IPv4 address of this machine. */
export type AddressBook = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Keeps the book between runs. Neither call throws: without a place to keep it, addresses are given anew. */
export interface AddressStore {
  load(): AddressBook
  save(book: AddressBook): void
}

/** Relays that are remembered; the ones not used for longest go first. */
export const MAX_RELAYS = 32
/** Addresses tried for one board. */
export const MAX_TRIES = 64

/** A book from what was in a file: entries that are none are left out. */
export function readAddressBook(said: unknown): AddressBook {
  const book: Record<string, Record<string, string>> = {}
  if (typeof said !== "object" || said === null) return book
  for (const [relay, boards] of Object.entries(said)) {
    if (typeof boards !== "object" || boards === null) continue
    const kept = Object.entries(boards).filter(([, address]) => isLoopbackIPv4(address)) as [string, string][]
    if (kept.length > 0) book[relay] = Object.fromEntries(kept)
  }
  return book
}

/** The book with `board` of `relay` at `address`; that relay is now the last used. */
export function withAddress(book: AddressBook, relay: string, board: string, address: string): AddressBook {
  const { [relay]: boards = {}, ...others } = book
  const kept = Object.entries(others).slice(-(MAX_RELAYS - 1))
  return { ...Object.fromEntries(kept), [relay]: { ...boards, [board]: address } }
}

/** Addresses to try for a board, best first: the one that it had, then 127.0.0.x after `first`, those of other boards left out. */
export function candidates(
  book: AddressBook,
  relay: string,
  board: string,
  first: string,
  taken: ReadonlySet<string>,
): string[] {
  const { [board]: remembered, ...others } = book[relay] ?? {}
  const avoid = new Set([...taken, ...Object.values(others)])
  const start = isLoopbackIPv4(first) ? Number(first.split(".")[3]) : 1
  const prefix = isLoopbackIPv4(first) ? first.slice(0, first.lastIndexOf(".")) : "127.0.0"
  const found = remembered !== undefined && !taken.has(remembered) ? [remembered] : []
  for (let last = start + 1; last < 255 && found.length < MAX_TRIES; last++) {
    const address = `${prefix}.${last}`
    if (!avoid.has(address) && address !== remembered) found.push(address)
  }
  return found
}

function isLoopbackIPv4(address: unknown): boolean {
  return typeof address === "string" && /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(address)
}
