/** A live job, and what the protocol says of it. Source: the spalloc facts §5 to §7. */
import type { Holding } from "./holding.ts"
import { type JobLife, powerOf, stateCode } from "./job-life.ts"
import type { Machine } from "./machine.ts"
import type { StoredJob } from "./store.ts"
import { type JobMachineReply, type JobRecord, type JobRequest, JobState, type JobStateReply } from "./types.ts"

/** A job that is not destroyed. */
export interface Job {
  readonly id: number
  readonly request: JobRequest
  /** Host of the client that created it. */
  readonly creator: string
  /** Unix milliseconds. */
  readonly createdMs: number
  life: JobLife
  /** Clock time of the last sign of life. */
  seenAt: number
  /** Host of the client that gave it; null after a restart. */
  seenFrom: string | null
  /** Its boards; undefined while it is queued. */
  holding: Holding | undefined
}

/** True when the job's keepalive has run out. */
export function isExpired({ request, seenAt }: Job, now: number): boolean {
  return request.keepaliveS !== null && now - seenAt >= request.keepaliveS * 1000
}

export function jobState({ life, request, createdMs, seenFrom }: Job): JobStateReply {
  return {
    state: stateCode(life),
    power: powerOf(life),
    keepalive: request.keepaliveS,
    reason: null,
    start_time: createdMs / 1000,
    keepalivehost: seenFrom,
  }
}

/** The state of a job that is not live: destroyed for `reason`, or unknown where that is undefined. */
export function deadJobState(reason: string | null | undefined): JobStateReply {
  const state = reason === undefined ? JobState.UNKNOWN : JobState.DESTROYED
  return { state, power: null, keepalive: null, reason: reason ?? null, start_time: null, keepalivehost: null }
}

/** What is said of a job without boards. */
export const NO_MACHINE: JobMachineReply = {
  width: null,
  height: null,
  connections: null,
  machine_name: null,
  boards: null,
}

export function jobMachine(machine: Machine, boards: readonly number[]): JobMachineReply {
  const origin = boards[0]!
  return {
    ...machine.torus.jobSize(boards),
    connections: boards.map((board) => [machine.torus.jobChip(board, origin), machine.hostOf(board)] as const),
    machine_name: machine.name,
    boards: boards.map((board) => machine.torus.place(board)),
  }
}

export function jobRecord(job: Job, machine: Machine | undefined): JobRecord {
  const { id, request, createdMs, life, seenFrom, holding } = job
  return {
    job_id: id,
    owner: request.owner,
    start_time: createdMs / 1000,
    keepalive: request.keepaliveS,
    state: stateCode(life),
    power: powerOf(life),
    args: request.args,
    kwargs: request.kwargs,
    allocated_machine_name: holding?.machine ?? null,
    boards: machine && holding ? holding.allocation.boards.map((board) => machine.torus.place(board)) : null,
    keepalivehost: seenFrom ?? "",
  }
}

export function storedJob({ id, request, creator, createdMs, life }: Job): StoredJob {
  const state = life.kind === "destroyed" ? "queued" : life.kind
  return { id, request: JSON.stringify(request), creator, createdMs, state, power: powerOf(life) ?? false }
}
