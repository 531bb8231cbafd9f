/** The servers that this machine has joined, by the names that its user calls them, kept in a store. */

import { isKeyId, SECRET_BYTES } from "../protocol/ticket.ts"
import type { Address } from "../transport/address.ts"
import { isUserName, MAX_NAME } from "./key.ts"
import { loadList, type SecretStore, type StoredList, StoreError, saveList } from "./secret-store.ts"

/** A server, and the key that opens it. */
export interface KnownServer {
  /** What is typed after `client`. */
  readonly name: string
  /** Never empty; in the ticket's order. */
  readonly addresses: readonly Address[]
  readonly keyId: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** The one that worked last, to be tried first. */
  readonly lastGood?: Address
}

/** Servers that are remembered at most. */
export const MAX_SERVERS = 256
const MAX_ADDRESSES = 64
const STORED: StoredList<KnownServer> = {
  one: "server",
  all: "servers",
  remedy: "put a copy back, or move it away and join again with new tickets",
  toJson,
  fromJson,
}

/** The store is read anew before each change: another `join` or `client` may have changed it since. */
export class KnownServers {
  readonly #store: SecretStore
  #servers: readonly KnownServer[]

  private constructor(store: SecretStore) {
    this.#store = store
    this.#servers = loadList(store, STORED)
  }

  /** The servers in `store`, none if there is nothing yet; throws StoreError. */
  static open(store: SecretStore): KnownServers {
    return new KnownServers(store)
  }

  get list(): readonly KnownServer[] {
    return this.#servers
  }

  find(name: string): KnownServer | undefined {
    return this.#servers.find((server) => server.name === name)
  }

  /** `wanted` made fit to be typed, and with a number behind it if a server has that name already: `pi`, `pi-2`. */
  freeName(wanted: string): string {
    const fit = wanted.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[^\p{L}\p{N}]+|-+$/gu, "")
    const base = fit.slice(0, MAX_NAME - 4) || "server"
    for (let number = 1; ; number++) {
      const name = number === 1 ? base : `${base}-${number}`
      if (!this.find(name)) return name
    }
  }

  /** Writes what is there: a ticket works once, so whether its key can be kept must show before. Throws StoreError. */
  rewrite(): void {
    this.#change((servers) => servers)
  }

  /** Stores a server, in place of the one of that name if there is one. Throws StoreError, RangeError for a bad name. */
  put(server: KnownServer): void {
    // It would be stored, and never read again.
    if (!isUserName(server.name)) throw new RangeError(`no name for a server: ${JSON.stringify(server.name)}`)
    this.#change((servers) => {
      const others = servers.filter((one) => one.name !== server.name)
      if (others.length >= MAX_SERVERS) {
        throw new StoreError(`${this.#store.name} has ${MAX_SERVERS} servers already: take some out of it first`)
      }
      return [...others, server]
    })
  }

  /** Remembers which address of a server worked; nothing is written if it is the one that worked last. Throws StoreError. */
  worked(name: string, address: Address): void {
    const before = this.find(name)?.lastGood
    if (before && isSame(before, address)) return
    const { host, port } = address
    this.#change((servers) =>
      servers.map((server) => (server.name === name ? { ...server, lastGood: { host, port } } : server)),
    )
  }

  #change(change: (servers: readonly KnownServer[]) => readonly KnownServer[]): void {
    const servers = change(loadList(this.#store, STORED))
    saveList(this.#store, STORED, servers)
    this.#servers = servers
  }
}

/** Where to try a server, best first: where it was found last, then the others. */
export function addressesToTry({ addresses, lastGood }: KnownServer): readonly Address[] {
  return lastGood ? [lastGood, ...addresses.filter((address) => !isSame(address, lastGood))] : addresses
}

const isSame = (a: Address, b: Address): boolean => a.host === b.host && a.port === b.port

function toJson({ secret, ...server }: KnownServer): object {
  return { ...server, secret: Buffer.from(secret).toString("base64") }
}

function fromJson(said: unknown): KnownServer | undefined {
  if (typeof said !== "object" || said === null) return undefined
  const { name, addresses, keyId, secret: letters, lastGood } = said as Record<string, unknown>
  if (typeof name !== "string" || !isUserName(name) || typeof keyId !== "string" || !isKeyId(keyId)) return undefined
  if (typeof letters !== "string" || !Array.isArray(addresses) || !addresses.every(isAddress)) return undefined
  if (addresses.length < 1 || addresses.length > MAX_ADDRESSES) return undefined
  const secret = new Uint8Array(Buffer.from(letters, "base64"))
  if (secret.length !== SECRET_BYTES) return undefined
  return { name, addresses, keyId, secret, ...(isAddress(lastGood) && { lastGood }) }
}

function isAddress(said: unknown): said is Address {
  if (typeof said !== "object" || said === null) return false
  const { host, port } = said as Record<string, unknown>
  const isHost = typeof host === "string" && host.length <= 253 && /^[^\p{C}\p{Z}]+$/u.test(host)
  return isHost && typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535
}
