/** The control requests about keys, for a server that runs and for `invite` beside one that does not. */

import { closestWord } from "../config/closest-word.ts"
import { encodeTicket, MAX_TICKET_ADDRESSES } from "../protocol/ticket.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import { readHostPort } from "../transport/host.ts"
import { ControlError, type ControlHandlers, type InviteRequest, type KeyInfo } from "./control.ts"
import type { Key } from "./key.ts"
import type { KeyBook } from "./key-book.ts"

/** What the requests need of the server. */
export interface KeyControlContext {
  /** What tickets call the server. */
  readonly serverName: () => string
  /** Names of the boards that there are; undefined where that is not known. */
  readonly boards: () => readonly string[] | undefined
  /** Where the server may be reached, for a ticket that names no host. */
  readonly addresses: () => readonly Address[]
  /** Where a host that is named without a port is asked. */
  readonly port: () => number
  /** Keys are good no more: ends their sessions, returns how many. */
  readonly onRevoked: (keys: readonly Key[]) => number
}

/** Those handlers. */
export function keyControl(
  book: KeyBook,
  context: KeyControlContext,
): Pick<ControlHandlers, "invites" | "invite" | "revoke"> {
  return {
    invites: () => book.list().map(infoOf),
    invite(request) {
      const { name, boards, expiresMs } = request
      const addresses = addressesOf(request, context)
      checkBoards(request, context)
      const { id, secret, expiresAt } = book.invite(name, boards, expiresMs)
      const serverName = shortened(context.serverName())
      const said = { keyId: id, secret, serverName, addresses, expiresAt: Math.floor(expiresAt / 1000) }
      return { ticket: encodeTicket(said), addresses: addresses.map(formatAddress), serverName, expiresAt }
    },
    revoke(name) {
      const taken = book.revoke(name)
      if (taken.length === 0) throw new ControlError(`nobody called ${name} has a key${hint(name, usersOf(book))}`)
      return { keys: taken.length, sessions: context.onRevoked(taken) }
    },
  }
}

/** A key without its secret. */
function infoOf({ secret: _, spent: __, ...info }: Key): KeyInfo {
  return info
}

function addressesOf({ hosts }: InviteRequest, context: KeyControlContext): readonly Address[] {
  if (hosts.length === 0) return context.addresses()
  if (hosts.length > MAX_TICKET_ADDRESSES) {
    throw new ControlError(`a ticket has room for ${MAX_TICKET_ADDRESSES} hosts, not ${hosts.length}`)
  }
  try {
    return hosts.map((text) => readHostPort(text, context.port()))
  } catch (error) {
    throw new ControlError(`--host ${(error as RangeError).message}`, { cause: error })
  }
}

function checkBoards({ boards }: InviteRequest, context: KeyControlContext): void {
  const known = context.boards()
  if (boards === "all" || known === undefined) return
  const missing = boards.find((board) => !known.includes(board))
  if (missing !== undefined) throw new ControlError(`there is no board called ${missing}${hint(missing, known)}`)
}

const usersOf = (book: KeyBook): string[] => [...new Set(book.list().map(({ user }) => user))]

/** Names listed in a hint. */
const LISTED = 12

/** ": did you mean board-a?", or all the names that there are. */
export function hint(typed: string, known: readonly string[]): string {
  const meant = closestWord(typed, known)
  if (meant !== undefined) return `: did you mean ${meant}?`
  if (known.length === 0) return ": there is none at all"
  const more = known.length - LISTED
  return `: there are ${known.slice(0, LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

/** A ticket has room for 63 bytes. */
function shortened(name: string): string {
  const printable = name.replace(/\p{C}/gu, "")
  for (let end = Math.min(printable.length, 63); end > 0; end--) {
    const cut = printable.slice(0, end)
    if (Buffer.byteLength(cut) <= 63) return cut
  }
  return "server"
}
