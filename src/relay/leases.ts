/** The leases of all boards of a server, and the sessions of their users. */

import type { LeaseReport } from "../observe/status.ts"
import type { LeaseNews } from "../protocol/lease-news.ts"
import type { LeaseSettings } from "./lease-settings.ts"
import { BoardLease, type LeaseContext } from "./leased.ts"

/** How one exclusive board stands. */
export interface LeaseStatus extends LeaseReport {
  readonly board: string
}

/** All leases of one server. */
export class Leases {
  readonly #context: LeaseContext
  readonly #boards = new Map<string, BoardLease>()
  readonly #sessions = new Map<string, Set<string>>()

  constructor(context: Omit<LeaseContext, "hasSession">) {
    this.#context = { ...context, hasSession: (user) => this.#sessions.has(user) }
  }

  /** The lease of a board that is served from now on; one a board. */
  add(board: string, settings: LeaseSettings): BoardLease {
    const lease = this.#boards.get(board) ?? new BoardLease(board, settings, this.#context)
    this.#boards.set(board, lease)
    return lease
  }

  /** The board is served no more. */
  remove(board: string): void {
    this.#boards.get(board)?.close()
    this.#boards.delete(board)
  }

  /** `user` has connected; `id` tells his sessions apart. */
  sessionBegan(user: string, id: string): void {
    const sessions = this.#sessions.get(user)
    if (sessions) sessions.add(id)
    else this.#sessions.set(user, new Set([id]))
  }

  /** The session is over: ended by its user, or lost and not resumed in time. His last one takes his boards with it. */
  sessionEnded(user: string, id: string, how: "clean" | "lost"): void {
    const sessions = this.#sessions.get(user)
    if (!sessions?.delete(id) || sessions.size > 0) return
    this.#sessions.delete(user)
    for (const board of this.#boards.values()) board.tell({ type: "left", user, how })
  }

  /** Takes his boards from `user`, who then stands behind everyone waiting; returns their names. */
  kick(user: string): string[] {
    const lost: string[] = []
    for (const board of this.#boards.values()) {
      const { state } = board
      if ((state.kind === "held" || state.kind === "reserved") && state.user === user) lost.push(board.name)
      board.tell({ type: "kicked", user })
    }
    return lost
  }

  /** Changes a board's settings under way; one that is no longer exclusive is everybody's at once. */
  reconfigure(board: string, settings: LeaseSettings): void {
    this.#boards.get(board)?.tell({ type: "settings", settings })
  }

  /** Why `user` may not touch what all boards share; undefined if he may: he has one of them, or nobody has. */
  keptFrom(user: string): LeaseNews | undefined {
    let news: LeaseNews | undefined
    for (const { state } of this.#boards.values()) {
      if (state.kind === "resetting") return { state: "resetting" }
      if (state.kind !== "held") continue
      if (state.user === user) return undefined
      const idleMs = this.#context.clock.now() - state.lastTraffic
      news ??= { state: "held", by: state.user, idleMs, waitingAhead: 0 }
    }
    return news
  }

  /** How the exclusive boards stand. */
  snapshot(): LeaseStatus[] {
    const now = this.#context.clock.now()
    return [...this.#boards.values()].filter(({ settings }) => settings.exclusive).map((each) => statusOf(each, now))
  }

  close(): void {
    for (const board of this.#boards.values()) board.close()
  }
}

function statusOf({ name: board, state, waiting }: BoardLease, now: number): LeaseStatus {
  switch (state.kind) {
    case "free":
      return { board, state: "free", waiting }
    case "held":
      return {
        ...{ board, state: "held", user: state.user, waiting },
        ...{ sinceMs: now - state.since, idleMs: now - state.lastTraffic },
      }
    case "reserved":
    case "withheld":
      return { board, state: state.kind, user: state.user, sinceMs: now - state.since, waiting }
    case "resetting":
      return { board, state: "resetting", sinceMs: now - state.since, waiting }
  }
}
