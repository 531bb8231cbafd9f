/** Where a link's far end can be told news beside its datagrams: the connection that carries the link. */
import type { Link } from "./link.ts"
import type { Notice } from "./mux-connection.ts"

/** A connection to a relay of ours: one object for all its links, so that it can be told once. */
export interface NoticePath {
  /** Never throws, never blocks. */
  notify(notice: Notice): void
}

/** The connection that carries `link`, if it can be told news. */
export function noticePathOf(link: Link | undefined): NoticePath | undefined {
  return link && "notices" in link ? (link as Link & { notices: NoticePath }).notices : undefined
}
