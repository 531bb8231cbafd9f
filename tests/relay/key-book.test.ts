import { describe, expect, test } from "bun:test"
import type { Key, TicketKey } from "../../src/relay/key.ts"
import { KeyBook, MAX_KEYS, MAX_SPENT, TooManyKeysError } from "../../src/relay/key-book.ts"
import { StoreError } from "../../src/relay/secret-store.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { mutate, randomBytes, utf8 } from "../support/fuzz.ts"
import { MemoryStore } from "../support/memory-store.ts"

const HOUR = 3_600_000

/** A book, its store, and a clock that the test moves. */
function setUp(store = new MemoryStore()) {
  const random = seededRandom(3)
  const clock = { now: 1_795_000_000_000 }
  const context = { now: () => clock.now, randomBytes: (length: number) => randomBytes(random, length) }
  const book = KeyBook.open(store, context)
  return {
    store,
    clock,
    book,
    again: () => KeyBook.open(store, context),
    /** The device's key. */
    redeem: (ticket: Key, name = "laptop", secret = randomBytes(random, 32)): Key => {
      const { state, ...key } = book.find(book.redeem(ticket.id, { name, secret }))!
      expect(state).toBe("valid")
      return key
    },
    stateOf: (key: Key) => book.find(key.id)?.state,
  }
}

describe("a ticket", () => {
  test("is redeemed once, for a device's key with its user and boards", () => {
    const { book, redeem, stateOf } = setUp()
    const ticket = book.invite("alice", ["a", "b"], 24 * HOUR)
    const secret = new Uint8Array(32).fill(5)
    const key = redeem(ticket, "  alice's\u001b laptop\n", secret)
    expect(key).toMatchObject({ kind: "device", user: "alice", boards: ["a", "b"], device: "alice's laptop", secret })
    expect(key.id).not.toBe(ticket.id)
    expect(stateOf(ticket)).toBe("used")
    expect(() => redeem(ticket)).toThrow("no ticket to redeem")
    expect(book.list()).toEqual([key])
  })

  test("is worth nothing once it has expired, and is known as such", () => {
    const { book, clock, redeem, stateOf } = setUp()
    const ticket = book.invite("alice", "all", HOUR)
    clock.now += HOUR - 1
    expect(stateOf(ticket)).toBe("valid")
    clock.now += 1
    expect(stateOf(ticket)).toBe("expired")
    expect(() => redeem(ticket)).toThrow("no ticket to redeem")
    expect(book.list()).toEqual([])
    book.invite("bob", "all", HOUR)
    expect(stateOf(ticket)).toBe("expired")
  })

  test("has its own id and secret each time", () => {
    const { book } = setUp()
    const [first, second] = [book.invite("alice", "all", HOUR), book.invite("alice", "all", HOUR)]
    expect(first.id).not.toBe(second.id)
    expect(first.secret).not.toEqual(second.secret)
    expect(first.secret).toHaveLength(32)
  })

  test("never gets the id of a key that there is", () => {
    // The same bytes twice, then others.
    const fills = [1, 9, 1, 1, 2, 9]
    const context = { now: () => 0, randomBytes: (length: number) => new Uint8Array(length).fill(fills.shift() ?? 7) }
    const book = KeyBook.open(new MemoryStore(), context)
    expect(book.invite("alice", "all", HOUR).id).toBe("01".repeat(8))
    expect(book.invite("bob", "all", HOUR).id).toBe("02".repeat(8))
  })
})

describe("a key", () => {
  test("of a device, or that nobody has, cannot be redeemed", () => {
    const { book, redeem, stateOf } = setUp()
    const key = redeem(book.invite("alice", "all", HOUR))
    expect(() => redeem(key)).toThrow("no ticket to redeem")
    expect(() => book.redeem("nobody", { name: "x", secret: new Uint8Array(32) })).toThrow("no ticket to redeem")
    expect(stateOf(key)).toBe("valid")
  })

  test("is taken with all others of its user, or alone by its id", () => {
    const { book, redeem, stateOf } = setUp()
    const [one, two] = [redeem(book.invite("alice", "all", HOUR)), redeem(book.invite("alice", "all", HOUR))]
    const bob = book.invite("bob", "all", HOUR)
    const waiting = book.invite("alice", "all", HOUR)
    expect(book.revoke(one.id)).toEqual([one])
    expect([one, two, bob, waiting].map(stateOf)).toEqual(["revoked", "valid", "valid", "valid"])
    expect(book.revoke("alice")).toEqual([two, waiting])
    expect(book.list()).toEqual([bob])
    expect(book.revoke("alice")).toEqual([])
  })

  test("that is good no more keeps its secret, so that only who knows it is told why", () => {
    const { book, redeem, again } = setUp()
    const ticket = book.invite("alice", "all", HOUR)
    redeem(ticket)
    expect(again().find(ticket.id)).toMatchObject({ state: "used", secret: ticket.secret })
  })

  test("that nobody has is unknown", () => {
    const { book } = setUp()
    for (const id of ["", "x", "__proto__", "constructor", "a".repeat(1000)]) expect(book.find(id)).toBeUndefined()
  })
})

describe("the store", () => {
  test("has everything that a book knows, for the next start", () => {
    const { book, redeem, again } = setUp()
    const keys = [book.invite("alice", ["a"], HOUR), book.invite("älïce", "all", HOUR), book.invite("eve", "all", HOUR)]
    keys.push(redeem(keys[1]!) as TicketKey)
    book.revoke("eve")
    const next = again()
    expect(next.list()).toEqual(book.list())
    expect(keys.map(({ id }) => next.find(id))).toEqual(keys.map(({ id }) => book.find(id)))
    expect(keys.map(({ id }) => next.find(id)?.state)).toEqual(["valid", "used", "revoked", "valid"])
  })

  test("that cannot be written changes nothing", () => {
    const { book, store, redeem, again } = setUp()
    const ticket = book.invite("alice", "all", HOUR)
    store.full = true
    expect(() => book.invite("bob", "all", HOUR)).toThrow(StoreError)
    expect(() => redeem(ticket)).toThrow("disk is full")
    expect(() => book.revoke("alice")).toThrow(StoreError)
    expect(book.list()).toEqual([ticket])
    expect(again().list()).toEqual([ticket])
  })

  /** A store with `count` copies of a ticket of "user", spent or not. */
  function filled(count: number, spent?: object): MemoryStore {
    const store = new MemoryStore()
    setUp(store).book.invite("user", "all", HOUR)
    const { version, keys } = JSON.parse(store.text!)
    const copies = Array.from({ length: count }, (_, at) => ({ ...keys[0], id: `id${at}`, spent }))
    return new MemoryStore(JSON.stringify({ version, keys: copies }))
  }

  test("takes a thousand keys and no more; a device takes the place of its ticket", () => {
    const { book, redeem, clock } = setUp(filled(MAX_KEYS - 1))
    const ticket = book.invite("alice", "all", 2 * HOUR)
    expect(() => book.invite("bob", "all", HOUR)).toThrow(TooManyKeysError)
    const key = redeem(ticket)
    expect(book.list()).toHaveLength(MAX_KEYS)
    // Expired tickets make room.
    clock.now += HOUR
    const other = book.invite("bob", "all", HOUR)
    expect(book.list()).toEqual([key, other])
  })

  test("remembers the last thousand keys that are spent", () => {
    const { book, stateOf } = setUp(filled(MAX_SPENT, { why: "revoked", at: 1 }))
    expect(book.find("id0")?.state).toBe("revoked")
    const ticket = book.invite("alice", "all", HOUR)
    book.revoke("alice")
    expect(stateOf(ticket)).toBe("revoked")
    expect(book.find("id0")).toBeUndefined()
    expect(book.find("id1")?.state).toBe("revoked")
  })

  const damages: [text: string, said: string][] = [
    ["", "it is no JSON"],
    ["{", "it is no JSON"],
    ["[]", "it is no object"],
    ["null", "it is no object"],
    ["{}", "it has no version"],
    ['{"version":1}', "it has no list of keys"],
    ['{"version":1,"keys":[{}]}', "key 1 of 1 makes no sense"],
    ['{"version":2,"keys":[]}', "newer version"],
  ]
  test.each(damages)("that holds %j is refused in one line and not written over", (text, said) => {
    const store = new MemoryStore(text)
    let message = ""
    try {
      setUp(store)
    } catch (error) {
      expect(error).toBeInstanceOf(StoreError)
      message = (error as Error).message
    }
    expect(message).toContain("memory.json")
    expect(message).toContain(said)
    expect(message).not.toContain("\n")
    expect(store.saves).toBe(0)
  })

  test("that holds any text at all is refused, or gives whole keys; no message tells a secret", () => {
    const { book, store, redeem } = setUp()
    redeem(book.invite("alice", ["a"], HOUR))
    const secret = Buffer.from(book.invite("bob", "all", HOUR).secret).toString("base64")
    const random = seededRandom(9)
    let refused = 0
    for (let i = 0; i < 2000; i++) {
      const text = new TextDecoder().decode(mutate(random, utf8(store.text!)))
      try {
        for (const key of setUp(new MemoryStore(text)).book.list()) {
          expect(key.secret).toHaveLength(32)
          expect(key.user).toMatch(/^\S+$/)
        }
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError)
        expect((error as Error).message).not.toContain(secret.slice(4, 20))
        refused++
      }
    }
    expect(refused).toBeWithin(1000, 2000)
  })
})
