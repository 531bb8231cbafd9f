import { expect, spyOn, test } from "bun:test"
import { JobQueue } from "../../src/spalloc/job-queue.ts"
import { MachineAllocator } from "../../src/spalloc/machine-allocator.ts"
import { JobState } from "../../src/spalloc/types.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Lab, labMachine } from "../support/spalloc-lab.ts"

test("jobs come out in the order they came in, however many leave from the middle", () => {
  const random = seededRandom(3)
  const queue = new JobQueue()
  let model: number[] = []
  for (let id = 0; id < 20_000; id++) {
    queue.add(id)
    model.push(id)
    if (random() < 0.6) {
      const gone = model[Math.floor(random() * model.length)]!
      expect(queue.remove(gone)).toBe(true)
      model = model.filter((one) => one !== gone)
    }
    if (random() < 0.3 && model.length > 0) queue.remove(model.shift()!)
    if (queue.first !== model[0] || queue.length !== model.length) throw new Error(`wrong at ${id}`)
  }
  queue.clear()
  expect([queue.first, queue.length, queue.remove(1)]).toEqual([undefined, 0, false])
})

const OPERATIONS = process.env.FULL === "1" ? 100_000 : 3_000

test(`over ${OPERATIONS} operations jobs start on each machine in the order of creation, and no board is lost`, () => {
  const random = seededRandom(11)
  const below = (limit: number) => Math.floor(random() * limit)
  const shapes = { a: labMachine(3, 3, { name: "a" }), b: labMachine(2, 2, { name: "b" }) }
  const lab = new Lab(Object.values(shapes), { secondsBeforeFree: 5, maxRetiredJobs: 10 })
  const started: Record<string, number[]> = { a: [], b: [] }
  const reload = (deadBoards: (readonly [number, number, number])[]) => {
    const machines = [{ ...shapes.a, deadBoards }, shapes.b]
    lab.controller.reload({ settings: lab.controller.settings, machines })
    lab.turn()
  }
  for (let operation = 0; operation < OPERATIONS; operation++) {
    const live = lab.controller.listJobs()
    const kind = random()
    const some = live[below(live.length)]?.job_id
    if (kind < 0.4 && live.length < 12) {
      const machine = [null, "a", "b"][below(3)]
      lab.create([1 + below(15)], { keepalive: null, machine, tags: machine ? null : ["default"] })
    } else if (kind < 0.7 && some !== undefined) lab.destroy(some)
    else if (kind < 0.72) reload(random() < 0.5 ? [] : [[below(3), below(3), below(3)]])
    else lab.pass(random() * 4)
    for (let done = 0; done < 4 && lab.pending.length > 0; done++) {
      const [work] = lab.pending.splice(below(lab.pending.length), 1)
      lab.controller.powerDone(work!.id, random() < 0.99 ? { kind: "done" } : { kind: "failed", detail: "test" })
      lab.turn()
    }
    for (const event of lab.events.splice(0)) {
      if (event.type === "job-allocated") started[event.machine]!.push(event.jobId)
    }
    checkHolders(lab)
  }
  for (const jobs of Object.values(started)) {
    expect(jobs.length).toBeGreaterThan(100)
    expect(jobs).toEqual([...jobs].sort((one, other) => one - other))
  }
  for (const { job_id } of lab.controller.listJobs()) lab.destroy(job_id)
  lab.settle()
  lab.pass(10)
  reload([])
  for (const { machine, board } of lab.controller.failingBoards) lab.controller.restoreBoard(machine, board)
  lab.turn()
  const whole = [lab.create([3, 3], { max_dead_boards: 0 }), lab.create([2, 2], { machine: "b", tags: null })]
  expect(whole.map((id) => lab.state(id))).toEqual([JobState.POWER, JobState.POWER])
}, 120_000)

function checkHolders(lab: Lab): void {
  const held = lab.controller
    .listJobs()
    .flatMap(({ boards, allocated_machine_name }) =>
      (boards ?? []).map((place) => `${allocated_machine_name} ${place}`),
    )
  if (held.length !== new Set(held).size) throw new Error("a board has two jobs")
}

test("a job that found no room is tried again when something is free, and not before", () => {
  const lab = new Lab([labMachine(2, 1)], { secondsBeforeFree: 5 })
  const [first, second] = [lab.create([1, 1], { keepalive: null }), lab.create([1, 1], { keepalive: null })]
  const allocate = spyOn(MachineAllocator.prototype, "allocate")
  try {
    const big = lab.create([2, 1], { keepalive: null })
    const small = lab.create([1, 1], { keepalive: null })
    lab.settle()
    lab.pass(1)
    lab.destroy(first)
    lab.settle()
    expect(allocate).toHaveBeenCalledTimes(1)
    lab.pass(5)
    expect(allocate).toHaveBeenCalledTimes(2)
    lab.destroy(big)
    expect(lab.state(small)).toBe(JobState.POWER)
    lab.destroy(second)
    const tooBig = lab.create([2, 1], { keepalive: null })
    lab.controller.reload({
      settings: lab.controller.settings,
      machines: [labMachine(2, 1), labMachine(2, 1, { name: "more" })],
    })
    expect(lab.state(tooBig)).toBe(JobState.POWER)
  } finally {
    allocate.mockRestore()
  }
})
