/**
 * A process that is made to be killed: a random life of a spalloc controller on a state file. It prints a line for each
 * turn once that is committed: what a client may have seen.
 */
import { writeSync } from "node:fs"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { Controller } from "../../src/spalloc/controller.ts"
import type { PowerWork } from "../../src/spalloc/types.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "./fake-clock.ts"
import { labMachine, wanted } from "./spalloc-lab.ts"

/** What was acknowledged in a turn. */
export interface TurnLine {
  readonly next: number
  /** Boards by job id; null while queued. */
  readonly jobs: readonly (readonly [id: number, state: number, boards: readonly string[] | null])[]
}

export const WORKLOAD_MACHINES = [labMachine(4, 2, { name: "a" }), labMachine(2, 2, { name: "b" })]

/** What stands in the controller now. */
export function snapshot(controller: Controller, next: number): TurnLine {
  const jobs = controller.listJobs().map((job) => {
    const boards = job.boards?.map((place) => `${job.allocated_machine_name} ${place}`) ?? null
    return [job.job_id, job.state, boards] as const
  })
  return { next, jobs }
}

function live(state: string, seed: number): void {
  const random = seededRandom(seed)
  const clock = new FakeClock()
  // A cool-down of 50 ms lets boards go round all phases in the short life of this process.
  const settings = { ...DEFAULT_SETTINGS, secondsBeforeFree: 0.05, maxRetiredJobs: 20 }
  const controller = new Controller({ config: { settings, machines: WORKLOAD_MACHINES }, state, clock })
  const work: PowerWork[] = []
  let next = 0
  const turn = () => {
    for (let command = 0; command < 1 + random() * 4; command++) {
      const jobs = controller.listJobs()
      const some = jobs[Math.floor(random() * jobs.length)]?.job_id
      const kind = random()
      if (kind < 0.4 && jobs.length < 30) {
        const size = random() < 0.5 ? [] : [1 + Math.floor(random() * 12)]
        next = controller.createJob(wanted(size, { keepalive: null }), "192.0.2.1")
      } else if (kind < 0.6) controller.destroyJob(some, "done", "192.0.2.1")
      else if (kind < 0.7) controller.power(some, random() < 0.5, "192.0.2.1")
      else {
        const done = work.splice(Math.floor(random() * work.length), 1)[0]
        if (done) controller.powerDone(done.id, random() < 0.9 ? { kind: "done" } : { kind: "failed", detail: "test" })
      }
    }
    controller.tick()
    work.push(...controller.flush().powerWork)
    // At once, so that at most the one turn after it is committed and not yet said.
    writeSync(1, `${JSON.stringify(snapshot(controller, next))}\n`)
    setImmediate(turn)
  }
  turn()
}

if (import.meta.main) live(process.argv[2]!, Number(process.argv[3]))
