/** The server's keys: tickets that wait to be redeemed and the devices that have joined, kept in a store. */
import { SECRET_BYTES } from "../protocol/ticket.ts"
import {
  type BoardGrant,
  type DeviceKey,
  deviceName,
  type Key,
  keyFromJson,
  keyToJson,
  type SpentKey,
  spentFromJson,
  type TicketKey,
} from "./key.ts"
import { damaged, loadObject, type SecretStore, STORE_VERSION } from "./secret-store.ts"

/** Keys at once, tickets and devices; far more than a lab has, few enough to be written at once. */
export const MAX_KEYS = 1000
/** Spent keys that are remembered; the oldest are forgotten first. */
export const MAX_SPENT = 1000
const KEY_ID_BYTES = 8
const REMEDY = "put a copy back, or move it away and invite everybody again"

/** The outside world of a key book. */
export interface KeyBookContext {
  /** Unix time, milliseconds. */
  readonly now: () => number
  /** Fit for secrets. */
  readonly randomBytes: (length: number) => Uint8Array
}

/** What an id stands for. Only a "valid" one may prove anything; the rest is for counters and the log, never for the peer. */
export type FoundKey =
  | { readonly status: "valid"; readonly key: Key }
  | { readonly status: SpentKey["why"]; readonly user: string }
  | { readonly status: "unknown" }

/** What came of redeeming a ticket. */
export type Redeemed = { readonly status: "redeemed"; readonly key: DeviceKey } | Exclude<FoundKey, { status: "valid" }>

/** There is no room for another key. */
export class TooManyKeysError extends Error {
  override readonly name = "TooManyKeysError"
  constructor() {
    super(`there are ${MAX_KEYS} keys already: revoke users who are gone (spinnaker-relay invites lists all)`)
  }
}

/** Every change is in the store before it counts; if the store throws its StoreError, nothing has changed. */
export class KeyBook {
  readonly #store: SecretStore
  readonly #context: KeyBookContext
  #keys: ReadonlyMap<string, Key>
  #spent: readonly SpentKey[]

  private constructor(store: SecretStore, context: KeyBookContext, keys: readonly Key[], spent: readonly SpentKey[]) {
    this.#store = store
    this.#context = context
    this.#keys = byId(keys)
    this.#spent = spent
  }

  /** The keys in `store`, none if there is nothing yet; throws StoreError. */
  static open(store: SecretStore, context: KeyBookContext): KeyBook {
    const said = loadObject(store, REMEDY) ?? { keys: [], spent: [] }
    if (!Array.isArray(said.keys) || !Array.isArray(said.spent)) throw damaged(store, "it has no list of keys", REMEDY)
    const keys = said.keys.map(keyFromJson)
    const bad = keys.indexOf(undefined)
    if (bad >= 0) throw damaged(store, `key ${bad + 1} of ${keys.length} makes no sense`, REMEDY)
    // Of spent keys nothing depends on the record.
    const spent = said.spent.map(spentFromJson).filter((key) => key !== undefined)
    return new KeyBook(store, context, keys as Key[], spent)
  }

  /** A new ticket's key, good for `validMs`. `user` has been checked with isUserName. Throws TooManyKeysError. */
  invite(user: string, boards: BoardGrant, validMs: number): TicketKey {
    const { now, randomBytes } = this.#context
    const createdAt = now()
    const common = { id: this.#newId(), user, secret: randomBytes(SECRET_BYTES), boards, createdAt }
    const key: TicketKey = { kind: "ticket", ...common, expiresAt: createdAt + validMs }
    this.#change([], [key])
    return key
  }

  /** An id that no key has or had. */
  #newId(): string {
    for (;;) {
      const id = Buffer.from(this.#context.randomBytes(KEY_ID_BYTES)).toString("hex")
      if (this.find(id).status === "unknown") return id
    }
  }

  /** What `id` stands for now. */
  find(id: string): FoundKey {
    const key = this.#keys.get(id)
    if (key) return this.#isExpired(key) ? { status: "expired", user: key.user } : { status: "valid", key }
    const spent = this.#spent.find((one) => one.id === id)
    return spent ? { status: spent.why, user: spent.user } : { status: "unknown" }
  }

  /**
   * Puts a device's key in the place of a ticket's, with that ticket's user and boards. Call it once the ticket has been
   * proved; a ticket that is good no more changes nothing. Throws TooManyKeysError never: a ticket makes room for a device.
   */
  redeem(ticketId: string, device: { id: string; secret: Uint8Array; name: string }): Redeemed {
    const found = this.find(ticketId)
    if (found.status !== "valid") return found
    const ticket = found.key
    // A device's key is none that could be redeemed, whoever proved it.
    if (ticket.kind !== "ticket" || this.find(device.id).status !== "unknown") return { status: "unknown" }
    const { id, secret } = device
    const { user, boards } = ticket
    const common = { id, user, secret, boards, createdAt: this.#context.now() }
    const key: DeviceKey = { kind: "device", ...common, device: deviceName(device.name) }
    this.#change([this.#spend(ticket, "used")], [key])
    return { status: "redeemed", key }
  }

  /** Takes all keys of a user, or the one key of that id; returns those that were taken, for ending their sessions. */
  revoke(userOrId: string): readonly Key[] {
    const taken = [...this.#keys.values()].filter((key) => key.user === userOrId || key.id === userOrId)
    if (taken.length > 0) this.#change(taken.map((key) => this.#spend(key, "revoked")))
    return taken
  }

  /** Every key that is good now, by user, the oldest first. */
  list(): readonly Key[] {
    const good = [...this.#keys.values()].filter((key) => !this.#isExpired(key))
    return good.sort((a, b) => (a.user === b.user ? a.createdAt - b.createdAt : a.user < b.user ? -1 : 1))
  }

  #isExpired(key: Key): boolean {
    return key.kind === "ticket" && key.expiresAt <= this.#context.now()
  }

  #spend(key: Key, why: SpentKey["why"]): SpentKey {
    return { id: key.id, user: key.user, why, at: this.#context.now() }
  }

  /** Takes the spent keys away, tickets that have expired since too, and puts new ones in. */
  #change(spent: readonly SpentKey[], added: readonly Key[] = []): void {
    const expired = [...this.#keys.values()].filter(
      (key) => this.#isExpired(key) && !spent.some((one) => one.id === key.id),
    )
    const gone = [...spent, ...expired.map((key) => this.#spend(key, "expired"))]
    const kept = [...this.#keys.values()].filter((key) => !gone.some((one) => one.id === key.id))
    const keys = [...kept, ...added]
    if (keys.length > MAX_KEYS) throw new TooManyKeysError()
    const remembered = [...this.#spent, ...gone].slice(-MAX_SPENT)
    const contents = { version: STORE_VERSION, keys: keys.map(keyToJson), spent: remembered }
    this.#store.save(`${JSON.stringify(contents, undefined, 2)}\n`)
    this.#keys = byId(keys)
    this.#spent = remembered
  }
}

function byId(keys: readonly Key[]): ReadonlyMap<string, Key> {
  return new Map(keys.map((key) => [key.id, key]))
}
