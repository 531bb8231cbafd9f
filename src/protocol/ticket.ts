/**
 * An invite ticket: one line to paste, `spin1-` and letters, with all that a client needs to reach a server and to
 * prove that it was invited. A checksum tells a cut or mistyped paste from one that is right.
 *
 * Version 1, after base32: u16 length of all that follows, u8 length and key id, 32 bytes of secret, u48 expiry in Unix
 * seconds, u8 length and server's name, u8 count of addresses, each u8 length and host, u16 port; then the first 6 bytes
 * of the SHA-256 of "spin1-" and all before. Numbers are big-endian, texts UTF-8.
 */
import { createHash } from "node:crypto"
import { decodeBase32, encodeBase32 } from "./base32.ts"

/** What a ticket says. */
export interface Ticket {
  /** Which key: no secret. Letters, digits, `-` and `_`. */
  readonly keyId: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** What the client calls the server if its user does not choose another name. */
  readonly serverName: string
  /** Where the server may be reached; to be tried, best first. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  /** Unix time in seconds after which it is worth nothing. */
  readonly expiresAt: number
}

/** Bytes of a secret. */
export const SECRET_BYTES = 32
/** Addresses in a ticket at most. */
export const MAX_TICKET_ADDRESSES = 16
/** Longest key id, in characters. */
export const MAX_KEY_ID = 32
/** Longest paste that is looked at, in characters: several times a full ticket. */
export const MAX_PASTE = 32_768
/** Longest host, as in DNS, and longest server's name, in bytes. */
const MAX_HOST = 253
const MAX_SERVER_NAME = 63

const PREFIX = "spin1-"
const LENGTH_BYTES = 2
const CHECKSUM_BYTES = 6

/** The ticket as a line; RangeError if it breaks a limit. */
export function encodeTicket(ticket: Ticket): string {
  const { keyId, secret, serverName, addresses, expiresAt } = ticket
  const problem = problemOf(ticket)
  if (problem) throw new RangeError(`a ticket cannot have ${problem}`)
  const expiry = Buffer.alloc(6)
  expiry.writeUIntBE(expiresAt, 0, 6)
  const body = Buffer.concat([
    text(keyId),
    secret,
    expiry,
    text(serverName),
    Uint8Array.of(addresses.length),
    ...addresses.flatMap(({ host, port }) => [text(host), Uint8Array.of(port >> 8, port & 0xff)]),
  ])
  const length = body.length + CHECKSUM_BYTES
  const said = Buffer.concat([Uint8Array.of(length >> 8, length & 0xff), body])
  return PREFIX + encodeBase32(Buffer.concat([said, checksum(said)]))
}

/** What was pasted, or why it is no ticket: `text` is for the person who pasted it. */
export type TicketResult =
  | { readonly ok: true; readonly ticket: Ticket }
  | { readonly ok: false; readonly code: TicketProblem; readonly text: string }

/** Why a paste is no ticket. */
export type TicketProblem = "empty" | "not-a-ticket" | "newer" | "incomplete" | "mistyped" | "too-much"

const SAY: Readonly<Record<TicketProblem, string>> = {
  empty: "nothing was pasted: copy the line that begins with spin1-",
  "not-a-ticket": "this is no ticket: copy the whole line that begins with spin1-",
  newer: "the ticket was made by a newer version of spinnaker-relay: update this one, then try again",
  incomplete: "the ticket is incomplete: copy the whole line, to its end",
  mistyped: "the ticket is damaged, some of its letters are not as they were: copy the whole line once more",
  "too-much": "more than a ticket was pasted: copy only the line that begins with spin1-",
}

/** Reads a pasted ticket. White space and line breaks within are passed over, and quotes or words before it. */
export function decodeTicket(pasted: string): TicketResult {
  if (pasted.length > MAX_PASTE) return problem("too-much")
  // \p{Cf}: zero-width characters that web pages put where a line may be broken.
  const joined = pasted.replace(/[\s\p{Cf}]+/gu, "")
  if (joined === "") return problem("empty")
  const found = /spin(\d{1,9})-(.*)$/iu.exec(joined)
  if (!found) return problem(/^spin\d*$/i.test(joined) ? "incomplete" : "not-a-ticket")
  const [, version = "", rest = ""] = found
  if (Number(version) !== 1) return problem(Number(version) > 1 ? "newer" : "not-a-ticket")
  const letters = /^[a-z2-7]*/i.exec(rest)![0]
  const behind = rest.slice(letters.length).replace(/^["'`*_>).,;]+$/, "")
  const bytes = decodeBase32(letters)!
  if (bytes.length < LENGTH_BYTES) return problem(behind === "" ? "incomplete" : "mistyped")
  const wholeBytes = LENGTH_BYTES + ((bytes[0]! << 8) | bytes[1]!)
  const wholeLetters = Math.ceil((wholeBytes * 8) / 5)
  if (letters.length < wholeLetters) return problem(behind === "" ? "incomplete" : "mistyped")
  const said = bytes.subarray(0, Math.max(0, wholeBytes - CHECKSUM_BYTES))
  const sound = Buffer.compare(checksum(said), bytes.subarray(said.length, wholeBytes)) === 0
  if (!sound) return problem("mistyped")
  if (letters.length > wholeLetters || behind !== "") return problem("too-much")
  const ticket = ticketOf(said.subarray(LENGTH_BYTES))
  return ticket && problemOf(ticket) === undefined ? { ok: true, ticket } : problem("mistyped")
}

function problem(code: TicketProblem): TicketResult {
  return { ok: false, code, text: SAY[code] }
}

/** The first thing in a ticket that breaks a limit. */
function problemOf({ keyId, secret, serverName, addresses, expiresAt }: Ticket): string | undefined {
  if (!isKeyId(keyId)) return `the key id ${JSON.stringify(keyId)}`
  if (secret.length !== SECRET_BYTES) return `a secret of ${secret.length} bytes`
  if (!isPrintable(serverName, MAX_SERVER_NAME)) return `the server's name ${JSON.stringify(serverName)}`
  if (!(Number.isInteger(expiresAt) && expiresAt >= 0 && expiresAt < 2 ** 48)) return `the expiry ${expiresAt}`
  if (addresses.length < 1 || addresses.length > MAX_TICKET_ADDRESSES) return `${addresses.length} addresses`
  for (const { host, port } of addresses) {
    if (!isPrintable(host, MAX_HOST) || /\s/.test(host)) return `the host ${JSON.stringify(host)}`
    if (!(Number.isInteger(port) && port >= 1 && port <= 65_535)) return `the port ${port}`
  }
  return undefined
}

/** True for what a key may be called on the wire. */
export function isKeyId(id: string): boolean {
  return id.length <= MAX_KEY_ID && /^[\w-]+$/.test(id)
}

/** Names are printed: nothing that steers a terminal or cannot be seen. */
function isPrintable(name: string, maxBytes: number): boolean {
  return Buffer.byteLength(name) <= maxBytes && /^[^\p{C}]+$/u.test(name)
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value)
  return Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

function checksum(said: Uint8Array): Uint8Array {
  return createHash("sha256").update(PREFIX).update(said).digest().subarray(0, CHECKSUM_BYTES)
}

/** Undefined if the lengths within do not fit together. */
function ticketOf(body: Uint8Array): Ticket | undefined {
  const buffer = Buffer.from(body)
  let at = 0
  const take = (length: number): Buffer => {
    const piece = buffer.subarray(at, at + length)
    at += length
    return piece.length === length ? piece : Buffer.alloc(length)
  }
  const number = (bytes: number): number => take(bytes).readUIntBE(0, bytes)
  const keyId = take(number(1)).toString()
  const secret = new Uint8Array(take(SECRET_BYTES))
  const expiresAt = number(6)
  const serverName = take(number(1)).toString()
  const addresses = Array.from({ length: number(1) }, () => ({ host: take(number(1)).toString(), port: number(2) }))
  return at === buffer.length ? { keyId, secret, serverName, addresses, expiresAt } : undefined
}
