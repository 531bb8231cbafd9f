/** Ways beside a link's own datagrams, which some links have: for what a board sends by IP tag, and to reverse tags. */
import type { TaggedDatagram } from "../protocol/mux.ts"
import type { Link } from "./link.ts"

/** A link whose far end is a relay of ours: it carries tagged datagrams too. */
export interface TaggedPath {
  /** Never throws, never blocks; what cannot go is dropped and counted. */
  sendTagged(tagged: TaggedDatagram): void
  /** Set once; what comes before is lost. */
  set onTagged(handler: (tagged: TaggedDatagram) => void)
  /** Set once. The link goes on over another connection, whose far end knows nothing of what was set up over the last. */
  set onRenewed(handler: () => void)
}

/** A link of a UDP listener: it can send to others than its sender, from the socket that its sender knows. */
export interface AsidePath {
  /** The sender, an IP literal and port. */
  readonly host: string
  readonly port: number
  /** The local address that the sender sends to. */
  readonly localHost: string
  /** Never throws, never blocks; what cannot go is dropped and counted. */
  sendAside(datagram: Uint8Array, host: string, port: number): void
}

/** The tagged path of `link`, if it has one. */
export function taggedPathOf(link: Link | undefined): (Link & TaggedPath) | undefined {
  return link && "sendTagged" in link ? (link as Link & TaggedPath) : undefined
}

/** The aside path of `link`, if it has one. */
export function asidePathOf(link: Link | undefined): (Link & AsidePath) | undefined {
  return link && "sendAside" in link ? (link as Link & AsidePath) : undefined
}
