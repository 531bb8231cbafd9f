import { describe, expect, test } from "bun:test"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { readJobRequest } from "../../src/spalloc/job-request.ts"
import { JobState } from "../../src/spalloc/types.ts"
import { Lab, labMachine, wanted } from "../support/spalloc-lab.ts"

const HOST = "192.0.2.1"
const FREE_AT_ONCE = { secondsBeforeFree: 0 }

describe("a job", () => {
  test("is switched on as soon as it has boards, and ready when its power work is done", () => {
    const lab = new Lab([labMachine(1, 1)])
    const id = lab.create([1, 1])
    expect(id).toBe(1)
    expect(lab.state(id)).toBe(JobState.POWER)
    expect(lab.pending).toMatchObject([{ machine: "lab", bmp: "lab-bmp-0", jobId: 1, boards: [0, 1, 2], on: true }])
    lab.settle()
    expect(lab.state(id)).toBe(JobState.READY)
    expect(lab.jobsChanged).toEqual([1])
    expect(lab.machinesChanged).toEqual([])
  })

  test("has its links out of the job stopped, and only those", () => {
    const lab = new Lab([labMachine(2, 1)])
    lab.create()
    expect(lab.pending[0]?.isolate).toEqual([0, 1, 2, 3, 4, 5].map((link) => ({ board: 0, link })))
    const whole = new Lab([labMachine(2, 1)])
    whole.create([2, 1])
    expect(whole.pending[0]?.isolate).toEqual([])
  })

  test("says what machine it has, with its Ethernet chips and hosts", () => {
    const lab = new Lab([labMachine(4, 2)])
    const info = lab.controller.jobMachineInfo(lab.create([1, 1]), HOST)
    expect(info).toEqual({
      width: 16,
      height: 16,
      machine_name: "lab",
      boards: [
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 2],
      ],
      connections: [
        [[0, 0], "lab-board-0"],
        [[8, 4], "lab-board-1"],
        [[4, 8], "lab-board-2"],
      ],
    })
  })

  test("collapses power commands that wait for one that is under way into the last of them", () => {
    const lab = new Lab([labMachine(1, 1)])
    const id = lab.create()
    for (const on of [false, true, false, true, false]) lab.controller.power(id, on, HOST)
    lab.turn()
    expect(lab.pending.map(({ on }) => on)).toEqual([true])
    lab.controller.powerDone(lab.pending.shift()!.id, { kind: "done" })
    lab.turn()
    expect(lab.pending.map(({ on }) => on)).toEqual([false])
    expect(lab.controller.jobState(id, HOST)).toMatchObject({ state: JobState.POWER, power: false })
    lab.settle()
    expect(lab.controller.jobState(id, HOST)).toMatchObject({ state: JobState.READY, power: false })
  })

  test("is destroyed at once, and its boards rest before the next job gets them", () => {
    const lab = new Lab([labMachine(1, 1)])
    const first = lab.create([1, 1], { keepalive: null })
    lab.settle()
    const second = lab.create([1, 1], { keepalive: null })
    expect(lab.state(second)).toBe(JobState.QUEUED)
    lab.destroy(first, "done with it")
    expect(lab.controller.jobState(first, HOST)).toMatchObject({ state: JobState.DESTROYED, reason: "done with it" })
    expect(lab.controller.listMachines()).toHaveLength(1)
    lab.pass(100)
    expect(lab.state(second)).toBe(JobState.QUEUED)
    lab.settle()
    lab.pass(29)
    expect(lab.state(second)).toBe(JobState.QUEUED)
    lab.pass(1)
    expect(lab.state(second)).toBe(JobState.POWER)
  })

  test("that no machine could ever hold is cancelled, not refused", () => {
    const lab = new Lab([labMachine(2, 2)])
    for (const [args, kwargs] of [
      [[3, 1], {}],
      [[0, 1], {}],
      [[13], {}],
      [[0], {}],
      [[-3], {}],
      [[2, 0, 0], {}],
      [[0, 0, 3], {}],
      [[1], { machine: "other" }],
      [[1], { tags: ["big"] }],
      [[1, 2], { require_torus: true }],
    ] as const) {
      expect(lab.reason(lab.create([...args], kwargs))).toBe("Cancelled: No suitable machines available.")
    }
    expect(lab.controller.listJobs()).toEqual([])
  })

  test("that waits is cancelled with the reason that was given, or an empty one", () => {
    const lab = new Lab([labMachine(1, 1)])
    lab.create([1, 1])
    const [one, other] = [lab.create([1, 1]), lab.create([1, 1])]
    lab.destroy(one, "changed my mind")
    lab.destroy(other)
    expect(lab.reason(one)).toBe("Cancelled: changed my mind")
    expect(lab.reason(other)).toBe("Cancelled: ")
  })

  test("ends when nobody keeps it alive, also in the queue; asking after it keeps it alive", () => {
    const lab = new Lab([labMachine(1, 1)])
    const held = lab.create([1, 1], { keepalive: 10 })
    const queued = lab.create([1, 1], { keepalive: 10 })
    const watched = lab.create([1, 1], { keepalive: 10 })
    const forever = lab.create([1, 1], { keepalive: null })
    lab.clock.advance(9000)
    lab.controller.jobState(watched, "192.0.2.9")
    lab.pass(1)
    expect(lab.reason(held)).toBe("Job timed out.")
    expect(lab.reason(queued)).toBe("Cancelled: Job timed out.")
    expect(lab.controller.jobState(watched, HOST).state).toBe(JobState.QUEUED)
    lab.pass(1e6)
    expect(lab.state(forever)).not.toBeUndefined()
  })

  test("of another host may be looked at but not touched with owner-only", () => {
    const lab = new Lab([labMachine(1, 1)], { ownerOnly: true })
    const id = lab.create()
    expect(() => lab.controller.destroyJob(id, null, "192.0.2.2")).toThrow("192.0.2.1")
    expect(() => lab.controller.power(id, false, "192.0.2.2")).toThrow("owner-only")
    expect(lab.controller.jobState(id, "192.0.2.2").keepalivehost).toBe("192.0.2.2")
    lab.controller.destroyJob(id, null, HOST)
    expect(lab.controller.jobState(id, HOST).state).toBe(JobState.DESTROYED)
  })
})

test("ids of odd types and of no job are simply not found", () => {
  const { controller } = new Lab([labMachine(1, 1)])
  for (const id of ["1", 1.5, -1, null, undefined, {}, []]) {
    expect(controller.jobState(id, HOST)).toEqual({
      state: 0,
      power: null,
      keepalive: null,
      reason: null,
      start_time: null,
      keepalivehost: null,
    })
    expect(controller.jobMachineInfo(id, HOST).boards).toBeNull()
    controller.power(id, true, HOST)
    controller.destroyJob(id, null, HOST)
    controller.keepalive(id, HOST)
  }
})

test("limits of jobs say which of them was met", () => {
  const lab = new Lab([labMachine(1, 1)], { maxJobs: 3, maxJobsPerHost: 2 })
  lab.create([1, 1])
  const second = lab.create([1, 1])
  expect(() => lab.create([1, 1])).toThrow("max-jobs-per-host")
  lab.create([1, 1], {}, "192.0.2.2")
  expect(() => lab.create([1, 1], {}, "192.0.2.3")).toThrow("max-jobs allows")
  lab.destroy(second)
  lab.create([1, 1])
})

describe("queues", () => {
  test("start jobs in order on each machine, a big one holding back later small ones", () => {
    const lab = new Lab([labMachine(2, 1)], FREE_AT_ONCE)
    const first = lab.create([1, 1])
    const big = lab.create([2, 1])
    const small = lab.create([1, 1])
    expect([big, small].map((id) => lab.state(id))).toEqual([JobState.QUEUED, JobState.QUEUED])
    lab.destroy(first)
    lab.settle()
    expect([big, small].map((id) => lab.state(id))).toEqual([JobState.READY, JobState.QUEUED])
  })

  test("give a job to whichever of its machines is free first", () => {
    const lab = new Lab([labMachine(1, 1, { name: "a" }), labMachine(1, 1, { name: "b" })], FREE_AT_ONCE)
    lab.create([1, 1])
    const onB = lab.create([1, 1])
    const waits = lab.create([1, 1])
    const next = lab.create([1, 1], { machine: "b", tags: null })
    lab.destroy(onB)
    lab.settle()
    expect(lab.controller.listJobs().find(({ job_id }) => job_id === waits)?.allocated_machine_name).toBe("b")
    expect(lab.state(next)).toBe(JobState.QUEUED)
  })
})

describe("failed power", () => {
  test("destroys the job with a reason that names the BMP", () => {
    const lab = new Lab([labMachine(1, 1)])
    const id = lab.create()
    lab.controller.powerDone(lab.pending.shift()!.id, { kind: "failed", detail: "no answer" })
    lab.turn()
    expect(lab.reason(id)).toBe("Machine configuration failed. Error: Requests failed on BMP lab-bmp-0")
    expect(lab.pending).toMatchObject([{ on: false, jobId: null }])
  })

  test("takes a board out of service at the third time in a row, until it comes up again", () => {
    const lab = new Lab([labMachine(1, 1)], FREE_AT_ONCE)
    const failOnce = () => {
      const id = lab.create([0, 0, 1])
      lab.controller.powerDone(lab.pending.shift()!.id, { kind: "failed", detail: "FPGA 1 did not come up" })
      lab.turn()
      lab.settle()
      return id
    }
    failOnce()
    failOnce()
    expect(lab.controller.listMachines()[0]?.dead_boards).toEqual([])
    failOnce()
    expect(lab.controller.listMachines()[0]?.dead_boards).toEqual([[0, 0, 1]])
    expect(lab.events).toContainEqual({
      type: "board-out-of-service",
      machine: "lab",
      board: [0, 0, 1],
      physical: [0, 0, 1],
      detail: "FPGA 1 did not come up",
    })
    expect(lab.reason(lab.create([0, 0, 1]))).toBe("Cancelled: No suitable machines available.")
    lab.pass(600)
    expect(lab.pending).toMatchObject([{ boards: [1], on: true, jobId: null }])
    lab.settle()
    expect(lab.controller.listMachines()[0]?.dead_boards).toEqual([])
    expect(lab.state(lab.create([0, 0, 1]))).toBe(JobState.POWER)
  })

  test("can be forgiven by command", () => {
    const lab = new Lab([labMachine(1, 1)], FREE_AT_ONCE)
    lab.wearOut([0, 0, 0])
    expect(lab.controller.failingBoards).toEqual([
      {
        machine: "lab",
        board: [0, 0, 0],
        physical: [0, 0, 0],
        bmp: "lab-bmp-0",
        failures: 3,
        outOfService: "x",
      },
    ])
    expect(lab.controller.restoreBoard("lab", [0, 0, 1])).toBe(false)
    expect(lab.controller.restoreBoard("lab", [9, 9, 0])).toBe(false)
    expect(lab.controller.restoreBoard("none", [0, 0, 0])).toBe(false)
    expect(lab.controller.restoreBoard("lab", [0, 0, 0])).toBe(true)
    expect(lab.controller.listMachines()[0]?.dead_boards).toEqual([])
    expect(lab.controller.failingBoards).toEqual([])
  })

  test("can be forgiven while the board is tried out: a job that gets it then keeps its power", () => {
    const lab = new Lab([labMachine(1, 1)], FREE_AT_ONCE)
    lab.wearOut([0, 0, 1])
    lab.pass(600)
    lab.controller.restoreBoard("lab", [0, 0, 1])
    const id = lab.create([0, 0, 1], { keepalive: null })
    const given = [...lab.pending]
    for (let work = lab.pending.shift(); work; work = lab.pending.shift()) {
      lab.controller.powerDone(work.id, { kind: "done" })
      given.push(...lab.turn().powerWork)
    }
    expect(given.map(({ jobId, on }) => [jobId, on])).toEqual([
      [null, true],
      [id, true],
    ])
    expect(lab.state(id)).toBe(JobState.READY)
  })
})

describe("a new configuration", () => {
  const config = (...machines: ReturnType<typeof labMachine>[]) => ({ settings: DEFAULT_SETTINGS, machines })

  test("with other tags and faults leaves jobs alone", () => {
    const lab = new Lab([labMachine(2, 1)])
    const id = lab.create([1, 1])
    lab.controller.reload(config(labMachine(2, 1, { tags: ["big"], deadBoards: [[1, 0, 0]] })))
    lab.settle()
    expect(lab.state(id)).toBe(JobState.READY)
    expect(lab.reason(lab.create([]))).toBe("Cancelled: No suitable machines available.")
    expect(lab.controller.listMachines()).toMatchObject([{ tags: ["big"], dead_boards: [[1, 0, 0]] }])
  })

  test("that changes or drops a machine ends its jobs and switches their boards off", () => {
    const lab = new Lab([labMachine(1, 1, { name: "a" }), labMachine(1, 1, { name: "b" })])
    const [onA, onB] = [lab.create([1, 1]), lab.create([1, 1])]
    lab.settle()
    const lines = lab.controller.reload(config(labMachine(2, 1, { name: "a" })))
    lab.turn()
    expect(lines).toHaveLength(2)
    expect([onA, onB].map((id) => lab.reason(id))).toEqual(["Machine removed.", "Machine removed."])
    expect(lab.pending.map(({ bmp, on }) => [bmp, on])).toEqual([
      ["a-bmp-0", false],
      ["b-bmp-0", false],
    ])
    lab.settle()
    expect(lab.state(lab.create([2, 1]))).toBe(JobState.POWER)
  })

  test("switches boards off for an old job before it switches them on for a new one, whatever is under way", () => {
    const lab = new Lab([labMachine(1, 1)])
    lab.create([1, 1])
    const waits = lab.create([1, 1])
    const [old] = [labMachine(1, 1)]
    const boards = old.boards.map((board) => ({ ...board, host: `new-${board.host}` }))
    lab.controller.reload(config({ ...old, boards }))
    lab.turn()
    // A BMP does its work in this order; the first switches on for the old job.
    const expected = [
      [1, true],
      [null, false],
      [waits, true],
    ]
    expect(lab.pending.map(({ jobId, on }) => [jobId, on])).toEqual(expected)
    const later = expected.map(() => {
      lab.controller.powerDone(lab.pending.shift()!.id, { kind: "done" })
      return lab.controller.flush().powerWork
    })
    expect(later.flat()).toEqual([])
    expect(lab.state(waits)).toBe(JobState.READY)
  })

  test("lets jobs that wait start, or cancels those that can never start", () => {
    const lab = new Lab([labMachine(1, 1)])
    lab.create([1, 1])
    const [fits, never] = [lab.create([1, 1]), lab.create([1, 1], { tags: ["default"] })]
    lab.controller.reload(config(labMachine(1, 1), labMachine(1, 1, { name: "more" })))
    lab.turn()
    expect(lab.state(fits)).toBe(JobState.POWER)
    lab.controller.reload(config(labMachine(1, 1, { tags: [] })))
    lab.turn()
    expect(lab.reason(never)).toBe("Cancelled: No suitable machines available.")
  })
})

test("only so many destroyed jobs are remembered", () => {
  const lab = new Lab([labMachine(1, 1)], { maxRetiredJobs: 2 })
  const ids = [1, 2, 3].map(() => lab.create([9, 9]))
  expect(ids.map((id) => lab.controller.jobState(id, HOST).state)).toEqual([0, 4, 4])
})

test("a chip is found by each of the four ways to ask", () => {
  const lab = new Lab([labMachine(4, 2)])
  const id = lab.create([2, 1])
  const { controller } = lab
  const board = controller.whereIs({ by: "logical", machine: "lab", x: 1, y: 0, z: 2 })
  expect(board).toEqual({
    machine: "lab",
    logical: [1, 0, 2],
    physical: [0, 0, 8],
    chip: [16, 8],
    board_chip: [0, 0],
    job_id: id,
    job_chip: [16, 8],
  })
  expect(controller.whereIs({ by: "physical", machine: "lab", cabinet: 0, frame: 0, board: 8 })).toEqual(board)
  expect(controller.whereIs({ by: "chip", machine: "lab", chipX: 16, chipY: 8 })).toEqual(board)
  expect(controller.whereIs({ by: "job", jobId: id, chipX: 16, chipY: 8 })).toEqual(board)
  expect(controller.whereIs({ by: "logical", machine: "lab", x: 5, y: 2, z: 7 })?.logical).toEqual([1, 0, 0])
  expect(controller.whereIs({ by: "job", jobId: id, chipX: 40, chipY: 8 })).toBeNull()
  expect(controller.whereIs({ by: "logical", machine: "none", x: 0, y: 0, z: 0 })).toBeNull()
  expect(controller.boardPosition("lab", 1, 0, 2)).toEqual([0, 0, 8])
  expect(controller.boardPosition("lab", 4, 0, 0)).toBeNull()
  expect(controller.boardAtPosition("lab", 0, 0, 8)).toEqual([1, 0, 2])
  expect(controller.boardAtPosition("lab", 1, 0, 8)).toBeNull()
})

test("requests are read as all generations of clients send them", () => {
  expect(wanted([], { tags: null, min_ratio: null, require_torus: null }).tags).toEqual(["default"])
  expect(wanted([4], { keepalive: null }).keepaliveS).toBeNull()
  expect(wanted([4]).keepaliveS).toBe(60)
  expect(() => wanted([1], { require_torus: true })).toThrow("require_torus must be False when allocating boards.")
  expect(() => wanted([], { machine: "a", tags: ["b"] })).toThrow("Only one of machine and tags")
  expect(() => wanted([], { owner: null })).toThrow("owner")
  expect(() => wanted([], { min_ratio: -1 })).toThrow("min_ratio")
  expect(() => wanted([1, 2, 3, 4])).toThrow("0 to 3")
  expect(() => wanted(Array(1000).fill(null))).toThrow("0 to 3")
  expect(readJobRequest([4, null, null], { owner: "a" }).shape).toEqual({ kind: "boards", count: 4 })
})

describe("lists", () => {
  test("of jobs are made anew when something in them changes, and only then", () => {
    const lab = new Lab([labMachine(1, 1)], FREE_AT_ONCE)
    const { controller } = lab
    const id = lab.create([1, 1], { keepalive: null })
    const seen = [controller.listJobs()]
    const isNew = (act: () => void): boolean => {
      act()
      seen.push(controller.listJobs())
      return seen.at(-1) !== seen.at(-2)
    }
    expect(isNew(() => controller.keepalive(id, HOST))).toBe(false)
    expect(isNew(() => lab.pass(1))).toBe(false)
    expect(isNew(() => controller.keepalive(id, "192.0.2.2"))).toBe(true)
    expect(controller.listJobs()[0]?.keepalivehost).toBe("192.0.2.2")
    expect(isNew(() => lab.settle())).toBe(true)
    expect(controller.listJobs()[0]?.state).toBe(JobState.READY)
    expect(isNew(() => controller.power(id, false, HOST))).toBe(true)
    expect(controller.listJobs()[0]?.power).toBe(false)
    expect(isNew(() => void lab.create([1, 1], { keepalive: null }))).toBe(true)
    lab.destroy(id)
    expect(isNew(() => lab.settle())).toBe(true)
    lab.pass(1)
    expect(controller.listJobs()).toMatchObject([{ job_id: 2, boards: [{}, {}, {}] }])
  })

  test("of machines show boards that come and go, and what a new configuration says", () => {
    const lab = new Lab([labMachine(1, 1)], FREE_AT_ONCE)
    const { controller } = lab
    expect(controller.listMachines()).toBe(controller.listMachines())
    lab.wearOut([0, 0, 0])
    expect(controller.listMachines()[0]?.dead_boards).toEqual([[0, 0, 0]])
    controller.restoreBoard("lab", [0, 0, 0])
    expect(controller.listMachines()[0]?.dead_boards).toEqual([])
    const machines = [labMachine(1, 1, { name: "b" }), labMachine(1, 1)]
    controller.reload({ settings: DEFAULT_SETTINGS, machines })
    expect(controller.listMachines().map(({ name }) => name)).toEqual(["b", "lab"])
    controller.reload({ settings: DEFAULT_SETTINGS, machines: [...machines].reverse() })
    expect(controller.listMachines().map(({ name }) => name)).toEqual(["lab", "b"])
  })
})
