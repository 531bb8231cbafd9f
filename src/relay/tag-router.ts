/**
 * Who holds which of a board's IP tags, as a pure state machine: requests and answers go in, and what to do comes out.
 *
 * Each tag that somebody sets has a path of its own, a UDP port that the board sends to. A path belongs to one flow
 * for its whole life, so whatever comes by it is that flow's or nobody's; it stays shut (deaf, its port not free for
 * others) until the board is known to have forgotten it.
 */
import type { IptagRequest } from "../protocol/iptag.ts"
import { NO_TAG, type TagRequest } from "./tag-request.ts"

/** Requests of one flow that wait for the board's answer; programs ask one at a time. */
export const PENDING_LIMIT = 32
/** A request this long without an answer is forgotten: above every client's patience, milliseconds. */
export const PENDING_MS = 12_000
/** How long a path outlives its tag's own life: the board's clock began sooner than ours, but its ticks are coarse. */
export const EXPIRY_SLACK_MS = 1_000

/** What the shell must do. */
export type TagAction =
  /** Open a path to `port` of the board (0: the one that it sends from by itself). */
  | { readonly type: "open"; readonly path: number; readonly port: number }
  /** The board sends nothing there any more. */
  | { readonly type: "close"; readonly path: number }
  /** Tell the board to clear `tag`; close the path when it has, or has been silent too long to be there. */
  | { readonly type: "clear"; readonly tag: number; readonly chip: number; readonly path: number }
  /** The board may or may not have heard of this path: close it when nothing can come any more. */
  | { readonly type: "linger"; readonly path: number }
  /** `tag` is `by`'s now: do not clear it any more; `from` is who has lost it, undefined if nobody has. */
  | { readonly type: "taken"; readonly tag: number; readonly by: number; readonly from: number | undefined }
  /** `by` has cleared the tag of `from`. */
  | { readonly type: "cleared"; readonly tag: number; readonly by: number; readonly from: number }

/** Whose a path is, and what it is for. */
export interface PathOwner {
  readonly flow: number
  /** Undefined while a NEW has no answer. */
  readonly tag: number | undefined
  readonly asked: IptagRequest
}

/** The holder of a tag. */
interface Holder {
  readonly flow: number
  readonly path: number
  readonly chip: number
  readonly asked: IptagRequest
  readonly expiresAt: number
}

interface Pending {
  readonly request: TagRequest
  readonly path: number | undefined
  readonly at: number
}

interface FlowState {
  /** By sequence number, the oldest first. */
  readonly pending: Map<number, Pending>
}

/** What comes of an answer. */
export interface Answered {
  readonly actions: TagAction[]
  /** The request that it answers; undefined for an answer to something else. */
  readonly request: TagRequest | undefined
}

/** The tags of one board. */
export class TagRouter {
  readonly #holders = new Map<number, Holder>()
  readonly #paths = new Map<number, PathOwner>()
  readonly #flows = new Map<number, FlowState>()
  #nextPath = 1

  /** True while an answer to `flow` may concern its tags. */
  awaits(flow: number): boolean {
    return (this.#flows.get(flow)?.pending.size ?? 0) > 0
  }

  /** Tags that `flow` holds. */
  heldBy(flow: number): number[] {
    return [...this.#holders].filter(([, holder]) => holder.flow === flow).map(([tag]) => tag)
  }

  /** Whose datagrams come by `path`; undefined if nobody's. */
  ownerOf(path: number): PathOwner | undefined {
    return this.#paths.get(path)
  }

  /** The path by which `flow` sends to the reverse tag `tag`. */
  pathInto(flow: number, tag: number): number | undefined {
    const holder = this.#holders.get(tag)
    return holder?.flow === flow && holder.asked.reverse ? holder.path : undefined
  }

  /** What `flow` asked for when it set `tag`, if it holds it. */
  askedBy(flow: number, tag: number): IptagRequest | undefined {
    const holder = this.#holders.get(tag)
    return holder?.flow === flow ? holder.asked : undefined
  }

  /** When `expire` has something to do next. */
  get deadline(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { expiresAt } of this.#holders.values()) first = Math.min(first, expiresAt)
    return first
  }

  /** A request of `flow` is to go to the board: the path to name in it (SET and NEW), the same for its repeats. */
  ask(flow: number, request: TagRequest, now: number): { path: number | undefined; actions: TagAction[] } {
    const { pending } = this.#flow(flow)
    const earlier = pending.get(request.sequence)
    if (earlier && sameAsked(earlier.request, request)) return { path: earlier.path, actions: [] }
    const actions: TagAction[] = []
    if (earlier) this.#abandon(flow, request.sequence, actions)
    for (const [sequence, { at }] of pending) {
      if (now - at <= PENDING_MS && pending.size < PENDING_LIMIT) break
      this.#abandon(flow, sequence, actions)
    }
    const path = request.kind === "set" || request.kind === "new" ? this.#pathFor(flow, request, actions) : undefined
    pending.set(request.sequence, { request, path, at: now })
    return { path, actions }
  }

  /** The board has answered request `sequence` of `flow`; `tag` is the one that an OK to SET or NEW names. */
  answered(flow: number, sequence: number, ok: boolean, tag: number | undefined, now: number): Answered {
    const pending = this.#flows.get(flow)?.pending
    const found = pending?.get(sequence)
    if (!pending || !found) return { actions: [], request: undefined }
    const { request, path } = found
    pending.delete(sequence)
    const actions: TagAction[] = []
    if (path !== undefined) {
      const named = request.kind === "set" ? request.tag : tag
      if (ok && named !== undefined && named < NO_TAG) this.#hold(flow, named, path, request, now, actions)
      else this.#unused(path, actions, "close")
    } else if (request.kind === "clear" && ok) this.#cleared(flow, request.tag, actions)
    return { actions, request }
  }

  /** The flow is over: everything of it goes, at the board too. */
  closed(flow: number): TagAction[] {
    const actions: TagAction[] = []
    const pending = this.#flows.get(flow)?.pending
    for (const sequence of [...(pending?.keys() ?? [])]) this.#abandon(flow, sequence, actions)
    this.#flows.delete(flow)
    for (const [tag, holder] of this.#holders) {
      if (holder.flow !== flow) continue
      this.#holders.delete(tag)
      this.#paths.delete(holder.path)
      actions.push({ type: "clear", tag, chip: holder.chip, path: holder.path })
    }
    return actions
  }

  /** Tags whose life is over go. */
  expire(now: number): TagAction[] {
    const actions: TagAction[] = []
    for (const [tag, holder] of this.#holders) {
      if (holder.expiresAt > now) continue
      this.#holders.delete(tag)
      this.#unused(holder.path, actions, "close")
    }
    return actions
  }

  #flow(flow: number): FlowState {
    let state = this.#flows.get(flow)
    if (!state) {
      state = { pending: new Map() }
      this.#flows.set(flow, state)
    }
    return state
  }

  /** The path that the flow has for this tag already, if it leads to the same place; else a new one. */
  #pathFor(flow: number, { kind, tag, asked }: TagRequest, actions: TagAction[]): number {
    const port = asked.reverse ? asked.port : 0
    if (kind === "set") {
      for (const [path, owner] of this.#paths) {
        const same = owner.asked.reverse === asked.reverse && (!asked.reverse || owner.asked.port === port)
        if (owner.flow !== flow || owner.tag !== tag || !same) continue
        return path
      }
    }
    const path = this.#nextPath++
    this.#paths.set(path, { flow, tag: kind === "set" ? tag : undefined, asked })
    actions.push({ type: "open", path, port })
    return path
  }

  #hold(flow: number, tag: number, path: number, request: TagRequest, now: number, actions: TagAction[]): void {
    const { asked, chip } = request
    const before = this.#holders.get(tag)
    const { timeoutCode } = asked
    const lifeMs = timeoutCode === 0 ? Number.POSITIVE_INFINITY : 10 * 2 ** (timeoutCode - 1) + EXPIRY_SLACK_MS
    this.#holders.set(tag, { flow, path, chip, asked, expiresAt: now + lifeMs })
    this.#paths.set(path, { flow, tag, asked })
    if (before && before.path !== path) this.#unused(before.path, actions, "close")
    const from = before && before.flow !== flow ? before.flow : undefined
    actions.push({ type: "taken", tag, by: flow, from })
  }

  #cleared(flow: number, tag: number, actions: TagAction[]): void {
    const holder = this.#holders.get(tag)
    if (!holder) return
    this.#holders.delete(tag)
    this.#unused(holder.path, actions, "close")
    if (holder.flow !== flow) actions.push({ type: "cleared", tag, by: flow, from: holder.flow })
  }

  /** A request will have no answer; the board may have executed it all the same. */
  #abandon(flow: number, sequence: number, actions: TagAction[]): void {
    const pending = this.#flows.get(flow)?.pending
    const found = pending?.get(sequence)
    pending?.delete(sequence)
    if (found?.path === undefined) return
    const { request, path } = found
    const unheld = request.kind === "set" && !this.#holders.has(request.tag)
    if (unheld && !this.#inUse(path)) {
      this.#paths.delete(path)
      actions.push({ type: "clear", tag: request.tag, chip: request.chip, path })
    } else this.#unused(path, actions, "linger")
  }

  /** True while a tag or a request needs `path`. */
  #inUse(path: number): boolean {
    for (const holder of this.#holders.values()) if (holder.path === path) return true
    for (const { pending } of this.#flows.values()) {
      for (const each of pending.values()) if (each.path === path) return true
    }
    return false
  }

  #unused(path: number, actions: TagAction[], type: "close" | "linger"): void {
    if (this.#inUse(path) || !this.#paths.delete(path)) return
    actions.push({ type, path })
  }
}

function sameAsked(a: TagRequest, b: TagRequest): boolean {
  if (a.kind !== b.kind || a.tag !== b.tag || a.count !== b.count) return false
  return (Object.keys(a.asked) as (keyof IptagRequest)[]).every((key) => a.asked[key] === b.asked[key])
}
