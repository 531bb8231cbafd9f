import { describe, expect, test } from "bun:test"
import { IptagOp, type IptagRequest, ipToWord } from "../../src/protocol/iptag.ts"
import { BOOK_PENDING_LIMIT, meantHost, TagBook } from "../../src/relay/tag-book.ts"
import { tagRequestOf } from "../../src/relay/tag-request.ts"
import { iptag, iptagRequest } from "../support/tag-program.ts"

function ask(book: TagBook, sequence: number, change: Partial<IptagRequest>): void {
  const datagram = iptagRequest(sequence, change)
  book.ask(tagRequestOf(datagram)!, datagram)
}

describe("TagBook", () => {
  test("knows what was asked from the asking on, and keeps it once it is granted", () => {
    const book = new TagBook()
    ask(book, 1, { tag: 3, port: 4000 })
    expect(book.asked(3)?.port).toBe(4000)
    expect(book.live(0)).toEqual([])
    book.answered(1, true, 3, 0)
    expect(book.awaits).toBe(false)
    expect(book.live(0)).toMatchObject([{ tag: 3, asked: { port: 4000 } }])
  })

  test("forgets what was refused, and what was cleared", () => {
    const book = new TagBook()
    ask(book, 1, { tag: 3, port: 4000 })
    book.answered(1, false, undefined, 0)
    expect(book.asked(3)).toBeUndefined()
    ask(book, 2, { tag: 3, port: 4000 })
    book.answered(2, true, 3, 0)
    ask(book, 3, { tag: 3, operation: IptagOp.clear })
    book.answered(3, true, undefined, 0)
    expect(book.asked(3)).toBeUndefined()
  })

  test("learns a NEW's number from the answer; 255 is none", () => {
    const book = new TagBook()
    ask(book, 1, { operation: IptagOp.new, port: 4000 })
    book.answered(1, true, 9, 0)
    expect(book.asked(9)?.port).toBe(4000)
    ask(book, 2, { operation: IptagOp.new, port: 5000 })
    book.answered(2, true, 255, 0)
    expect(book.live(0)).toHaveLength(1)
  })

  test("sets all tags again by their numbers, but for those whose life is over", () => {
    const book = new TagBook()
    ask(book, 1, { operation: IptagOp.new, port: 4000 })
    book.answered(1, true, 9, 0)
    ask(book, 2, { tag: 2, timeoutCode: 1 })
    book.answered(2, true, 2, 0)
    const renewals = book.renewals(1_000, () => 0xe001)
    expect(renewals.map((datagram) => tagRequestOf(datagram))).toMatchObject([
      { kind: "set", tag: 9, sequence: 0xe001, asked: { port: 4000 } },
    ])
  })

  test("forgets what the board has forgotten, and not what it has yet to answer", () => {
    const book = new TagBook()
    ask(book, 1, { tag: 2 })
    book.answered(1, true, 2, 0)
    ask(book, 2, { tag: 3 })
    expect(book.lose()).toEqual([2])
    expect(book.live(0)).toEqual([])
    expect(book.renewals(0, () => 1)).toEqual([])
    expect(book.answered(2, true, 3, 0)).toBeDefined()
    expect(book.live(0).map(({ tag }) => tag)).toEqual([3])
  })

  test("remembers no more requests than programs have", () => {
    const book = new TagBook()
    for (let sequence = 0; sequence < 3 * BOOK_PENDING_LIMIT; sequence++) ask(book, sequence, { tag: 1 })
    expect(book.unanswered).toHaveLength(BOOK_PENDING_LIMIT)
  })

  test.each([
    ["0.0.0.0", "127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "127.0.0.5", "127.0.0.5"],
    ["192.0.2.9", "127.0.0.1", "192.0.2.9"],
    ["192.0.2.9", "192.0.2.7", "192.0.2.7"],
  ])("a tag for %s of a program at %s leads to %s", (address, host, meant) => {
    expect(meantHost(iptag({ address: ipToWord(address) }), { host, port: 1 })).toBe(meant)
  })
})
