/** All live jobs, by id and by the host that created them, and the last so many destroyed ones. */
import type { ServerSettings } from "./config.ts"
import { deadJobState, type Job, jobRecord } from "./job.ts"
import type { Machine } from "./machine.ts"
import { RetiredJobs } from "./retired-jobs.ts"
import { CommandError, type JobRecord, type JobStateReply } from "./types.ts"

/** The jobs of a server. */
export class JobBook {
  readonly #live = new Map<number, Job>()
  readonly #ofHost = new Map<string, number>()
  readonly #retired: RetiredJobs
  #records: readonly JobRecord[] | undefined

  constructor(maxRetiredJobs: number) {
    this.#retired = new RetiredJobs(maxRetiredJobs)
  }

  /** In order of creation. */
  get live(): ReadonlyMap<number, Job> {
    return this.#live
  }

  /** A live job; ids of odd types are nobody's. */
  find(jobId: unknown): Job | undefined {
    return typeof jobId === "number" ? this.#live.get(jobId) : undefined
  }

  /** A live job that gave a sign of life at `now`. */
  seen(jobId: unknown, host: string, now: number): Job | undefined {
    const job = this.find(jobId)
    if (job) {
      job.seenAt = now
      if (job.seenFrom !== host) this.changed()
      job.seenFrom = host
    }
    return job
  }

  /** Throws a CommandError if the host may have no further job. */
  checkRoom(host: string, { maxJobs, maxJobsPerHost }: ServerSettings): void {
    const ofHost = this.#ofHost.get(host) ?? 0
    if (this.#live.size >= maxJobs) {
      throw new CommandError(
        `the server has ${maxJobs} jobs, as many as max-jobs allows: try again when some have ended`,
      )
    }
    if (ofHost >= maxJobsPerHost) {
      throw new CommandError(
        `${host} has ${ofHost} jobs, as many as max-jobs-per-host allows: destroy some of them first`,
      )
    }
  }

  add(job: Job): void {
    this.#live.set(job.id, job)
    this.#ofHost.set(job.creator, (this.#ofHost.get(job.creator) ?? 0) + 1)
    this.changed()
  }

  /** A live job is destroyed; returns those that are forgotten for it. */
  retire(job: Job, reason: string | null): number[] {
    this.#live.delete(job.id)
    const ofHost = (this.#ofHost.get(job.creator) ?? 1) - 1
    if (ofHost > 0) this.#ofHost.set(job.creator, ofHost)
    else this.#ofHost.delete(job.creator)
    this.changed()
    return this.#retired.add(job.id, reason)
  }

  /** Remembers a job that a former process destroyed; returns those that are forgotten for it. */
  addRetired(id: number, reason: string | null): number[] {
    return this.#retired.add(id, reason)
  }

  /** Remembers another number of destroyed jobs; returns those that are forgotten. */
  setMaxRetired(limit: number): number[] {
    return this.#retired.setLimit(limit)
  }

  /** What is said of a job that is not live. */
  deadState(jobId: unknown): JobStateReply {
    return deadJobState(typeof jobId === "number" ? this.#retired.reasonOf(jobId) : undefined)
  }

  /** Something that `records` tells has changed. */
  changed(): void {
    this.#records = undefined
  }

  /** The same array until something in it changes. */
  records(machineOf: (job: Job) => Machine | undefined): readonly JobRecord[] {
    this.#records ??= [...this.#live.values()].map((job) => jobRecord(job, machineOf(job)))
    return this.#records
  }
}
