/** Clears IP tags at a board on behalf of those who have gone, and asks again until the board has answered. */
import { encodeIptagRequest, IptagOp } from "../protocol/iptag.ts"
import { Command, encodeScpRequest, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import { monitorHeader } from "../protocol/sdp.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import { isReply, sequenceOf } from "./scp-classify.ts"

/** Between two tries, milliseconds: a healthy board answers in a few. */
export const CLEAR_AGAIN_MS = 250
/** Tries; a board that is silent for so long is off or boots, and then has no tags. */
export const CLEAR_TRIES = 8
/** How long a path outlives a board's silence, milliseconds: until it can hardly come back with its tags. */
export const SILENT_MS = 60_000

interface Clearing {
  readonly tag: number
  readonly chip: number
  readonly whenGone: () => void
  sequence: number
  tries: number
  timer: Timer
}

/** What clearing needs. */
export interface TagClearingOptions {
  readonly clock: Clock
  /** Opens a link to the board's SCP port. */
  readonly dial: () => Link
}

/** The tags of one board that are being cleared. */
export class TagClearing {
  readonly #options: TagClearingOptions
  readonly #clearings = new Set<Clearing>()
  #link: Link | undefined
  #nextSequence = 0

  constructor(options: TagClearingOptions) {
    this.#options = options
  }

  /** Has a link at hand, so that a clearing at the very end of the process still leaves. */
  prepare(): void {
    if (this.#link) return
    const link = this.#options.dial()
    link.onClose = () => {
      if (this.#link === link) this.#link = undefined
    }
    link.onDatagram = (datagram) => this.#answered(datagram)
    this.#link = link
  }

  /** Clears `tag` of `chip`; `whenGone` is called once the board surely sends nothing by it any more. */
  clear(tag: number, chip: number, whenGone: () => void): void {
    const timer = { cancel() {} }
    const clearing: Clearing = { tag, chip, whenGone, sequence: 0, tries: 0, timer }
    this.#clearings.add(clearing)
    this.#try(clearing)
  }

  /**
   * Somebody else has set `tag` by now: it must not be cleared. Which of two requests a board executed last is not
   * known for sure, so the path of the one that has gone stays shut a while.
   */
  taken(tag: number): void {
    for (const clearing of [...this.#clearings]) {
      if (clearing.tag !== tag || clearing.tries >= CLEAR_TRIES) continue
      clearing.timer.cancel()
      clearing.tries = CLEAR_TRIES
      clearing.sequence = -1
      this.#try(clearing)
    }
  }

  /** Calls `whenGone` after the time in which a board comes back with its tags, if at all. */
  linger(whenGone: () => void): void {
    const clearing = { tag: -1, chip: 0, whenGone, sequence: -1, tries: CLEAR_TRIES, timer: { cancel() {} } }
    this.#clearings.add(clearing)
    this.#try(clearing)
  }

  /** Ends everything at once. */
  close(): void {
    for (const clearing of [...this.#clearings]) this.#done(clearing)
    this.#link?.close()
    this.#link = undefined
  }

  #try(clearing: Clearing): void {
    const { clock } = this.#options
    if (clearing.tries >= CLEAR_TRIES) {
      clearing.timer = clock.after(SILENT_MS, () => this.#done(clearing))
      return
    }
    this.prepare()
    clearing.tries++
    clearing.sequence = this.#nextSequence = (this.#nextSequence + 1) & 0xffff
    this.#link?.send(clearRequest(clearing.tag, clearing.chip, clearing.sequence))
    clearing.timer = clock.after(CLEAR_AGAIN_MS, () => this.#try(clearing))
  }

  #answered(datagram: Uint8Array): void {
    if (!isReply(datagram) || datagram.length !== SCP_REPLY_BODY_OFFSET) return
    const sequence = sequenceOf(datagram)
    for (const clearing of this.#clearings) {
      if (clearing.sequence !== sequence) continue
      this.#done(clearing)
      return
    }
  }

  #done(clearing: Clearing): void {
    if (!this.#clearings.delete(clearing)) return
    clearing.timer.cancel()
    clearing.whenGone()
  }
}

/** A request that clears `tag` of `chip` (x << 8 | y). */
export function clearRequest(tag: number, chip: number, sequence: number): Uint8Array {
  const sdp = monitorHeader(chip >> 8, chip & 0xff)
  const words = encodeIptagRequest({
    operation: IptagOp.clear,
    tag,
    timeoutCode: 0,
    strip: false,
    reverse: false,
    useSender: false,
    port: 0,
    address: 0,
    destAddress: 0,
    destPort: 0,
  })
  return encodeScpRequest({ sdp, command: Command.IPTAG, sequence, ...words, data: new Uint8Array(0) })
}
