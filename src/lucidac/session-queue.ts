/**
 * Who may use the computer: one client at a time, the others in the order in which they first asked for it. Pure: told
 * what happens and when, it says what to do.
 */

/** How long and how many. */
export interface QueueLimits {
  /** Clients at once, whether they wait or not. */
  readonly maxSessions: number
  /** Silence after which a client is released, in milliseconds. */
  readonly idleMs: number
  /** How long a waiting client's request is held before it is answered "busy": stock clients give up after 5 s. */
  readonly holdMs: number
  /** How long one client may keep the computer while others wait; undefined for as long as it likes. */
  readonly maxHoldMs: number | undefined
}

/** Before clients' own limit of 5 s, with room for the way back. */
export const HOLD_MS = 4_000

/** What is to be done, about which client. */
export type QueueAction =
  /** It is this client's turn: serve what has been held of it. */
  | { readonly do: "activate"; readonly session: number }
  /** Its held requests have waited long enough: answer them. */
  | { readonly do: "answer-held"; readonly session: number }
  | { readonly do: "release"; readonly session: number; readonly why: "idle" | "max-hold" }

interface Member {
  readonly id: number
  state: "connected" | "waiting" | "active"
  lastTraffic: number
  /** Since when its oldest held request waits. */
  heldSince: number | undefined
  activeSince: number
  /** Until when a run counts as traffic. */
  busyUntil: number
  /** Requests that devices have not answered yet: these are no silence either. */
  pending: number
}

/** The queue of one proxy. */
export class SessionQueue {
  readonly #limits: QueueLimits
  /** In the order of connecting. */
  readonly #members = new Map<number, Member>()
  /** In the order of asking; the active one is not in it. */
  #waiting: Member[] = []
  #active: Member | undefined
  #ready = false

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** The client whose turn it is. */
  get active(): number | undefined {
    return this.#active?.id
  }

  /** Clients that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length
  }

  get size(): number {
    return this.#members.size
  }

  /** 1 for the next in line; 0 for one that does not wait. */
  place(id: number): number {
    return this.#waiting.findIndex((member) => member.id === id) + 1
  }

  /** A client has come; false where there is no room for it. */
  connect(id: number, now: number): boolean {
    if (this.#members.size >= this.#limits.maxSessions) return false
    this.#members.set(id, {
      id,
      state: "connected",
      lastTraffic: now,
      heldSince: undefined,
      activeSince: 0,
      busyUntil: 0,
      pending: 0,
    })
    return true
  }

  /** A client asks for the computer: "serve" the request after the actions, or "hold" it until its turn. */
  request(id: number, now: number): { verdict: "serve" | "hold"; actions: QueueAction[] } {
    const member = this.#members.get(id)
    if (!member) return { verdict: "hold", actions: [] }
    member.lastTraffic = now
    if (member.state === "connected") {
      member.state = "waiting"
      this.#waiting.push(member)
    }
    const actions = this.#promote(now)
    if (member.state === "active") return { verdict: "serve", actions }
    member.heldSince ??= now
    return { verdict: "hold", actions }
  }

  /** Something passed between a client and the computer. */
  traffic(id: number, now: number): void {
    const member = this.#members.get(id)
    if (member) member.lastTraffic = now
  }

  /** A request of the active client is on its way to the devices. */
  begun(id: number): void {
    const member = this.#members.get(id)
    if (member) member.pending++
  }

  /** It has had its answer. */
  answered(id: number, now: number): void {
    const member = this.#members.get(id)
    if (!member) return
    member.pending--
    member.lastTraffic = now
  }

  /** A run of the active client counts as traffic until `until` (0: it is over). */
  running(id: number, until: number, now: number): void {
    const member = this.#members.get(id)
    if (!member) return
    member.lastTraffic = now
    member.busyUntil = until
  }

  /** A client has gone, or is being sent away. */
  leave(id: number, now: number): QueueAction[] {
    const member = this.#members.get(id)
    if (!member) return []
    this.#members.delete(id)
    if (this.#active === member) this.#active = undefined
    else this.#waiting = this.#waiting.filter((other) => other !== member)
    return this.#promote(now)
  }

  /** Whether the computer can be given to somebody: its devices are there, and the last user's runs are stopped. */
  ready(ready: boolean, now: number): QueueAction[] {
    this.#ready = ready
    return this.#promote(now)
  }

  /** What has fallen due. */
  tick(now: number): QueueAction[] {
    const { idleMs, holdMs, maxHoldMs } = this.#limits
    const actions: QueueAction[] = []
    for (const member of this.#members.values()) {
      switch (member.state) {
        case "active":
          if (maxHoldMs !== undefined && this.#waiting.length > 0 && now - member.activeSince >= maxHoldMs) {
            actions.push({ do: "release", session: member.id, why: "max-hold" })
          } else if (member.pending === 0 && now - this.#quietSince(member, now) >= idleMs) {
            actions.push({ do: "release", session: member.id, why: "idle" })
          }
          break
        case "waiting":
          if (member.heldSince !== undefined && now - member.heldSince >= holdMs) {
            member.heldSince = undefined
            actions.push({ do: "answer-held", session: member.id })
          }
          break
        case "connected":
          if (now - member.lastTraffic >= idleMs) actions.push({ do: "release", session: member.id, why: "idle" })
          break
      }
    }
    return actions
  }

  #quietSince(member: Member, now: number): number {
    return Math.max(member.lastTraffic, Math.min(member.busyUntil, now))
  }

  #promote(now: number): QueueAction[] {
    if (this.#active || !this.#ready) return []
    const next = this.#waiting.shift()
    if (!next) return []
    this.#active = next
    next.state = "active"
    next.activeSince = now
    next.lastTraffic = now
    next.heldSince = undefined
    return [{ do: "activate", session: next.id }]
  }
}
