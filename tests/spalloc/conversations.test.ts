/** What is asked and what is answered: every command of the v1 protocol and every error, as a table. */
import { describe, expect, test } from "bun:test"
import { COMMAND_NAMES, runCommand } from "../../src/spalloc/commands.ts"
import type { ServerSettings } from "../../src/spalloc/config.ts"
import { Notifier, Subscriber } from "../../src/spalloc/notifier.ts"
import { Lab, labMachine } from "../support/spalloc-lab.ts"

const HOST = "192.0.2.1"

/** One request, and all of its reply; a RegExp stands for an exception whose text it matches. */
type Exchange = readonly [request: unknown, reply: unknown]

/** A 2x1-triad machine with jobs 1 (board 0,0,0, ready), 2 (a triad, power) and 3 (destroyed) on it. */
function setUp(settings: Partial<ServerSettings> = {}) {
  const lab = new Lab([labMachine(2, 1)], { secondsBeforeFree: 0, ...settings })
  const notifier = new Notifier()
  const watches = new Subscriber(notifier, () => {})
  const ask = (request: unknown, host = HOST): unknown => {
    const { reply } = runCommand(request as Record<string, unknown>, { controller: lab.controller, host, watches })
    lab.turn()
    return JSON.parse(JSON.stringify(reply))
  }
  ask({ command: "create_job", args: [], kwargs: { owner: "me" } })
  ask({ command: "create_job", args: [1], kwargs: { owner: "me", machine: "nowhere" } })
  lab.settle()
  return { lab, ask, watches, notifier }
}

const call = (command: string, args: unknown[] = [], kwargs: object = {}) => ({ command, args, kwargs })
const value = (returned: unknown) => ({ return: returned })

const live = { state: 3, power: true, keepalive: 60, reason: null, start_time: 1_700_000_000, keepalivehost: HOST }
const destroyed = {
  state: 4,
  power: null,
  keepalive: null,
  reason: "Cancelled: No suitable machines available.",
  start_time: null,
  keepalivehost: null,
}
const unknown = { ...destroyed, state: 0, reason: null }
const noMachine = { width: null, height: null, connections: null, machine_name: null, boards: null }
const machineInfo = {
  width: 8,
  height: 8,
  connections: [[[0, 0], "lab-board-0"]],
  machine_name: "lab",
  boards: [[0, 0, 0]],
}
const record = {
  job_id: 1,
  owner: "me",
  start_time: 1_700_000_000,
  keepalive: 60,
  state: 3,
  power: true,
  args: [],
  kwargs: {},
  allocated_machine_name: "lab",
  boards: [[0, 0, 0]],
  keepalivehost: HOST,
}
const place = {
  machine: "lab",
  logical: [0, 0, 1],
  physical: [0, 0, 1],
  chip: [8, 4],
  board_chip: [0, 0],
  job_id: null,
  job_chip: null,
}
const jobPlace = { ...place, logical: [0, 0, 0], physical: [0, 0, 0], chip: [0, 0], job_id: 1, job_chip: [0, 0] }
const jobChip = { ...jobPlace, chip: [3, 2], board_chip: [3, 2], job_chip: [3, 2] }

const exchanges: readonly Exchange[] = [
  [call("version"), value("1.0.0")],
  [{ command: "version" }, value("1.0.0")],
  [{ command: "version", args: [], kwargs: {}, more: 1 }, value("1.0.0")],
  [call("version", [1]), /version takes no positional arguments, got 1/],
  [call("version", [], { x: 1 }), /version has no argument "x"/],

  [call("create_job", [], { owner: "you" }), value(3)],
  [call("create_job", [], { owner: "you", keepalive: null, machine: null, tags: null }), value(3)],
  [call("create_job", [1], { owner: "you", min_ratio: null, require_torus: null }), value(3)],
  [call("create_job", [3], { owner: "you", min_ratio: 0.333, max_dead_boards: 0, max_dead_links: null }), value(3)],
  [call("create_job", [1, 1], { owner: "you", require_torus: false }), value(3)],
  [call("create_job", [0, 0, 2], { owner: "you", machine: "lab" }), value(3)],
  [call("create_job", [99], { owner: "you" }), value(3)],
  [call("create_job"), /owner/],
  [call("create_job", [], { owner: null }), /owner/],
  [call("create_job", [1, 2, 3, 4], { owner: "you" }), /4|argument/],
  [call("create_job", ["one"], { owner: "you" }), /one|number/],
  [call("create_job", [], { owner: "you", speed: 1 }), /no argument "speed"/],
  [call("create_job", [], { owner: "you", machine: "lab", tags: ["default"] }), /Only one of machine and tags/],
  [call("create_job", [], { owner: "you", require_torus: true }), /require_torus must be False when allocating boards/],
  [call("create_job", [3], { owner: "you", min_ratio: -1 }), /min_ratio/],
  [call("create_job", [], { owner: "you", keepalive: "long" }), /keepalive/],
  [call("create_job", [], { owner: "you", tags: "default" }), /tags/],

  [call("job_keepalive", [1]), value(null)],
  [call("job_keepalive", [], { job_id: 1 }), value(null)],
  [call("job_keepalive", [77]), value(null)],
  [call("job_keepalive", ["1"]), value(null)],
  [call("job_keepalive", [null]), value(null)],
  [call("job_keepalive"), /job_keepalive needs job_id/],
  [call("job_keepalive", [1], { job_id: 1 }), /two values for job_id/],
  [call("job_keepalive", [1, 2]), /at most 1 argument by position, got 2/],

  [call("get_job_state", [1]), value(live)],
  [call("get_job_state", [], { job_id: 1 }), value(live)],
  [call("get_job_state", [2]), value(destroyed)],
  [call("get_job_state", [77]), value(unknown)],
  [call("get_job_state", [1.5]), value(unknown)],
  [call("get_job_state", ["1"]), value(unknown)],
  [call("get_job_state", [-1]), value(unknown)],
  [call("get_job_state", [null]), value(unknown)],

  [call("get_job_machine_info", [1]), value(machineInfo)],
  [call("get_job_machine_info", [], { job_id: 1 }), value(machineInfo)],
  [call("get_job_machine_info", [2]), value(noMachine)],
  [call("get_job_machine_info", [77]), value(noMachine)],

  [call("power_on_job_boards", [1]), value(null)],
  [call("power_on_job_boards", [], { job_id: 1 }), value(null)],
  [call("power_on_job_boards", [77]), value(null)],
  [call("power_off_job_boards", [1]), value(null)],
  [call("power_off_job_boards", [], { job_id: 1 }), value(null)],
  [call("power_off_job_boards", [2]), value(null)],
  [call("power_off_job_boards"), /power_off_job_boards needs job_id/],

  [call("destroy_job", [1]), value(null)],
  [call("destroy_job", [1, "enough"]), value(null)],
  [call("destroy_job", [1, null]), value(null)],
  [call("destroy_job", [1], { reason: "enough" }), value(null)],
  [call("destroy_job", [], { job_id: 1, reason: null }), value(null)],
  [call("destroy_job", [77, "enough"]), value(null)],
  [call("destroy_job", [1, 5]), /reason: expected a string, got 5/],
  [call("destroy_job", [1, "x".repeat(2000)]), /at most 1000 characters/],

  [call("notify_job"), value(null)],
  [call("notify_job", [null]), value(null)],
  [call("notify_job", [1]), value(null)],
  [call("notify_job", [], { job_id: 1 }), value(null)],
  [call("notify_job", [77]), value(null)],
  [call("no_notify_job"), value(null)],
  [call("no_notify_job", [1]), value(null)],
  [call("notify_machine"), value(null)],
  [call("notify_machine", ["lab"]), value(null)],
  [call("notify_machine", [], { machine_name: "lab" }), value(null)],
  [call("notify_machine", ["nowhere"]), value(null)],
  [call("no_notify_machine", [null]), value(null)],
  [call("no_notify_machine", ["lab"]), value(null)],
  [call("notify_job", [1, 2]), /at most 1 argument by position/],

  [call("list_jobs"), value([record])],
  [
    call("list_machines"),
    value([{ name: "lab", tags: ["default"], width: 2, height: 1, dead_boards: [], dead_links: [] }]),
  ],
  [call("list_jobs", [1]), /no positional arguments/],

  [call("get_board_position", ["lab", 1, 0, 2]), value([0, 0, 5])],
  [call("get_board_position", [], { machine_name: "lab", x: 1, y: 0, z: 2 }), value([0, 0, 5])],
  [call("get_board_position", ["lab", 9, 0, 2]), value(null)],
  [call("get_board_position", ["nowhere", 1, 0, 2]), value(null)],
  [call("get_board_position", [null, 1, 0, 2]), value(null)],
  [call("get_board_position", ["lab", 1, 0]), /get_board_position needs z/],
  [call("get_board_position", ["lab", 1, 0, "2"]), /z: expected a whole number, got "2"/],
  [call("get_board_at_position", ["lab", 0, 0, 5]), value([1, 0, 2])],
  [call("get_board_at_position", [], { machine_name: "lab", x: 0, y: 0, z: 5 }), value([1, 0, 2])],
  [call("get_board_at_position", ["lab", 0, 0, 23]), value(null)],
  [call("get_board_at_position", ["nowhere", 0, 0, 5]), value(null)],

  [call("where_is", [], { machine: "lab", x: 0, y: 0, z: 1 }), value(place)],
  [call("where_is", [], { machine: "lab", cabinet: 0, frame: 0, board: 1 }), value(place)],
  [call("where_is", [], { machine: "lab", chip_x: 8, chip_y: 4 }), value(place)],
  [call("where_is", [], { job_id: 1, chip_x: 0, chip_y: 0 }), value(jobPlace)],
  [call("where_is", [], { job_id: 1, chip_x: 3, chip_y: 2 }), value(jobChip)],
  [call("where_is", [], { job_id: 1, chip_x: 0, chip_y: 0, machine: null }), value(jobPlace)],
  [call("where_is", [], { job_id: 77, chip_x: 0, chip_y: 0 }), value(null)],
  [call("where_is", [], { job_id: "1", chip_x: 0, chip_y: 0 }), value(null)],
  [call("where_is", [], { machine: "nowhere", x: 0, y: 0, z: 1 }), value(null)],
  [call("where_is", [], { machine: "lab", cabinet: 0, frame: 7, board: 1 }), value(null)],
  [call("where_is"), /where_is takes .*got nothing/],
  [call("where_is", [], { machine: "lab", x: 0, y: 0 }), /where_is takes .*got machine, x, y/],
  [call("where_is", [], { machine: "lab", x: 0, y: 0, z: 0, job_id: 1 }), /where_is takes/],
  [call("where_is", ["lab", 0, 0, 0]), /no positional arguments/],
  [call("where_is", [], { machine: "lab", x: 0.5, y: 0, z: 0 }), /x: expected a whole number, got 0.5/],

  [call("fly"), /There is no command "fly": known are create_job/],
  [call("constructor"), /There is no command/],
  [{}, /"command" must be a string, got null|"command" must be a string/],
  [{ command: 5, args: [], kwargs: {} }, /"command" must be a string, got 5/],
  [{ command: "version", args: {}, kwargs: {} }, /"args" must be an array/],
  [{ command: "version", args: [], kwargs: [] }, /"kwargs" must be an object/],
  [{ command: "version", args: null, kwargs: null }, /"args" must be an array/],
]

describe("the server answers", () => {
  test.each(exchanges.map(([request, reply]) => [JSON.stringify(request).slice(0, 120), request, reply] as const))(
    "%s",
    (_name, request, expected) => {
      const reply = setUp().ask(request)
      if (expected instanceof RegExp) expect((reply as { exception: string }).exception).toMatch(expected)
      else expect(reply).toEqual(expected)
    },
  )

  test("every command has a place in this table", () => {
    const asked = new Set(exchanges.map(([request]) => (request as { command?: unknown }).command))
    expect(COMMAND_NAMES.filter((name) => !asked.has(name))).toEqual([])
  })

  test("no error leaves a job behind or uses up the server", () => {
    const { ask } = setUp()
    for (const [request, expected] of exchanges) if (expected instanceof RegExp) ask(request)
    expect(ask(call("list_jobs"))).toEqual(value([record]))
  })

  test("says which limit a job is beyond", () => {
    const owner = { owner: "you" }
    expect(setUp({ maxJobs: 1 }).ask(call("create_job", [], owner))).toEqual({
      exception: expect.stringContaining("max-jobs"),
    })
    expect(setUp({ maxJobsPerHost: 1 }).ask(call("create_job", [], owner))).toEqual({
      exception: expect.stringContaining("max-jobs-per-host"),
    })
  })

  test("with owner-only lets only the creating host switch and destroy", () => {
    const { ask } = setUp({ ownerOnly: true })
    for (const command of ["power_on_job_boards", "power_off_job_boards", "destroy_job"]) {
      expect(ask(call(command, [1]), "192.0.2.99")).toEqual({ exception: expect.stringContaining("owner-only") })
    }
    expect(ask(call("get_job_state", [1]), "192.0.2.99")).toEqual(value({ ...live, keepalivehost: "192.0.2.99" }))
    expect(ask(call("destroy_job", [1]))).toEqual(value(null))
  })
})

describe("a client is told of changes", () => {
  const changed = (watches: Subscriber) => {
    const told = { jobs: [] as unknown[], machines: [] as unknown[] }
    for (const line of watches.take()) {
      const { jobs_changed = [], machines_changed = [] } = JSON.parse(new TextDecoder().decode(line))
      told.jobs.push(...jobs_changed)
      told.machines.push(...machines_changed)
    }
    return told
  }

  test("of everything, of one, or of nothing, as it asked", () => {
    const { ask, watches, notifier } = setUp()
    const tell = () => {
      notifier.changed("jobs", [1, 2])
      notifier.changed("machines", ["lab"])
      return changed(watches)
    }
    expect(tell()).toEqual({ jobs: [], machines: [] })
    ask(call("notify_job", [2]))
    expect(tell()).toEqual({ jobs: [2], machines: [] })
    ask(call("notify_job"))
    ask(call("no_notify_job", [2]))
    expect(tell()).toEqual({ jobs: [1, 2], machines: [] })
    ask(call("no_notify_job", [null]))
    ask(call("notify_machine", ["lab"]))
    expect(tell()).toEqual({ jobs: [], machines: ["lab"] })
    ask(call("no_notify_machine", ["lab"]))
    expect(tell()).toEqual({ jobs: [], machines: [] })
  })

  test("once for many changes of the same", () => {
    const { ask, watches, notifier } = setUp()
    ask(call("notify_job"))
    for (let time = 0; time < 1000; time++) notifier.changed("jobs", [time % 3])
    expect(changed(watches).jobs).toEqual([0, 1, 2])
  })

  test("and may not watch without end", () => {
    const { ask } = setUp()
    let refused: unknown
    for (let id = 0; id < 12_001; id++) refused = ask(call("notify_job", [id]))
    expect(refused).toEqual({ exception: expect.stringContaining("watches 12000 jobs already") })
  })
})
