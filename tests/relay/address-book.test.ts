import { describe, expect, test } from "bun:test"
import { type AddressBook, candidates, MAX_RELAYS, readAddressBook, withAddress } from "../../src/relay/address-book.ts"

const NONE = new Set<string>()

describe("candidates()", () => {
  test("begin after the first board's address", () => {
    expect(candidates({}, "pi:1", "b", "127.0.0.1", NONE).slice(0, 3)).toEqual(["127.0.0.2", "127.0.0.3", "127.0.0.4"])
    expect(candidates({}, "pi:1", "b", "127.7.0.250", NONE)).toEqual(
      ["251", "252", "253", "254"].map((last) => `127.7.0.${last}`),
    )
  })

  test("are 127.0.0.2 and so on where the first board is not on loopback", () => {
    for (const first of ["192.0.2.7", "0.0.0.0", "::1", ""]) {
      expect(candidates({}, "pi:1", "b", first, NONE)[0]).toBe("127.0.0.2")
    }
  })

  test("begin with the address that the board had, and leave out those of others", () => {
    const book: AddressBook = { "pi:1": { a: "127.0.0.2", b: "127.0.0.9" }, "other:1": { c: "127.0.0.3" } }
    expect(candidates(book, "pi:1", "b", "127.0.0.1", new Set(["127.0.0.4"])).slice(0, 3)).toEqual([
      "127.0.0.9",
      "127.0.0.3",
      "127.0.0.5",
    ])
    expect(candidates(book, "pi:1", "b", "127.0.0.1", new Set(["127.0.0.9"]))).not.toContain("127.0.0.9")
  })
})

describe("the address book", () => {
  test("remembers boards by relay, and the relays used last", () => {
    let book: AddressBook = {}
    for (let relay = 0; relay <= MAX_RELAYS; relay++) book = withAddress(book, `pi${relay}:1`, "b", "127.0.0.2")
    expect(Object.keys(book)).toHaveLength(MAX_RELAYS)
    expect(book["pi0:1"]).toBeUndefined()
    book = withAddress(book, "pi1:1", "c", "127.0.0.3")
    expect(Object.keys(book).at(-1)).toBe("pi1:1")
    expect(book["pi1:1"]).toEqual({ b: "127.0.0.2", c: "127.0.0.3" })
  })

  test.each<[unknown, AddressBook]>([
    [null, {}],
    ["text", {}],
    [[1, 2], {}],
    [{ "pi:1": null, "pi:2": 5 }, {}],
    [
      { "pi:1": { a: "127.0.0.2", b: "192.0.2.1", c: 7, d: "127.0.0.256", e: "127.0.0" } },
      { "pi:1": { a: "127.0.0.2" } },
    ],
  ])("is read from %p without what is no address of loopback", (said, book) => {
    expect(readAddressBook(said)).toEqual(book)
  })
})
