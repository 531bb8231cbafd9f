import { describe, expect, test } from "bun:test"
import type { DeviceKey, TicketKey } from "../../src/relay/key.ts"
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
  let devices = 0
  const book = KeyBook.open(store, context)
  return {
    store,
    clock,
    context,
    book,
    again: () => KeyBook.open(store, context),
    redeem: (ticket: TicketKey, name = "laptop") =>
      book.redeem(ticket.id, { id: `device${++devices}`, secret: randomBytes(random, 32), name }),
  }
}

describe("a ticket", () => {
  test("is redeemed once, for a device's key with its user and boards", () => {
    const { book, redeem } = setUp()
    const ticket = book.invite("alice", ["a", "b"], 24 * HOUR)
    const redeemed = redeem(ticket, "  alice's\u001b laptop\n")
    expect(redeemed).toMatchObject({ status: "redeemed", key: { kind: "device", user: "alice", boards: ["a", "b"] } })
    const { key } = redeemed as { key: DeviceKey }
    expect(key.device).toBe("alice's laptop")
    expect(book.find(key.id)).toEqual({ status: "valid", key })
    expect(book.find(ticket.id)).toEqual({ status: "used", user: "alice" })
    expect(redeem(ticket)).toEqual({ status: "used", user: "alice" })
    expect(book.list()).toEqual([key])
  })

  test("is worth nothing once it has expired, however it is asked for", () => {
    const { book, clock, redeem } = setUp()
    const ticket = book.invite("alice", "all", HOUR)
    clock.now += HOUR - 1
    expect(book.find(ticket.id).status).toBe("valid")
    clock.now += 1
    expect(book.find(ticket.id)).toEqual({ status: "expired", user: "alice" })
    expect(redeem(ticket)).toEqual({ status: "expired", user: "alice" })
    expect(book.list()).toEqual([])
    book.invite("bob", "all", HOUR)
    expect(book.find(ticket.id)).toEqual({ status: "expired", user: "alice" })
  })

  test("has its own id and secret each time", () => {
    const { book } = setUp()
    const [first, second] = [book.invite("alice", "all", HOUR), book.invite("alice", "all", HOUR)]
    expect(first.id).not.toBe(second.id)
    expect(first.secret).not.toEqual(second.secret)
    expect(first.secret).toHaveLength(32)
  })

  test("never gets the id of a key that there is or was", () => {
    const store = new MemoryStore()
    // The same bytes twice, then others.
    const fills = [1, 9, 1, 1, 2, 9]
    const context = { now: () => 0, randomBytes: (length: number) => new Uint8Array(length).fill(fills.shift() ?? 7) }
    const book = KeyBook.open(store, context)
    expect(book.invite("alice", "all", HOUR).id).toBe("01".repeat(8))
    expect(book.invite("bob", "all", HOUR).id).toBe("02".repeat(8))
  })
})

describe("a key", () => {
  test("of a device cannot be redeemed, nor an id that is taken be given to a device", () => {
    const { book, redeem } = setUp()
    const first = redeem(book.invite("alice", "all", HOUR)) as { key: DeviceKey }
    const device = { id: "mine", secret: new Uint8Array(32), name: "x" }
    expect(book.redeem(first.key.id, device)).toEqual({ status: "unknown" })
    const ticket = book.invite("mallory", "all", HOUR)
    expect(book.redeem(ticket.id, { ...device, id: first.key.id })).toEqual({ status: "unknown" })
    expect(book.find(first.key.id)).toMatchObject({ status: "valid", key: { user: "alice" } })
  })

  test("is taken with all others of its user, or alone by its id", () => {
    const { book, redeem } = setUp()
    const [one, two] = ["one", "two"].map((name) => redeem(book.invite("alice", "all", HOUR), name)) as {
      key: DeviceKey
    }[]
    const bob = book.invite("bob", "all", HOUR)
    const waiting = book.invite("alice", "all", HOUR)
    expect(book.revoke(one!.key.id)).toEqual([one!.key])
    expect(book.find(one!.key.id)).toEqual({ status: "revoked", user: "alice" })
    expect(book.revoke("alice")).toEqual([two!.key, waiting])
    expect(book.list()).toEqual([bob])
    expect(book.revoke("alice")).toEqual([])
  })

  test("that nobody has is unknown", () => {
    const { book } = setUp()
    for (const id of ["", "x", "__proto__", "constructor", "a".repeat(1000)]) {
      expect(book.find(id)).toEqual({ status: "unknown" })
    }
  })
})

describe("the store", () => {
  test("has everything that a book knows, for the next start", () => {
    const { book, redeem, again } = setUp()
    const [ticket, used] = [book.invite("alice", ["a"], HOUR), book.invite("älïce", "all", HOUR)]
    redeem(used)
    const gone = book.invite("eve", "all", HOUR)
    book.revoke("eve")
    const next = again()
    expect(next.list()).toEqual(book.list())
    expect(next.find(ticket.id)).toEqual({ status: "valid", key: ticket })
    expect(next.find(used.id).status).toBe("used")
    expect(next.find(gone.id).status).toBe("revoked")
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

  test("takes a thousand keys and no more, and remembers as many that are spent", () => {
    const { book, store, redeem, clock } = setUp()
    for (let i = 0; i < MAX_KEYS; i++) book.invite(`user${i}`, "all", HOUR)
    expect(() => book.invite("alice", "all", HOUR)).toThrow(TooManyKeysError)
    // A device takes the place of its ticket.
    expect(redeem(book.list()[0] as TicketKey).status).toBe("redeemed")
    clock.now += HOUR
    const ticket = book.invite("alice", "all", HOUR)
    expect(book.list()).toHaveLength(2)
    book.revoke(ticket.id)
    expect(book.find(ticket.id).status).toBe("revoked")
    expect(JSON.parse(store.text!).spent).toHaveLength(MAX_SPENT)
  })

  const damages: [text: string, said: string][] = [
    ["", "it is no JSON"],
    ["{", "it is no JSON"],
    ["[]", "it is no object"],
    ["null", "it is no object"],
    ["{}", "it has no version"],
    ['{"version":1}', "it has no list of keys"],
    ['{"version":1,"keys":[{}],"spent":[]}', "key 1 of 1 makes no sense"],
    ['{"version":2,"keys":[],"spent":[]}', "newer version"],
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
