/** What the parts tell the world: typed events for the log and, for what is lost, counters with a reason. */
import type { Event } from "./events.ts"

/** Why a datagram was not carried. One word each, stable: they are metric labels. */
export type DropReason =
  /** The link was already over. */
  | "closed"
  /** Nobody had asked for the link's datagrams yet and the hold was full. */
  | "hold-full"
  /** A bounded queue was full: the oldest went. */
  | "queue-full"
  /** It waited in a queue longer than anybody waits for an answer. */
  | "queue-old"
  /** The system said that the far end is not there (ICMP, no route, interface down). */
  | "unreachable"
  /** The system's own send buffer was full. */
  | "send-buffer-full"
  /** Longer than the transport can carry. */
  | "oversize"
  /** Its sender is not in --allow. */
  | "not-allowed"
  /** No room for another flow. */
  | "flow-limit"
  /** A reply that no flow waits for. */
  | "unmatched"
  /** Not a datagram of the protocol that this path carries. */
  | "malformed"
  /** Thrown away on purpose by a fault injector. */
  | "fault"
  /** Its connection ended in the middle of it. */
  | "truncated"
  /** A second answer to a request that has had one. */
  | "duplicate-answer"
  /** A repeat of a request that is still being answered. */
  | "absorbed-repeat"
  /** Waited for a free slot at the board longer than a client waits for its answer. */
  | "slot-wait"
  /** A boot datagram of a client that may not boot now. */
  | "boot-refused"
  /** A repeat of a request that has had its answer: the client got that answer again, the board nothing. */
  | "answered-repeat"
  /** A remembered answer made room for newer ones before its time was over. */
  | "memory-full"
  /** A boot datagram that is on its way to the board already. */
  | "boot-repeat"
  /** Sent by a board by IP tag faster than the network carries it: the oldest went. */
  | "tag-overflow"
  /** Sent by IP tag, or to a reverse tag, that nobody holds any more. */
  | "tag-stray"
  /** Its user must wait: the board is somebody else's now. */
  | "board-in-use"

/** Takes note of lost datagrams. */
export interface Drops {
  /** `count` datagrams were lost at `where` (a peer's address or a part's name). */
  drop(reason: DropReason, where: string, count?: number): void
}

/** Takes note of everything worth a line or a counter. */
export interface Observer extends Drops {
  event(event: Event): void
}

/** Takes no note at all. */
export const silentObserver: Observer = { event() {}, drop() {} }
