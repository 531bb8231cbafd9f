/** The server's keys: tickets that wait to be redeemed and the devices that have joined, kept in a store. */
import { SECRET_BYTES } from "../protocol/ticket.ts"
import {
  type BoardGrant,
  type DeviceKey,
  deviceName,
  type Key,
  type KeyState,
  keyFromJson,
  keyToJson,
  type Spent,
  stateOf,
  type TicketKey,
} from "./key.ts"
import { loadList, type SecretStore, type StoredList, saveList } from "./secret-store.ts"

/** Keys at once, tickets and devices; far more than a lab has, few enough to be written at once. */
export const MAX_KEYS = 1000
/** Keys that are good no more and still remembered; the oldest are forgotten first. */
export const MAX_SPENT = 1000
const KEY_ID_BYTES = 8
const STORED: StoredList<Key> = {
  one: "key",
  all: "keys",
  remedy: "put a copy back, or move it away and invite everybody again",
  toJson: keyToJson,
  fromJson: keyFromJson,
}

/** The outside world of a key book. */
export interface KeyBookContext {
  /** Unix time, milliseconds. */
  readonly now: () => number
  /** Fit for secrets. */
  readonly randomBytes: (length: number) => Uint8Array
}

/** A key, and whether it is good. Only a peer that has proved the key may be told its state. */
export type FoundKey = Key & { readonly state: KeyState }

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

  private constructor(store: SecretStore, context: KeyBookContext, keys: readonly Key[]) {
    this.#store = store
    this.#context = context
    this.#keys = byId(keys)
  }

  /** The keys in `store`, none if there is nothing yet; throws StoreError. */
  static open(store: SecretStore, context: KeyBookContext): KeyBook {
    return new KeyBook(store, context, loadList(store, STORED))
  }

  /** A new ticket's key, good for `validMs`. `user` has been checked with isUserName. Throws TooManyKeysError. */
  invite(user: string, boards: BoardGrant, validMs: number): TicketKey {
    const { now, randomBytes } = this.#context
    const createdAt = now()
    const common = { id: this.#newId(), user, secret: randomBytes(SECRET_BYTES), boards, createdAt }
    const key: TicketKey = { kind: "ticket", ...common, expiresAt: createdAt + validMs }
    this.#change([...this.#keys.values(), key])
    return key
  }

  /** An id that no key has or had. */
  #newId(): string {
    for (;;) {
      const id = Buffer.from(this.#context.randomBytes(KEY_ID_BYTES)).toString("hex")
      if (!this.#keys.has(id)) return id
    }
  }

  /** The key of that id, good or not. */
  find(id: string): FoundKey | undefined {
    const key = this.#keys.get(id)
    return key && { ...key, state: stateOf(key, this.#context.now()) }
  }

  /**
   * Gives a device a key with that secret, and the user and boards of a ticket, which is used now; returns the new key's
   * id. Call it once the ticket has been proved and found valid: for any other it throws, as a fault of the program.
   */
  redeem(ticketId: string, device: { readonly name: string; readonly secret: Uint8Array }): string {
    const ticket = this.find(ticketId)
    if (ticket?.kind !== "ticket" || ticket.state !== "valid") throw new Error(`no ticket to redeem: ${ticketId}`)
    const { user, boards } = ticket
    const common = { id: this.#newId(), user, secret: device.secret, boards, createdAt: this.#context.now() }
    const key: DeviceKey = { kind: "device", ...common, device: deviceName(device.name) }
    this.#change([...this.#with([ticket], "used"), key])
    return key.id
  }

  /** Takes all keys of a user, or the one key of that id; returns those that were taken, for ending their sessions. */
  revoke(userOrId: string): readonly Key[] {
    const taken = this.list().filter((key) => key.user === userOrId || key.id === userOrId)
    if (taken.length > 0) this.#change(this.#with(taken, "revoked"))
    return taken
  }

  /** Every key that is good now, by user, the oldest first. */
  list(): readonly Key[] {
    const good = [...this.#keys.values()].filter((key) => this.#isGood(key))
    return good.sort((a, b) => (a.user === b.user ? a.createdAt - b.createdAt : a.user < b.user ? -1 : 1))
  }

  #isGood(key: Key): boolean {
    return stateOf(key, this.#context.now()) === "valid"
  }

  /** All keys, those of `ended` spent and behind the others, so that the longest spent are the first of the spent. */
  #with(ended: readonly Key[], why: Spent): readonly Key[] {
    const ids = new Set(ended.map(({ id }) => id))
    const [at, keys] = [this.#context.now(), [...this.#keys.values()]]
    const spent = keys.filter(({ id }) => ids.has(id)).map((key): Key => ({ ...key, spent: { why, at } }))
    return [...keys.filter(({ id }) => !ids.has(id)), ...spent]
  }

  #change(keys: readonly Key[]): void {
    const good = keys.filter((key) => this.#isGood(key))
    if (good.length > MAX_KEYS) throw new TooManyKeysError()
    const remembered = keys.filter((key) => !this.#isGood(key)).slice(-MAX_SPENT)
    const kept = [...remembered, ...good]
    saveList(this.#store, STORED, kept)
    this.#keys = byId(kept)
  }
}

function byId(keys: readonly Key[]): ReadonlyMap<string, Key> {
  return new Map(keys.map((key) => [key.id, key]))
}
