/** Machines and controllers of a spalloc server without hardware. */
import { FAILURES_TO_LEAVE_SERVICE } from "../../src/spalloc/board-health.ts"
import { DEFAULT_SETTINGS, type MachineConfig, type ServerSettings } from "../../src/spalloc/config.ts"
import { Controller, type ControllerEvent } from "../../src/spalloc/controller.ts"
import { readJobRequest } from "../../src/spalloc/job-request.ts"
import type { BoardPlace, Effects, JobRequest, PowerWork } from "../../src/spalloc/types.ts"
import { FakeClock } from "./fake-clock.ts"

const BOARDS_PER_FRAME = 24

/** A machine whose boards fill frames of 24 in the order of (x, y, z), with hosts of its own. */
export function labMachine(width: number, height: number, change: Partial<MachineConfig> = {}): MachineConfig {
  const name = change.name ?? "lab"
  const boards = Array.from({ length: width * height * 3 }, (_, index) => {
    const triad = Math.floor(index / 3)
    const frame = Math.floor(index / BOARDS_PER_FRAME)
    return {
      logical: [Math.floor(triad / height), triad % height, index % 3] as const,
      physical: [0, frame, index % BOARDS_PER_FRAME] as const,
      host: `${name}-board-${index}`,
    }
  })
  const frames = Math.ceil(boards.length / BOARDS_PER_FRAME)
  const bmps = Array.from({ length: frames }, (_, frame) => ({ cabinet: 0, frame, host: `${name}-bmp-${frame}` }))
  return { name, tags: ["default"], width, height, deadBoards: [], deadLinks: [], boards, bmps, ...change }
}

/** What `create_job` with these arguments asks for. */
export function wanted(args: readonly number[], kwargs: Record<string, unknown> = {}): JobRequest {
  return readJobRequest(args, { owner: "somebody", ...kwargs })
}

/** A controller on a clock of its own, with a BMP for every frame that does as it is told when asked to. */
export class Lab {
  readonly clock = new FakeClock()
  readonly events: ControllerEvent[] = []
  readonly controller: Controller
  /** Work that has left and is not yet done. */
  pending: PowerWork[] = []
  jobsChanged: number[] = []
  machinesChanged: string[] = []

  constructor(machines: readonly MachineConfig[], settings: Partial<ServerSettings> = {}, state = ":memory:") {
    this.controller = new Controller({
      config: { machines, settings: { ...DEFAULT_SETTINGS, ...settings } },
      state,
      clock: this.clock,
      wallTime: () => 1_700_000_000_000 + this.clock.now(),
      onEvent: (event) => this.events.push(event),
    })
    this.turn()
  }

  /** Ends a turn. */
  turn(): Effects {
    const effects = this.controller.flush()
    this.pending.push(...effects.powerWork)
    this.jobsChanged = [...effects.jobsChanged]
    this.machinesChanged = [...effects.machinesChanged]
    return effects
  }

  create(args: readonly number[] = [], kwargs: Record<string, unknown> = {}, host = "192.0.2.1"): number {
    const id = this.controller.createJob(wanted(args, kwargs), host)
    this.turn()
    return id
  }

  destroy(id: number, reason: string | null = null): void {
    this.controller.destroyJob(id, reason, "192.0.2.1")
    this.turn()
  }

  /** All work is done, also what it leads to. */
  settle(): void {
    for (let work = this.pending.shift(); work; work = this.pending.shift()) {
      this.controller.powerDone(work.id, { kind: "done" })
      this.turn()
    }
  }

  /** Has a board fail so often that it leaves service. Boards must be free at once, and this one too. */
  wearOut(board: BoardPlace): void {
    for (let failure = 0; failure < FAILURES_TO_LEAVE_SERVICE; failure++) {
      this.create(board)
      this.controller.powerDone(this.pending.shift()!.id, { kind: "failed", detail: "x" })
      this.turn()
      this.settle()
    }
  }

  /** Lets time pass and looks at keepalives and cool-downs. */
  pass(seconds: number): void {
    this.clock.advance(seconds * 1000)
    this.controller.tick()
    this.turn()
  }

  state(id: number) {
    return this.controller.listJobs().find((job) => job.job_id === id)?.state
  }

  reason(id: number): string | null {
    return this.controller.jobState(id, "192.0.2.1").reason
  }
}
