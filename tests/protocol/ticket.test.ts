import { describe, expect, test } from "bun:test"
import { decodeTicket, encodeTicket, MAX_PASTE, type Ticket, type TicketProblem } from "../../src/protocol/ticket.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

const TICKET: Ticket = {
  keyId: "0123456789abcdef",
  secret: Uint8Array.from({ length: 32 }, (_, at) => at),
  serverName: "pi",
  addresses: [
    { host: "raspberrypi.local", port: 17_896 },
    { host: "192.0.2.7", port: 17_896 },
    { host: "2001:db8::7", port: 443 },
  ],
  expiresAt: 1_795_000_000,
}
const LINE = encodeTicket(TICKET)
/** The first ticket of this form that was made. */
const PINNED =
  "spin1-abcrambrgiztinjwg44dsylcmnsgkzqaaebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4aaa2x5q3aae4djaeawqaab355uw3qmnm"

function codeOf(pasted: string): TicketProblem | "fine" {
  const result = decodeTicket(pasted)
  return result.ok ? "fine" : result.code
}

describe("a ticket", () => {
  test("is one line of letters and digits, and says what it was made of", () => {
    expect(LINE).toMatch(/^spin1-[a-z2-7]+$/)
    expect(decodeTicket(LINE)).toEqual({ ok: true, ticket: TICKET })
  })

  test("stays what it is: tickets that were sent must be read by later versions", () => {
    const small: Ticket = { ...TICKET, addresses: [{ host: "h", port: 1 }] }
    expect(encodeTicket(small)).toBe(PINNED)
  })

  test("is as good with line breaks, indentation, zero-width characters, quotes or words before it", () => {
    const broken = LINE.replace(/(.{40})/g, "$1\r\n   ")
    for (const pasted of [
      `${LINE}\n`,
      broken,
      `\`${LINE}\``,
      `"${LINE}"`,
      `> ${LINE}`,
      `Your ticket: ${LINE}.`,
      LINE.replace(/(.{30})/g, "$1\u200b"),
      LINE.toUpperCase(),
      `\ufeff${LINE}`,
    ]) {
      expect(codeOf(pasted)).toBe("fine")
    }
  })

  test("can have a name and an address of any length that is allowed, and 16 addresses", () => {
    const addresses = Array.from({ length: 16 }, (_, at) => ({ host: "h".repeat(253), port: 65_535 - at }))
    const ticket: Ticket = { ...TICKET, keyId: "k".repeat(32), serverName: "ü".repeat(31), addresses, expiresAt: 0 }
    const line = encodeTicket(ticket)
    expect(line.length).toBeLessThan(MAX_PASTE / 4)
    expect(decodeTicket(line)).toEqual({ ok: true, ticket })
  })

  const tooMuch: [what: string, change: Partial<Ticket>][] = [
    ["a key id that is none", { keyId: "a b" }],
    ["a key id that is too long", { keyId: "k".repeat(33) }],
    ["a short secret", { secret: new Uint8Array(31) }],
    ["a name that steers the terminal", { serverName: "\u001b[2J" }],
    ["no name", { serverName: "" }],
    ["no address", { addresses: [] }],
    ["17 addresses", { addresses: Array.from({ length: 17 }, () => ({ host: "h", port: 1 })) }],
    ["a host with a space", { addresses: [{ host: "a b", port: 1 }] }],
    ["port 0", { addresses: [{ host: "h", port: 0 }] }],
    ["an expiry before time", { expiresAt: -1 }],
  ]
  test.each(tooMuch)("cannot have %s", (_, change) => {
    expect(() => encodeTicket({ ...TICKET, ...change })).toThrow(RangeError)
  })
})

describe("a paste that is no ticket is told why", () => {
  test("cut anywhere, it is incomplete", () => {
    for (let length = 1; length < LINE.length; length++) {
      const expected: TicketProblem = length < 4 ? "not-a-ticket" : "incomplete"
      expect(codeOf(LINE.slice(0, length))).toBe(expected)
    }
    expect(decodeTicket(LINE.slice(0, 50))).toMatchObject({ text: expect.stringContaining("copy the whole line") })
  })

  test("with its beginning lost, it is no ticket", () => expect(codeOf(LINE.slice(6))).toBe("not-a-ticket"))

  test("with a letter changed or lost, it is damaged or incomplete, never another ticket", () => {
    for (let at = 6; at < LINE.length; at++) {
      const other = LINE[at] === "a" ? "b" : "a"
      expect(["mistyped", "incomplete"]).toContain(codeOf(LINE.slice(0, at) + other + LINE.slice(at + 1)))
      expect(["mistyped", "incomplete"]).toContain(codeOf(LINE.slice(0, at) + LINE.slice(at + 1)))
    }
  })

  const others: [pasted: string, code: TicketProblem][] = [
    ["", "empty"],
    [" \n\t", "empty"],
    ["hello", "not-a-ticket"],
    ["spin0-aaaa", "not-a-ticket"],
    [LINE.replace("spin1", "spin2"), "newer"],
    ["spin12-?", "newer"],
    [`${LINE}aa`, "too-much"],
    [`${LINE} ${LINE}`, "too-much"],
    ["x".repeat(MAX_PASTE + 1), "too-much"],
    [`${LINE.slice(0, 60)}...${LINE.slice(63)}`, "mistyped"],
  ]
  test.each(others)("%j: %s", (pasted, code) => expect(codeOf(pasted)).toBe(code))

  test("whatever it is, in one line that never repeats the secret", () => {
    for (const pasted of [LINE.slice(0, 100), LINE.replace("spin1", "spin9"), `${LINE}x`]) {
      const result = decodeTicket(pasted)
      if (result.ok) throw new Error("taken")
      expect(result.text).not.toContain("\n")
      expect(result.text).not.toContain(LINE.slice(30, 40))
    }
  })
})

test("any text is refused or is a ticket that says the same again", () => {
  const random = seededRandom(1)
  const decoder = new TextDecoder("latin1")
  let fine = 0
  for (let i = 0; i < 4000; i++) {
    const bytes = i % 4 === 0 ? randomBytes(random, integer(random, 0, 300)) : mutate(random, utf8(LINE))
    const prefix = i % 8 === 0 ? "spin1-" : ""
    const result = decodeTicket(prefix + decoder.decode(bytes))
    if (!result.ok) continue
    fine++
    expect(result.ticket).toEqual(TICKET)
  }
  // Mutations in the size of letters or behind the end change nothing.
  expect(fine).toBeLessThan(400)
})
