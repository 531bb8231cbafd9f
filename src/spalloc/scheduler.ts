/** Who is next: the queues of all machines. Source: the spalloc facts §11. */
import type { Job } from "./job.ts"
import type { Machine } from "./machine.ts"
import type { Allocation } from "./machine-allocator.ts"

/** What the scheduler works on, and what it decides. */
export interface SchedulerOptions {
  /** In order of priority. */
  machines(): ReadonlyMap<string, Machine>
  /** In order of creation. */
  jobs(): ReadonlyMap<number, Job>
  start(job: Job, machine: Machine, allocation: Allocation): void
  /** No machine could ever run it. */
  cancel(job: Job): void
}

/** A job stands in the queue of every machine that could run it; of each queue only the first is tried. */
export class Scheduler {
  /** Of machines whose first job could not start: that job, and what the machine had gained until then. */
  readonly #stuck = new WeakMap<Machine, { readonly id: number; readonly gains: number }>()

  constructor(private readonly options: SchedulerOptions) {}

  /** Queues a job wherever it could ever run, or cancels it; returns the machines whose turn it may be. */
  enqueue(job: Job): Machine[] {
    const { machine: wanted, tags } = job.request
    const candidates: Machine[] = []
    for (const machine of this.options.machines().values()) {
      if (wanted === null ? !machine.hasTags(tags) : machine.name !== wanted) continue
      if (machine.allocator.isPossible(job.request)) candidates.push(machine)
    }
    for (const machine of candidates) machine.queue.add(job.id)
    if (candidates.length === 0) this.options.cancel(job)
    return candidates
  }

  /** Starts what stands first in the queues, as long as anything can start. */
  run(machines: Iterable<Machine>): void {
    const open = new Set(machines)
    for (const machine of open) {
      // Taken out first: a job that starts here may have stood first elsewhere, and puts that machine in again.
      open.delete(machine)
      for (let id = machine.queue.first; id !== undefined; id = machine.queue.first) {
        if (this.#isStuck(machine, id)) break
        const job = this.options.jobs().get(id)!
        const allocation = machine.allocator.allocate(job.request)
        if (!allocation) {
          this.#stuck.set(machine, { id, gains: machine.allocator.gains })
          break
        }
        for (const other of this.leave(job)) if (other !== machine) open.add(other)
        this.options.start(job, machine, allocation)
      }
    }
  }

  /** True if nothing has changed since the job was tried: looking for room again would be for nothing. */
  #isStuck(machine: Machine, id: number): boolean {
    const stuck = this.#stuck.get(machine)
    return stuck?.id === id && stuck.gains === machine.allocator.gains
  }

  /** Takes a job out of all queues; returns the machines that it stood at. */
  leave(job: Job): Machine[] {
    return [...this.options.machines().values()].filter((machine) => machine.queue.remove(job.id))
  }

  /** All queues made anew, in order of creation, after a change of what is possible. */
  requeue(): void {
    const { machines, jobs } = this.options
    for (const machine of machines().values()) machine.queue.clear()
    for (const job of [...jobs().values()]) if (job.life.kind === "queued") this.enqueue(job)
    this.run(machines().values())
  }
}
