/**
 * Who wants to hear of which jobs and machines, and what each has not been told yet. Changes are coalesced: a client
 * that is slow to read has one set of ids waiting, not a line for each change.
 */
import type { WatchKind } from "./commands.ts"
import { CommandError } from "./types.ts"

/** Ids and names that one client may watch one by one. */
export const MAX_WATCHES = 12_000

/** A job's id or a machine's name. */
type Id = number | string

/** One kind of thing: everything that watches it. */
class Topic {
  readonly all = new Set<Subscriber>()
  readonly byId = new Map<Id, Set<Subscriber>>()

  watch(subscriber: Subscriber, id: Id): void {
    const watchers = this.byId.get(id) ?? new Set()
    this.byId.set(id, watchers.add(subscriber))
  }

  unwatch(subscriber: Subscriber, id: Id): void {
    const watchers = this.byId.get(id)
    watchers?.delete(subscriber)
    if (watchers?.size === 0) this.byId.delete(id)
  }
}

/** What one client watches of one kind, and what has changed of it since it was last told. */
interface Interest {
  readonly ids: Set<Id>
  readonly changed: Set<Id>
}

/** One client. */
export class Subscriber {
  readonly jobs: Interest = { ids: new Set(), changed: new Set() }
  readonly machines: Interest = { ids: new Set(), changed: new Set() }

  /** `onNews` is called when there is something to `take` and there was nothing before. */
  constructor(
    private readonly notifier: Notifier,
    readonly onNews: () => void,
  ) {}

  /** Watches one id, or everything for `undefined`. An id of an odd type is nobody's. Throws a CommandError beyond MAX_WATCHES. */
  watch(kind: WatchKind, id: unknown): void {
    const topic = this.notifier[kind]
    const { ids } = this[kind]
    if (topic.all.has(this)) return
    if (id === undefined) {
      this.#clear(kind)
      topic.all.add(this)
    } else if (typeof id === "number" || typeof id === "string") {
      if (ids.size >= MAX_WATCHES) {
        throw new CommandError(`This connection watches ${MAX_WATCHES} ${kind} already: watch all of them instead`)
      }
      ids.add(id)
      topic.watch(this, id)
    }
  }

  /** Forgets one id, or everything for `undefined`. While everything is watched, one id cannot be taken out. */
  unwatch(kind: WatchKind, id: unknown): void {
    const topic = this.notifier[kind]
    if (id === undefined) {
      this.#clear(kind)
      topic.all.delete(this)
    } else if (this[kind].ids.delete(id as Id)) topic.unwatch(this, id as Id)
  }

  /** Ends everything. */
  close(): void {
    for (const kind of ["jobs", "machines"] as const) this.unwatch(kind, undefined)
    this.jobs.changed.clear()
    this.machines.changed.clear()
  }

  /** What has changed since the last time; both may be empty. */
  take(): { readonly jobs: readonly Id[]; readonly machines: readonly Id[] } {
    const taken = { jobs: [...this.jobs.changed], machines: [...this.machines.changed] }
    this.jobs.changed.clear()
    this.machines.changed.clear()
    return taken
  }

  /** Takes note of a change. */
  note(kind: WatchKind, ids: readonly Id[]): void {
    const quiet = this.jobs.changed.size === 0 && this.machines.changed.size === 0
    for (const id of ids) this[kind].changed.add(id)
    if (quiet) this.onNews()
  }

  #clear(kind: WatchKind): void {
    const { ids } = this[kind]
    for (const id of ids) this.notifier[kind].unwatch(this, id)
    ids.clear()
  }
}

/** All clients' wishes. */
export class Notifier {
  readonly jobs = new Topic()
  readonly machines = new Topic()

  /** Tells whom it concerns that these have changed. */
  changed(kind: WatchKind, ids: readonly Id[]): void {
    if (ids.length === 0) return
    const topic = this[kind]
    for (const subscriber of topic.all) subscriber.note(kind, ids)
    for (const id of ids) for (const subscriber of topic.byId.get(id) ?? []) subscriber.note(kind, [id])
  }
}
