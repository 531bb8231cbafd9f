/**
 * Whose answer is this? Toward a Python server all applications share one connection, and they all count their
 * requests from 0 or 1: replies go to the flow with the matching outstanding request, the oldest first.
 */
import { decodeScpReply, SCP_MIN_REQUEST, SCP_OFFSET } from "../protocol/scp.ts"
import type { ReplyMatcher } from "../transport/tcp-dial.ts"

/** A request without an answer is forgotten after this: above every client's patience (a BMP's power-on: 10 s). */
export const FORGET_AFTER_MS = 12_000
/** Outstanding requests remembered. */
export const MAX_OUTSTANDING = 4096

interface Outstanding {
  readonly flow: number
  readonly sequence: number
  /** Port and core spoken to, and the chip: 0xppcc xxyy as in the datagram. */
  readonly destination: number
  readonly at: number
}

/** The chip 255,255 stands for the one that the machine was booted from, which answers with its own coordinates. */
const ANY_CHIP = 0xffff

function addressAt(datagram: Uint8Array, portCpuOffset: number, chipOffset: number): number {
  return (datagram[portCpuOffset]! << 16) | (datagram[chipOffset]! << 8) | datagram[chipOffset + 1]!
}

/** True if a reply from `source` answers `request`: a reply's source is the request's destination (BMPs' too, measured). */
function answers(request: Outstanding, source: number): boolean {
  if (request.destination === source) return true
  return (request.destination & ANY_CHIP) === ANY_CHIP && request.destination >> 16 === source >> 16
}

/** SCP's matcher. */
export class ScpReplyMatcher implements ReplyMatcher {
  #outstanding: Outstanding[] = []
  /** Flows that have spoken and are not over. */
  readonly #flows = new Set<number>()
  #lastSender: number | undefined

  requested(flow: number, datagram: Uint8Array, now: number): void {
    this.#lastSender = flow
    this.#flows.add(flow)
    if (datagram.length < SCP_MIN_REQUEST) return
    const sequence = datagram[SCP_OFFSET + 2]! | (datagram[SCP_OFFSET + 3]! << 8)
    const destination = addressAt(datagram, 4, 6)
    this.#expire(now)
    const repeated = this.#outstanding.some(
      (entry) => entry.flow === flow && entry.sequence === sequence && entry.destination === destination,
    )
    if (repeated) return
    this.#outstanding.push({ flow, sequence, destination, at: now })
    if (this.#outstanding.length > MAX_OUTSTANDING) this.#outstanding.shift()
  }

  ownerOf(datagram: Uint8Array, now: number): number | undefined {
    const reply = decodeScpReply(datagram)
    // Not an SCP reply: SDP from an application core. Python's own rule: to whoever spoke last.
    if (!reply) return this.#lastSender
    this.#expire(now)
    const source = addressAt(datagram, 5, 8)
    const sameNumber = (entry: Outstanding): boolean => entry.sequence === reply.sequence
    let found = this.#outstanding.findIndex((entry) => sameNumber(entry) && answers(entry, source))
    // Only where there is nobody else that it could be for: the second answer to one application's repeated request
    // must not pass for the answer to another's that has the same number.
    if (found < 0 && this.#flows.size === 1) found = this.#outstanding.findIndex(sameNumber)
    return found < 0 ? undefined : this.#outstanding.splice(found, 1)[0]?.flow
  }

  forget(flow: number): void {
    this.#flows.delete(flow)
    this.#outstanding = this.#outstanding.filter((entry) => entry.flow !== flow)
    if (this.#lastSender === flow) this.#lastSender = undefined
  }

  #expire(now: number): void {
    let old = 0
    while (old < this.#outstanding.length && now - this.#outstanding[old]!.at > FORGET_AFTER_MS) old++
    if (old > 0) this.#outstanding.splice(0, old)
  }
}

/** Boot has no replies; what comes all the same goes to the last sender. */
export class LastSenderMatcher implements ReplyMatcher {
  #last: number | undefined

  requested(flow: number): void {
    this.#last = flow
  }

  ownerOf(): number | undefined {
    return this.#last
  }

  forget(flow: number): void {
    if (this.#last === flow) this.#last = undefined
  }
}
