/**
 * Who wants to hear of which jobs and machines, and what each has not been told yet. Changes are coalesced: a client
 * that is slow to read has one set of ids waiting, not a line for each change.
 */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import type { WatchKind } from "./commands.ts"
import { CommandError } from "./types.ts"

/** Ids and names that one client may watch one by one. */
export const MAX_WATCHES = 12_000

/** A job's id or a machine's name. */
type Id = number | string

/** Changes that were told of at one time: most clients hear of just these, in one line that is written once. */
class Batch {
  #line: Uint8Array | undefined

  constructor(
    readonly kind: WatchKind,
    readonly ids: readonly Id[],
  ) {}

  get line(): Uint8Array {
    this.#line ??= encodeJsonLine({ [KEYS[this.kind]]: this.ids })
    return this.#line
  }
}

/** The protocol's names of what has changed. */
const KEYS: Readonly<Record<WatchKind, string>> = { jobs: "jobs_changed", machines: "machines_changed" }

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
  /** One batch as it came, or the ids of several. */
  news: Batch | Set<Id> | undefined
}

/** One client. */
export class Subscriber {
  readonly jobs: Interest = { ids: new Set(), news: undefined }
  readonly machines: Interest = { ids: new Set(), news: undefined }

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
    this.take()
  }

  /** The lines that tell what has changed since the last time. */
  take(): Uint8Array[] {
    const lines: Uint8Array[] = []
    for (const kind of ["jobs", "machines"] as const) {
      const { news } = this[kind]
      if (news) lines.push(news instanceof Batch ? news.line : new Batch(kind, [...news]).line)
      this[kind].news = undefined
    }
    return lines
  }

  /** Takes note of a change. */
  note(kind: WatchKind, batch: Batch): void {
    const interest = this[kind]
    const quiet = this.jobs.news === undefined && this.machines.news === undefined
    if (interest.news === undefined) interest.news = batch
    else {
      if (interest.news instanceof Batch) interest.news = new Set(interest.news.ids)
      for (const id of batch.ids) interest.news.add(id)
    }
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
    const batch = new Batch(kind, ids)
    for (const subscriber of topic.all) subscriber.note(kind, batch)
    for (const id of ids) {
      const watchers = topic.byId.get(id)
      if (!watchers) continue
      const single = new Batch(kind, [id])
      for (const subscriber of watchers) subscriber.note(kind, single)
    }
  }
}
