/** What a turn has changed: what has to be stored, and what clients are to be told. */
import type { BoardHealth } from "./board-health.ts"
import { type Holding, storedHolding } from "./holding.ts"
import { type Job, storedJob } from "./job.ts"
import { fingerprintOf, type Machine } from "./machine.ts"
import type { StateChange, Store, StoredRetired } from "./store.ts"
import type { Effects } from "./types.ts"

/** All that there is, to store from. */
export interface CurrentState {
  readonly nextJobId: number
  readonly jobs: ReadonlyMap<number, Job>
  readonly holdings: ReadonlyMap<number, Holding>
  readonly machines: ReadonlyMap<string, Machine>
}

/** Collects the changes of a turn. What is stored and what is told are kept apart: a commit may fail and be tried again. */
export class Changes {
  readonly #jobsToTell = new Set<number>()
  readonly #machinesToTell = new Set<string>()
  readonly #jobs = new Set<number>()
  readonly #holdings = new Set<number>()
  #retired: StoredRetired[] = []
  #forgotten: number[] = []
  #allMachines = false

  constructor(private readonly health: BoardHealth) {}

  /** A job is new, gone or in another state. */
  job(id: number): void {
    this.#jobs.add(id)
    this.#jobsToTell.add(id)
  }

  /** Somebody's boards are new, given back or in another phase. */
  holding(jobId: number): void {
    this.#holdings.add(jobId)
  }

  /** Clients are to look at the machine again. */
  machine(name: string): void {
    this.#machinesToTell.add(name)
  }

  /** Machines came, went or were built anew. */
  allMachines(): void {
    this.#allMachines = true
  }

  /** A job is remembered as destroyed, others no more. */
  retired(id: number, reason: string | null, forgotten: readonly number[]): void {
    this.#retired.push({ id, reason })
    this.forgotten(forgotten)
  }

  forgotten(ids: readonly number[]): void {
    this.#forgotten.push(...ids)
  }

  /** What clients are to be told, once. */
  takeNews(): Omit<Effects, "powerWork"> {
    const news = { jobsChanged: [...this.#jobsToTell], machinesChanged: [...this.#machinesToTell] }
    this.#jobsToTell.clear()
    this.#machinesToTell.clear()
    return news
  }

  /** Stores all changes; throws if the disk does not take them, and keeps them for the next time. */
  commit(store: Store, state: CurrentState): void {
    if (this.#isEmpty) return
    store.commit(this.#rows(state))
    this.#jobs.clear()
    this.#holdings.clear()
    this.#retired = []
    this.#forgotten = []
    this.#allMachines = false
    this.health.saved()
  }

  get #isEmpty(): boolean {
    const rows = this.#jobs.size + this.#holdings.size + this.#retired.length + this.#forgotten.length
    return rows === 0 && !this.#allMachines && !this.health.isUnsaved
  }

  #rows({ nextJobId, jobs, holdings, machines }: CurrentState): StateChange {
    const [jobIds, holderIds] = [[...this.#jobs], [...this.#holdings]]
    const fingerprints = () =>
      [...machines.values()].map(({ name, config }) => ({ name, fingerprint: fingerprintOf(config) }))
    return {
      nextJobId,
      jobs: jobIds.flatMap((id) => jobs.get(id) ?? []).map(storedJob),
      jobsGone: jobIds.filter((id) => !jobs.has(id)),
      holdings: holderIds.flatMap((id) => holdings.get(id) ?? []).map(storedHolding),
      holdingsGone: holderIds.filter((id) => !holdings.has(id)),
      retired: this.#retired,
      forgotten: this.#forgotten,
      health: this.health.unsaved,
      ...(this.#allMachines ? { machines: fingerprints() } : {}),
    }
  }
}
