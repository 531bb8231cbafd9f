/**
 * Tells those who are held back why, by the connections that their flows came through, and those whose turn it is. Each
 * is told about once in five seconds, however often it tries.
 */

import { encodeLeaseNews, type LeaseNews } from "../protocol/lease-news.ts"
import { MuxNotice } from "../protocol/mux.ts"
import type { Clock } from "../transport/clock.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { noticePathOf } from "../transport/notice-path.ts"
import type { Flow } from "./flow.ts"

/** Least time between two tellings of the same connection, milliseconds. */
export const TELL_MS = 5_000
/** Connections that are remembered; whoever is forgotten is told once more. */
const MAX_REMEMBERED = 256

/** Tells every connection that comes from `host` some news: a flow over UDP has none of its own. */
export type TellHost = (host: string, notice: Notice) => void

interface Told {
  readonly user: string
  readonly at: number
  readonly send: (notice: Notice) => void
}

/** What one board's users have been told. */
export class LeaseTeller {
  readonly #board: string
  readonly #clock: Clock
  readonly #tellHost: TellHost
  /** By connection, or by host. */
  readonly #told = new Map<unknown, Told>()

  constructor(board: string, clock: Clock, tellHost: TellHost) {
    this.#board = board
    this.#clock = clock
    this.#tellHost = tellHost
  }

  /** A datagram of `flow` was held back. */
  heldBack({ near, owner }: Flow, news: LeaseNews): void {
    const path = noticePathOf(near)
    const key = path ?? owner
    const now = this.#clock.now()
    const last = this.#told.get(key)
    if (last && now - last.at < TELL_MS) return
    const send = path ? (notice: Notice) => path.notify(notice) : (notice: Notice) => this.#tellHost(owner, notice)
    // Anew, so that the oldest comes first.
    this.#told.delete(key)
    for (const oldest of this.#told.keys()) {
      if (this.#told.size < MAX_REMEMBERED) break
      this.#told.delete(oldest)
    }
    this.#told.set(key, { user: owner, at: now, send })
    send(this.#notice(news))
  }

  /** It is the turn of `user`: whoever was told otherwise is told so. */
  offer(user: string): void {
    for (const [key, told] of this.#told) {
      if (told.user !== user) continue
      this.#told.delete(key)
      told.send(this.#notice({ state: "yours" }))
    }
  }

  #notice(news: LeaseNews): Notice {
    return { kind: MuxNotice.inUse, board: this.#board, payload: encodeLeaseNews(news) }
  }
}
