/**
 * Programs read the other boards' addresses from the machine and open sockets to them. This stage, beside the program,
 * puts the addresses in that the client gave those boards here: in INFO replies, and in whatever is read of sv.ip_addr.
 */

import type { Drops, Observer } from "../observe/observer.ts"
import { Command, Result, SCP_DATA_OFFSET, SCP_OFFSET, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import type { Link } from "../transport/link.ts"
import type { Stage } from "./flow.ts"
import { sequenceOf } from "./scp-classify.ts"
import { StageLink } from "./stage-link.ts"

/** sv.ip_addr of every chip, by both addresses of system RAM (unbuffered and buffered). Source: spinnaker_tools 4.0.0, sark.h. */
export const IP_ADDRESS_AT = [0xf500_7ff0, 0xe500_7ff0] as const
const IP_BYTES = 4
/** Where INFO's body has the chip's own IPv4 address: after three words, 18 core states and the nearest Ethernet chip. */
const INFO_IP = 32
/** Requests remembered on one flow; a client has some ten outstanding, and those without an answer must not stay. */
const MAX_OUTSTANDING = 64

/** Addresses in a map: those of 64 boards, which may each have had some others before. */
export const MAX_ADDRESSES = 256

/** Boards' real addresses and the ones that they have here. */
export class AddressMap {
  readonly #local = new Map<string, Uint8Array>()

  /** Programs find the board whose address is `real` at `local`; both IPv4. */
  set(real: string, local: string): void {
    if (this.#local.size >= MAX_ADDRESSES && !this.#local.has(real)) return
    this.#local.set(real, octets(local))
  }

  get size(): number {
    return this.#local.size
  }

  /**
   * Puts the local address in for the real one, of which `bytes` is the part from octet `from` on. A part that could be
   * several boards' stays as it is. True if it is now, or was, a board's here.
   */
  translate(bytes: Uint8Array, from: number): boolean {
    let found: Uint8Array | undefined
    for (const [real, local] of this.#local) {
      const part = octets(real).subarray(from, from + bytes.length)
      if (!part.every((octet, index) => octet === bytes[index])) continue
      if (found) return true
      found = local
    }
    if (found) bytes.set(found.subarray(from, from + bytes.length))
    return found !== undefined
  }
}

/** A piece of an address in a reply's body: at `at`, octets `from` to `from + length`. */
interface Piece {
  readonly at: number
  readonly from: number
  readonly length: number
}

/** Where the reply to `request` will have a chip's IP address; undefined for most requests. */
export function addressPieces(request: Uint8Array): Piece[] | undefined {
  if (request.length < SCP_DATA_OFFSET) return undefined
  // Not a DataView: every request passes here, and its buffer alone costs more than all that is read of it.
  const command = request[SCP_OFFSET]! | (request[SCP_OFFSET + 1]! << 8)
  if (command === Command.INFO) return [{ at: INFO_IP, from: 0, length: IP_BYTES }]
  if (command !== Command.READ && command !== Command.LINK_READ) return undefined
  const begin = wordAt(request, SCP_OFFSET + 4)
  const end = begin + wordAt(request, SCP_OFFSET + 8)
  for (const address of IP_ADDRESS_AT) {
    const first = Math.max(begin, address)
    const last = Math.min(end, address + IP_BYTES)
    if (first < last) return [{ at: first - begin, from: first - address, length: last - first }]
  }
  return undefined
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** `reply` with the local addresses in the `pieces` of its body; the same bytes where nothing is to be changed. */
export function translateReply(
  reply: Uint8Array,
  pieces: readonly Piece[],
  map: AddressMap,
  unknown: (address: string) => void = () => {},
): Uint8Array {
  const copy = new Uint8Array(reply)
  for (const { at, from, length } of pieces) {
    const bytes = copy.subarray(SCP_REPLY_BODY_OFFSET + at, SCP_REPLY_BODY_OFFSET + at + length)
    // Chips without Ethernet say 0.0.0.0; a reply that is cut short says nothing.
    if (bytes.length < length || bytes.every((octet) => octet === 0)) continue
    if (!map.translate(bytes, from) && length === IP_BYTES) unknown(bytes.join("."))
  }
  return copy
}

/** What the stage's links share. */
interface Rewriting {
  readonly map: AddressMap
  readonly unknown: (address: string) => void
}

class RewritingLink extends StageLink {
  readonly #outstanding = new Map<number, readonly Piece[]>()
  readonly #rewriting: Rewriting

  constructor(inner: Link, drops: Drops, rewriting: Rewriting) {
    super(inner, drops)
    this.#rewriting = rewriting
  }

  protected override outward(datagram: Uint8Array): void {
    if (this.#rewriting.map.size > 0 && datagram.length >= SCP_DATA_OFFSET) this.#remember(datagram)
    this.inner.send(datagram)
  }

  protected override inward(datagram: Uint8Array): void {
    this.deliver(this.#outstanding.size > 0 ? this.#translated(datagram) : datagram)
  }

  #remember(request: Uint8Array): void {
    const sequence = sequenceOf(request)
    const pieces = addressPieces(request)
    this.#outstanding.delete(sequence)
    if (!pieces) return
    if (this.#outstanding.size >= MAX_OUTSTANDING)
      for (const oldest of this.#outstanding.keys()) {
        this.#outstanding.delete(oldest)
        break
      }
    this.#outstanding.set(sequence, pieces)
  }

  #translated(reply: Uint8Array): Uint8Array {
    if (reply.length < SCP_REPLY_BODY_OFFSET) return reply
    const pieces = this.#outstanding.get(sequenceOf(reply))
    if (!pieces || (reply[SCP_OFFSET]! | (reply[SCP_OFFSET + 1]! << 8)) !== Result.OK) return reply
    return translateReply(reply, pieces, this.#rewriting.map, this.#rewriting.unknown)
  }
}

/** The stage; `unknown` hears of boards that have no address here. Does nothing while the map is empty. */
export function rewriteAddresses(map: AddressMap, observer: Observer, unknown: (address: string) => void): Stage {
  const rewriting = { map, unknown }
  return (link) => new RewritingLink(link, observer, rewriting)
}

function octets(address: string): Uint8Array {
  return Uint8Array.from(address.split(".").map(Number))
}
