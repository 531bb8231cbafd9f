/**
 * The IP tag table of an Ethernet chip: tags 0..7 are set by users, 8..15 are the pool that replies borrow.
 * The pool is what limits everybody: an unanswered request holds its entry for the transient time-out.
 * Source: spinnaker_tools 4.0.0, iptag_new, transient_tag, iptag_timer, cmd_iptag.
 */

/** Entries that users set: 0..7. */
export const TAG_FIXED = 8
/** Entries in the pool: 8..15. */
export const TAG_POOL = 8
/** All entries. */
export const TAG_COUNT = TAG_FIXED + TAG_POOL
/** Milliseconds of one tick of a tag's life. */
export const TAG_TICK_MS = 10
/** The time-out code of transient tags after reset: 10 ms * 2^(9-1) = 2.56 s. */
export const TAG_DEFAULT_TIMEOUT_CODE = 9

/** Bits of an entry's flags word, as IPTAG GET shows them; the low byte holds time-out bits. */
export const TagFlag = {
  valid: 0x8000,
  transient: 0x4000,
  /** The MAC address is not known yet; nothing leaves through the tag. */
  arpPending: 0x2000,
  useSender: 0x0400,
  reverse: 0x0200,
  strip: 0x0100,
} as const

/** One entry; a free one has `flags` 0 and may keep other stale fields, as on the chip. */
export interface Tag {
  flags: number
  /** IPv4 literal of the host that the tag leads to. */
  host: string
  /** The host's UDP port. */
  txPort: number
  /** UDP port that a reverse tag listens on, 0 for others. */
  rxPort: number
  /** Life in ticks of 10 ms when it was set; 0 = for ever. */
  timeoutTicks: number
  /** Clock time at which it ends; Infinity = never. */
  expiresAt: number
  /** Datagrams sent through it. */
  count: number
  /** Chip that a reverse tag feeds, x << 8 | y. */
  destAddress: number
  /** SDP port and core that a reverse tag feeds, port << 5 | core. */
  destPort: number
}

const NO_HOST = "0.0.0.0"

/** An entry with every field zero. */
export function emptyTag(): Tag {
  return {
    flags: 0,
    host: NO_HOST,
    txPort: 0,
    rxPort: 0,
    timeoutTicks: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    count: 0,
    destAddress: 0,
    destPort: 0,
  }
}

/** Life of a time-out code in ticks: 2^(code-1), 0 for code 0 (for ever). */
export function timeoutTicks(code: number): number {
  return code === 0 ? 0 : 1 << (code - 1)
}

/** The sixteen entries. Expiry is looked up when an entry is touched, to the tick, with the `now` that callers give. */
export class TagTable {
  readonly #tags: Tag[] = Array.from({ length: TAG_COUNT }, emptyTag)
  /** Time-out code of transient tags, 0..15. */
  timeoutCode = TAG_DEFAULT_TIMEOUT_CODE

  /** The entry `number` (0..15) as it stands at `now`. */
  at(number: number, now: number): Tag {
    const tag = this.#tags[number]
    if (!tag) throw new RangeError(`No tag ${number}: tags are 0..${TAG_COUNT - 1}`)
    if (tag.flags !== 0 && now >= tag.expiresAt) tag.flags = 0
    return tag
  }

  /** Puts `tag` at `number`, its life beginning at `now`. */
  set(number: number, tag: Tag, now: number): void {
    tag.expiresAt = expiry(tag.timeoutTicks, now)
    this.#tags[number] = tag
  }

  /** The first free entry of the pool, or undefined if all eight are taken. */
  free(now: number): number | undefined {
    for (let number = TAG_FIXED; number < TAG_COUNT; number++) {
      if (this.at(number, now).flags === 0) return number
    }
    return undefined
  }

  /** Lends an entry of the pool to whoever waits for a reply at `host:port`; undefined if all are taken. */
  lend(host: string, port: number, now: number): number | undefined {
    const number = this.free(now)
    if (number === undefined) return undefined
    const tag = this.#tags[number]!
    // Only these fields are written on the chip; the rest of an old entry shines through in GET.
    tag.flags = TagFlag.valid | TagFlag.transient | this.timeoutCode
    tag.txPort = port
    tag.rxPort = 0
    tag.host = host
    tag.timeoutTicks = timeoutTicks(this.timeoutCode)
    tag.expiresAt = expiry(tag.timeoutTicks, now)
    return number
  }

  /** A datagram has left through `tag`: a lent one is free again, others count it. */
  used(tag: Tag): void {
    if (tag.flags & TagFlag.transient) tag.flags = 0
    else tag.count++
  }

  /** The tag that listens on `rxPort`, among 0..7, with its number. */
  reverse(rxPort: number, now: number): { number: number; tag: Tag } | undefined {
    for (let number = 0; number < TAG_FIXED; number++) {
      const tag = this.at(number, now)
      if (tag.flags !== 0 && tag.rxPort === rxPort) return { number, tag }
    }
    return undefined
  }

  /** The UDP ports on which reverse tags listen. */
  listeningPorts(now: number): Set<number> {
    const ports = new Set<number>()
    for (let number = 0; number < TAG_FIXED; number++) {
      const tag = this.at(number, now)
      if (tag.flags & TagFlag.reverse && tag.rxPort !== 0) ports.add(tag.rxPort)
    }
    return ports
  }

  /** How many entries of the pool are lent at `now`. */
  lent(now: number): number {
    let lent = 0
    for (let number = TAG_FIXED; number < TAG_COUNT; number++) if (this.at(number, now).flags !== 0) lent++
    return lent
  }
}

function expiry(ticks: number, now: number): number {
  return ticks === 0 ? Number.POSITIVE_INFINITY : now + ticks * TAG_TICK_MS
}
