import { describe, expect, test } from "bun:test"
import { COMMAND_NAMES, runCommand } from "../../src/spalloc/commands.ts"
import { Notifier, Subscriber } from "../../src/spalloc/notifier.ts"
import { JobState } from "../../src/spalloc/types.ts"
import { Lab, labMachine } from "../support/spalloc-lab.ts"

type Asked = readonly [command: string, args?: readonly unknown[], kwargs?: object]

/** The state of a job with a keepalive of 10 s that was asked this after 9 s, and then nothing for 9 s. */
function stateAfter([command, args = [], kwargs = {}]: Asked): number | undefined {
  const lab = new Lab([labMachine(1, 1)])
  const id = lab.create([], { keepalive: 10 })
  lab.settle()
  lab.pass(9)
  const watches = new Subscriber(new Notifier(), () => {})
  const { reply } = runCommand({ command, args, kwargs }, { controller: lab.controller, host: "192.0.2.1", watches })
  expect(reply).toHaveProperty("return")
  lab.turn()
  lab.settle()
  lab.pass(9)
  return lab.state(id)
}

const KEEPING: readonly Asked[] = [
  ["job_keepalive", [1]],
  ["get_job_state", [1]],
  ["get_job_machine_info", [1]],
  ["power_on_job_boards", [1]],
  ["power_off_job_boards", [1]],
]

const LOOKING: readonly Asked[] = [
  ["version"],
  ["list_jobs"],
  ["list_machines"],
  ["notify_job", [1]],
  ["no_notify_job", [1]],
  ["notify_machine", ["lab"]],
  ["no_notify_machine", ["lab"]],
  ["get_board_position", ["lab", 0, 0, 0]],
  ["get_board_at_position", ["lab", 0, 0, 0]],
  ["where_is", [], { machine: "lab", x: 0, y: 0, z: 0 }],
  ["where_is", [], { machine: "lab", cabinet: 0, frame: 0, board: 0 }],
  ["where_is", [], { machine: "lab", chip_x: 0, chip_y: 0 }],
  ["where_is", [], { job_id: 1, chip_x: 0, chip_y: 0 }],
]

describe("a job", () => {
  test.each(KEEPING.map((asked) => ({ asked })))("is kept alive by $asked", ({ asked }) => {
    expect(stateAfter(asked)).toBe(JobState.READY)
  })

  test.each(LOOKING.map((asked) => ({ asked })))("is not kept alive by $asked", ({ asked }) => {
    expect(stateAfter(asked)).toBeUndefined()
  })

  test("is created and destroyed by the only commands that are not among these", () => {
    const named = new Set([...KEEPING, ...LOOKING].map(([command]) => command))
    expect(COMMAND_NAMES.filter((name) => !named.has(name))).toEqual(["create_job", "destroy_job"])
  })
})
