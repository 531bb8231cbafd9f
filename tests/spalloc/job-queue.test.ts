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

test("on one machine jobs start in the order of creation, and every board is free again at the end", () => {
  const random = seededRandom(11)
  const lab = new Lab([labMachine(3, 3)], { secondsBeforeFree: 5, maxRetiredJobs: 1e6 })
  const started: number[] = []
  for (let operation = 0; operation < 3000; operation++) {
    const live = lab.controller.listJobs()
    const kind = random()
    const some = live[Math.floor(random() * live.length)]?.job_id
    if (kind < 0.4 && live.length < 8) lab.create([1 + Math.floor(random() * 15)], { keepalive: null })
    else if (kind < 0.7 && some !== undefined) lab.destroy(some)
    else lab.pass(random() * 4)
    for (let done = 0; done < 3 && lab.pending.length > 0; done++) {
      const [work] = lab.pending.splice(Math.floor(random() * lab.pending.length), 1)
      lab.controller.powerDone(work!.id, random() < 0.99 ? { kind: "done" } : { kind: "failed", detail: "test" })
      lab.turn()
    }
    for (const event of lab.events.splice(0)) if (event.type === "job-allocated") started.push(event.jobId)
  }
  expect(started.length).toBeGreaterThan(200)
  expect(started).toEqual([...started].sort((one, other) => one - other))
  for (const { job_id } of lab.controller.listJobs()) lab.destroy(job_id)
  lab.settle()
  lab.pass(10)
  for (const place of lab.controller.listMachines()[0]!.dead_boards) lab.controller.restoreBoard("lab", place)
  lab.turn()
  const whole = lab.create([3, 3], { max_dead_boards: 0 })
  expect(lab.state(whole)).toBe(JobState.POWER)
})

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
