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

/** How well a reply's source fits a request's destination. BMPs answer with a source of their own making. */
function fit(request: Outstanding, source: number): number {
  if (request.destination === source) return 2
  const sameCore = request.destination >> 16 === source >> 16
  return sameCore && (request.destination & ANY_CHIP) === ANY_CHIP ? 2 : 1
}

/** SCP's matcher. */
export class ScpReplyMatcher implements ReplyMatcher {
  #outstanding: Outstanding[] = []
  #lastSender: number | undefined

  requested(flow: number, datagram: Uint8Array, now: number): void {
    this.#lastSender = flow
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
    let best = -1
    let bestFit = 0
    for (let i = 0; i < this.#outstanding.length && bestFit < 2; i++) {
      const entry = this.#outstanding[i]!
      if (entry.sequence !== reply.sequence) continue
      const fits = fit(entry, source)
      if (fits <= bestFit) continue
      best = i
      bestFit = fits
    }
    return best < 0 ? undefined : this.#outstanding.splice(best, 1)[0]?.flow
  }

  forget(flow: number): void {
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
