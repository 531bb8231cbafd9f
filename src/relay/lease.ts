/**
 * Whose one exclusive board is, as a pure state machine: traffic, the ends of sessions and time go in, and what to do
 * comes out. The first user with traffic has the board; others are held back, and wait in the order in which they came.
 */
import type { Event, ReleaseCause } from "../observe/events.ts"
import type { LeaseNews } from "../protocol/lease-news.ts"
import type { CloseReason } from "../transport/link.ts"
import type { LeaseSettings } from "./lease-settings.ts"
import { LeaseWaiting } from "./lease-waiting.ts"

/** How long a board is kept for the next user, milliseconds: programs ask again within a second, or have given up. */
export const RESERVED_MS = 10_000
/** How long a board that nobody waits for is kept from who was kicked off it, milliseconds. */
export const WITHHELD_MS = 10_000
/** A reset that takes longer has failed, milliseconds: off and on through a BMP take at most 19 s. */
export const RESET_LIMIT_MS = 60_000

/** Where the board stands. Times are the clock's. */
export type LeaseState =
  | { readonly kind: "free" }
  | { readonly kind: "held"; readonly user: string; readonly since: number; lastTraffic: number }
  /** It is `user`'s next, if he asks in time. */
  | { readonly kind: "reserved"; readonly user: string; readonly since: number; readonly until: number }
  /** Free for all but `user`, who was kicked. */
  | { readonly kind: "withheld"; readonly user: string; readonly since: number; readonly until: number }
  /** Between two users; `kicked` stands behind everyone. */
  | {
      readonly kind: "resetting"
      readonly reset: number
      readonly since: number
      readonly until: number
      readonly kicked: string | undefined
    }

/** What happens to a lease. */
export type LeaseEvent =
  /** A datagram of a flow of `user`, either way, boots and tags included; the relay's own probes are nobody's. */
  | { readonly type: "traffic"; readonly user: string }
  /** The last session of `user` is over. */
  | { readonly type: "left"; readonly user: string; readonly how: "clean" | "lost" }
  | { readonly type: "kicked"; readonly user: string }
  /** Reset number `reset` is through; `failed` says why not. */
  | { readonly type: "reset-over"; readonly reset: number; readonly failed?: string }
  | { readonly type: "settings"; readonly settings: LeaseSettings }
  | { readonly type: "time" }

/** What is to be done. */
export type LeaseAction =
  /** Let the datagram through. */
  | { readonly do: "pass" }
  /** Drop the datagram, and tell its sender why. */
  | { readonly do: "hold-back"; readonly news: LeaseNews }
  /** The board is `user`'s: what others still have there ends. */
  | { readonly do: "end-others"; readonly user: string; readonly reason: CloseReason }
  /** The board is no longer `user`'s: his flows end, and with them his tags. */
  | { readonly do: "end-flows"; readonly user: string; readonly reason: CloseReason }
  | { readonly do: "power-cycle"; readonly reset: number }
  /** Tell `user` that it is his turn. */
  | { readonly do: "offer"; readonly user: string }
  | { readonly do: "log"; readonly event: Event }

/** What a lease needs. */
export interface LeaseOptions {
  /** The board's name, for the log. */
  readonly board: string
  readonly settings: LeaseSettings
  /** Has `user` a session now? */
  readonly hasSession: (user: string) => boolean
}

const FREE: LeaseState = { kind: "free" }
const PASS: readonly LeaseAction[] = [{ do: "pass" }]

/** The lease of one board. */
export class Lease {
  readonly #board: string
  readonly #hasSession: (user: string) => boolean
  readonly #waiting = new LeaseWaiting()
  #settings: LeaseSettings
  #state: LeaseState = FREE
  #resets = 0

  constructor({ board, settings, hasSession }: LeaseOptions) {
    this.#board = board
    this.#settings = settings
    this.#hasSession = hasSession
  }

  get settings(): LeaseSettings {
    return this.#settings
  }

  get state(): LeaseState {
    return this.#state
  }

  /** Users who wait, the first in turn first. */
  waiting(now: number): string[] {
    return this.#waiting.users(now)
  }

  /** The same as "traffic" where nothing changes: true if the datagram may pass, undefined if `step` must be asked. */
  passes(user: string, now: number): true | undefined {
    if (!this.#settings.exclusive) return true
    if (this.#state.kind !== "held" || this.#state.user !== user) return undefined
    this.#state.lastTraffic = now
    return true
  }

  /** When "time" has something to do next; Infinity if never. It may come later than was said before. */
  get deadline(): number {
    const state = this.#state
    if (state.kind === "free") return Number.POSITIVE_INFINITY
    if (state.kind !== "held") return state.until
    return Math.min(this.#silentAt(state), this.#waiting.any ? this.#maxHoldAt(state) : Number.POSITIVE_INFINITY)
  }

  /** One step. */
  step(event: LeaseEvent, now: number): readonly LeaseAction[] {
    switch (event.type) {
      case "traffic":
        return this.#traffic(event.user, now)
      case "left":
        return this.#left(event.user, event.how, now)
      case "kicked":
        return this.#kicked(event.user, now)
      case "reset-over":
        if (this.#state.kind !== "resetting" || this.#state.reset !== event.reset) return []
        return this.#resetOver(this.#state.kicked, event.failed, now)
      case "settings":
        return this.#reconfigured(event.settings, now)
      case "time":
        return this.#time(now)
    }
  }

  #traffic(user: string, now: number): readonly LeaseAction[] {
    if (this.passes(user, now)) return PASS
    const state = this.#state
    switch (state.kind) {
      case "free":
        return this.#take(user, now)
      case "held":
        return this.#wait(user, now)
      case "reserved":
        return state.user === user ? this.#take(user, now) : this.#wait(user, now)
      case "withheld":
        return state.user === user ? this.#wait(user, now) : this.#take(user, now)
      case "resetting":
        return this.#wait(user, now)
    }
  }

  #left(user: string, how: "clean" | "lost", now: number): readonly LeaseAction[] {
    this.#waiting.remove(user)
    const state = this.#state
    switch (state.kind) {
      case "held":
        return state.user === user ? this.#release(state, how === "clean" ? "left" : "lost", now) : []
      case "reserved":
        return state.user === user ? this.#next(now) : []
      // Coming back does not lift it.
      case "withheld":
      case "free":
      case "resetting":
        return []
    }
  }

  #kicked(user: string, now: number): readonly LeaseAction[] {
    this.#waiting.toBack(user)
    const state = this.#state
    switch (state.kind) {
      case "held":
        return state.user === user ? this.#release(state, "kicked", now) : []
      case "reserved":
        return state.user === user ? this.#next(now, user) : []
      case "withheld":
      case "free":
      case "resetting":
        return []
    }
  }

  #time(now: number): readonly LeaseAction[] {
    const state = this.#state
    switch (state.kind) {
      case "free":
        return []
      case "held":
        if (now >= this.#silentAt(state)) return this.#release(state, "silent", now)
        if (now >= this.#maxHoldAt(state) && this.waiting(now).length > 0) return this.#release(state, "max-hold", now)
        return []
      case "reserved":
      case "withheld":
        return now >= state.until ? this.#next(now) : []
      case "resetting":
        if (now < state.until) return []
        return this.#resetOver(state.kicked, `it took more than ${RESET_LIMIT_MS / 1000} s`, now)
    }
  }

  #reconfigured(settings: LeaseSettings, now: number): readonly LeaseAction[] {
    this.#settings = settings
    if (settings.exclusive) return this.#time(now)
    const everyone = this.waiting(now)
    this.#waiting.clear()
    this.#state = FREE
    return everyone.map((user) => ({ do: "offer", user }))
  }

  #take(user: string, now: number): readonly LeaseAction[] {
    this.#waiting.remove(user)
    this.#state = { kind: "held", user, since: now, lastTraffic: now }
    const reason: CloseReason = { code: "evicted", detail: `${this.#board} is in use by ${user}` }
    return [
      { do: "end-others", user, reason },
      { do: "log", event: { type: "lease-taken", board: this.#board, user } },
      ...PASS,
    ]
  }

  #wait(user: string, now: number): readonly LeaseAction[] {
    const tell = this.#waiting.tried(user, now)
    const news = this.#news(user, now)
    const event: Event = { type: "lease-waits", board: this.#board, user, news }
    return [{ do: "hold-back", news }, ...(tell ? [{ do: "log", event } as const] : [])]
  }

  #news(user: string, now: number): LeaseNews {
    const state = this.#state
    const waitingAhead = this.#waiting.ahead(user)
    switch (state.kind) {
      case "held":
        return { state: "held", by: state.user, idleMs: now - state.lastTraffic, waitingAhead }
      case "reserved":
        return { state: "reserved", by: state.user, waitingAhead }
      case "withheld":
        return { state: "withheld" }
      case "resetting":
        return { state: "resetting" }
      case "free":
        return { state: "yours" }
    }
  }

  #release(state: LeaseState & { kind: "held" }, cause: ReleaseCause, now: number): readonly LeaseAction[] {
    const { user, since, lastTraffic } = state
    const board = this.#board
    const afterMs = now - (cause === "silent" ? lastTraffic : since)
    const kicked = cause === "kicked" ? user : undefined
    return [
      { do: "log", event: { type: "lease-released", board, user, cause, afterMs } },
      { do: "end-flows", user, reason: closeReason(board, cause) },
      ...(this.#settings.onRelease === "power-cycle" ? this.#reset(kicked, now) : this.#next(now, kicked)),
    ]
  }

  #reset(kicked: string | undefined, now: number): readonly LeaseAction[] {
    const reset = ++this.#resets
    this.#state = { kind: "resetting", reset, since: now, until: now + RESET_LIMIT_MS, kicked }
    return [
      { do: "log", event: { type: "lease-resetting", board: this.#board } },
      { do: "power-cycle", reset },
    ]
  }

  #resetOver(kicked: string | undefined, failed: string | undefined, now: number): readonly LeaseAction[] {
    if (kicked !== undefined) this.#waiting.toBack(kicked)
    const event: Event = { type: "lease-reset", board: this.#board, failed }
    return [{ do: "log", event }, ...this.#next(now)]
  }

  /** The first who still tries comes next, `kicked` not yet. */
  #next(now: number, kicked?: string): readonly LeaseAction[] {
    const user = this.waiting(now).find((each) => each !== kicked)
    if (user === undefined) {
      const withheld = { kind: "withheld", since: now, until: now + WITHHELD_MS } as const
      this.#state = kicked === undefined ? FREE : { ...withheld, user: kicked }
      return []
    }
    this.#waiting.remove(user)
    this.#state = { kind: "reserved", user, since: now, until: now + RESERVED_MS }
    return [
      { do: "offer", user },
      { do: "log", event: { type: "lease-offered", board: this.#board, user, forMs: RESERVED_MS } },
    ]
  }

  #silentAt({ user, lastTraffic }: LeaseState & { kind: "held" }): number {
    const { hold, sessionTimeoutMs } = this.#settings
    return hold === "session" && this.#hasSession(user) ? Number.POSITIVE_INFINITY : lastTraffic + sessionTimeoutMs
  }

  #maxHoldAt({ since }: LeaseState & { kind: "held" }): number {
    return since + (this.#settings.maxHoldMs ?? Number.POSITIVE_INFINITY)
  }
}

/** What the flows of who has lost the board end with. */
function closeReason(board: string, cause: ReleaseCause): CloseReason {
  switch (cause) {
    case "silent":
      return { code: "idle", detail: `${board} was not used` }
    case "left":
    case "lost":
      return { code: "peer-closed", detail: "its user has gone" }
    case "kicked":
      return { code: "evicted", detail: `kicked off ${board}` }
    case "max-hold":
      return { code: "evicted", detail: `others wait for ${board}` }
  }
}
