/**
 * The one abstraction of the relay: everything that it carries is a datagram, and everything that carries
 * datagrams is a Link.
 */
import type { Drops } from "../observe/observer.ts"
import type { Address } from "./address.ts"

/** Why a link ended; `code` for programs, `detail` for people. */
export interface CloseReason {
  readonly code: CloseCode
  readonly detail?: string
}

/** What ends a link. */
export type CloseCode =
  /** This side called close(). */
  | "closed"
  /** No traffic in either direction for the idle time. */
  | "idle"
  /** Made room for a newer flow. */
  | "evicted"
  /** The other side ended it. */
  | "peer-closed"
  /** The other side broke the protocol, or was not let in. */
  | "refused"
  /** The carrier failed and will not be mended. */
  | "failed"
  /** The process is ending. */
  | "shutdown"

/** A two-way path for datagrams. */
export interface Link {
  /** The far end, `192.0.2.7:40112`, for logs and metrics. */
  readonly peer: string
  /** The user who has proved to be the far end, where one has. */
  readonly owner?: string | undefined
  /** Never throws, never blocks; what cannot go is dropped and counted. May keep the datagram: do not change it after. */
  send(datagram: Uint8Array): void
  /** Set once. Datagrams that came before are held (bounded) and delivered when it is set. */
  set onDatagram(handler: (datagram: Uint8Array) => void)
  /** Set once. Called exactly once, after the last datagram, whichever side ended the link. */
  set onClose(handler: (reason: CloseReason) => void)
  /** Ends the link; a second call does nothing. */
  close(reason?: CloseReason): void
}

/** Something that links arrive at. */
export interface Listener {
  /** Set once; links that came before are held (bounded). */
  set onLink(handler: (link: Link) => void)
  /** Where it listens; with port 0 asked for, the port that was given. */
  readonly address: Address
  /** Stops listening and ends every link that came from here. */
  close(): void
}

/**
 * Opens a link onward on behalf of `application` ("192.0.2.7:40112", for the far end's logs). The link may still
 * be connecting; it holds a bounded number of datagrams meanwhile.
 */
export type Dial = (application: string) => Link

/** The longest datagram that a link carries, in bytes: what UDP over IPv4 can. */
export const MAX_DATAGRAM = 65_507

/** Datagrams and bytes that a link keeps before `onDatagram` is set. */
export const HOLD_LIMIT = { datagrams: 256, bytes: 1 << 20 } as const

/** What all links share: the bounded hold, and `onClose` once and last. Subclasses call `deliver` and `finish`. */
export abstract class BaseLink implements Link {
  abstract readonly peer: string
  protected readonly drops: Drops
  #onDatagram: ((datagram: Uint8Array) => void) | undefined
  #onClose: ((reason: CloseReason) => void) | undefined
  #held: Uint8Array[] = []
  #heldBytes = 0
  #reason: CloseReason | undefined

  constructor(drops: Drops) {
    this.drops = drops
  }

  /** Carries a datagram of at most MAX_DATAGRAM bytes out; called only while the link is open. */
  protected abstract transmit(datagram: Uint8Array): void
  /** Lets go of whatever carries the link; called once, before `onClose`. */
  protected abstract release(reason: CloseReason): void

  get closed(): boolean {
    return this.#reason !== undefined
  }

  send(datagram: Uint8Array): void {
    if (this.#reason) this.drops.drop("closed", this.peer)
    else if (datagram.length > MAX_DATAGRAM) this.drops.drop("oversize", this.peer)
    else this.transmit(datagram)
  }

  set onDatagram(handler: (datagram: Uint8Array) => void) {
    this.#onDatagram = handler
    const failures: unknown[] = []
    // The handler may close the link, which empties the hold; it may throw, and still be owed the rest.
    for (let datagram = this.#unhold(); datagram; datagram = this.#unhold()) {
      try {
        handler(datagram)
      } catch (error) {
        failures.push(error)
      }
    }
    if (this.#reason) this.#announceClose()
    if (failures.length > 0) throw failures[0]
  }

  set onClose(handler: (reason: CloseReason) => void) {
    this.#onClose = handler
    // Held datagrams come first: onClose is the last thing that a link says.
    if (this.#reason && this.#held.length === 0) this.#announceClose()
  }

  close(reason: CloseReason = { code: "closed" }): void {
    if (this.#held.length > 0) this.drops.drop("closed", this.peer, this.#held.length)
    this.#held = []
    this.#heldBytes = 0
    // The far end may have ended it before, with datagrams still held that now nobody will ask for.
    if (this.#reason) this.#announceClose()
    else this.finish(reason)
  }

  /** A datagram has come from the far end. */
  protected deliver(datagram: Uint8Array): void {
    if (this.#reason) {
      this.drops.drop("closed", this.peer)
      return
    }
    if (this.#onDatagram && this.#held.length === 0) {
      this.#onDatagram(datagram)
      return
    }
    this.#held.push(datagram)
    this.#heldBytes += datagram.length
    while (this.#held.length > HOLD_LIMIT.datagrams || this.#heldBytes > HOLD_LIMIT.bytes) {
      this.#unhold()
      this.drops.drop("hold-full", this.peer)
    }
  }

  #unhold(): Uint8Array | undefined {
    const oldest = this.#held.shift()
    this.#heldBytes -= oldest?.length ?? 0
    return oldest
  }

  /** The link is over; further calls do nothing. */
  protected finish(reason: CloseReason): void {
    if (this.#reason) return
    this.#reason = reason
    this.release(reason)
    if (this.#held.length === 0) this.#announceClose()
  }

  #announceClose(): void {
    const handler = this.#onClose
    if (!handler || !this.#reason) return
    this.#onClose = undefined
    this.#onDatagram = undefined
    handler(this.#reason)
  }
}
