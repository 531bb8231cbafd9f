/**
 * What one program has asked of a board's IP tags, as a pure state machine: kept beside the program, so that what comes
 * by a tag goes where the program meant, and so that its tags can be set again at a server that has forgotten them.
 */
import { IptagOp, type IptagRequest, wordToIp } from "../protocol/iptag.ts"
import { SCP_OFFSET } from "../protocol/scp.ts"
import { isLoopback } from "../transport/address.ts"
import { withSequence } from "./scp-classify.ts"
import { type Asker, NO_TAG, type TagRequest } from "./tag-request.ts"

/** Requests that wait for their answer; programs ask one at a time. */
export const BOOK_PENDING_LIMIT = 32

const ARG1 = SCP_OFFSET + 4

interface Pending {
  readonly request: TagRequest
  readonly datagram: Uint8Array
}

interface Entry {
  readonly asked: IptagRequest
  /** The request that set it. */
  readonly datagram: Uint8Array
  readonly expiresAt: number
}

/** The tags of one program. */
export class TagBook {
  readonly #pending = new Map<number, Pending>()
  readonly #entries = new Map<number, Entry>()

  /** True while an answer may concern a tag. */
  get awaits(): boolean {
    return this.#pending.size > 0
  }

  /** Requests without an answer, as the program sent them, the oldest first. */
  get unanswered(): Uint8Array[] {
    return [...this.#pending.values()].map(({ datagram }) => datagram)
  }

  /** The program has asked. */
  ask(request: TagRequest, datagram: Uint8Array): void {
    this.#pending.delete(request.sequence)
    this.#pending.set(request.sequence, { request, datagram })
    if (this.#pending.size <= BOOK_PENDING_LIMIT) return
    for (const oldest of this.#pending.keys()) {
      this.#pending.delete(oldest)
      return
    }
  }

  /** The answer to request `sequence` has come; returns the request. `tag` is the one that an OK to SET or NEW names. */
  answered(sequence: number, ok: boolean, tag: number | undefined, now: number): TagRequest | undefined {
    const found = this.#pending.get(sequence)
    if (!found) return undefined
    this.#pending.delete(sequence)
    const { request, datagram } = found
    if (!ok) return request
    if (request.kind === "clear") this.#entries.delete(request.tag)
    const named = request.kind === "set" ? request.tag : request.kind === "new" ? tag : undefined
    if (named !== undefined && named < NO_TAG) {
      const { asked } = request
      const lifeMs = asked.timeoutCode === 0 ? Number.POSITIVE_INFINITY : 10 * 2 ** (asked.timeoutCode - 1)
      this.#entries.set(named, { asked, datagram, expiresAt: now + lifeMs })
    }
    return request
  }

  /** What the program asked for when it set `tag`. A tag that has only been asked for may be in use already. */
  asked(tag: number): IptagRequest | undefined {
    const entry = this.#entries.get(tag)
    if (entry) return entry.asked
    for (const { request } of this.#pending.values()) {
      if (request.kind === "set" && request.tag === tag) return request.asked
    }
    return undefined
  }

  /** Tags whose life is not over. */
  live(now: number): { tag: number; asked: IptagRequest }[] {
    return [...this.#entries].flatMap(([tag, { asked, expiresAt }]) => (expiresAt > now ? [{ tag, asked }] : []))
  }

  /** Requests that set all tags again, numbered from what `nextSequence` gives. Of a tag's life its whole span. */
  renewals(now: number, nextSequence: () => number): Uint8Array[] {
    return this.live(now).map(({ tag }) => {
      const renewal = withSequence(this.#entries.get(tag)!.datagram, nextSequence())
      // What NEW was given is set by its number.
      renewal[ARG1] = tag
      renewal[ARG1 + 2] = IptagOp.set
      return renewal
    })
  }

  /** The board has forgotten what was set; returns the tags. What has no answer yet may still be set. */
  lose(): number[] {
    const tags = [...this.#entries.keys()]
    this.#entries.clear()
    return tags
  }

  /** Nothing is held any more. */
  clear(): void {
    this.#entries.clear()
    this.#pending.clear()
  }
}

/**
 * The host that a program means by a tag's address. `127.0.0.1` (from SpiNNMan's "localhost") and 0.0.0.0 are its own
 * host. A program on this machine may name any other; one elsewhere gets what it asks for itself, and nobody else.
 */
export function meantHost(asked: IptagRequest, asker: Asker): string {
  const host = wordToIp(asked.address)
  const own = asked.address === 0 || isLoopback(host) || !isLoopback(asker.host)
  return own ? asker.host : host
}
