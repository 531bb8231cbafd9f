/** The values that the spalloc server speaks of: jobs, machines, boards and the power work that a job causes. */

/** A board's place in its machine: triad column, triad row, board 0..2 of the triad. */
export type BoardPlace = readonly [x: number, y: number, z: number]

/** Where a board is in the room: cabinet, frame, board 0..23 of the frame. */
export type PhysicalPlace = readonly [cabinet: number, frame: number, board: number]

/** A chip's coordinates. */
export type ChipPlace = readonly [x: number, y: number]

/** One end of a link between boards; link 0..5 is E NE N W SW S as seen from the board. */
export type LinkPlace = readonly [x: number, y: number, z: number, link: number]

/** States of a job as numbers on the wire. */
export const JobState = { UNKNOWN: 0, QUEUED: 1, POWER: 2, READY: 3, DESTROYED: 4 } as const
export type JobStateCode = (typeof JobState)[keyof typeof JobState]

/** What `create_job` asks for: any so many boards, a rectangle of triads, or one certain board. */
export type JobShape =
  | { readonly kind: "boards"; readonly count: number }
  | { readonly kind: "triads"; readonly width: number; readonly height: number }
  | { readonly kind: "board"; readonly place: BoardPlace }

/** A checked `create_job`; `readJobRequest` of job-request.ts makes one from what came over the wire. */
export interface JobRequest {
  readonly shape: JobShape
  readonly owner: string
  /** Seconds without a sign of life until the job ends; null is for ever. */
  readonly keepaliveS: number | null
  readonly machine: string | null
  /** A machine must have them all; not looked at when `machine` is given. */
  readonly tags: readonly string[]
  readonly minRatio: number
  /** null is any number. */
  readonly maxDeadBoards: number | null
  readonly maxDeadLinks: number | null
  readonly requireTorus: boolean
  /** The positional arguments as they came, for `list_jobs`. */
  readonly args: readonly unknown[]
  /** The named arguments as they came without owner and keepalive, for `list_jobs`. */
  readonly kwargs: Readonly<Record<string, unknown>>
}

/** Reply to `get_job_state`. */
export interface JobStateReply {
  readonly state: JobStateCode
  readonly power: boolean | null
  readonly keepalive: number | null
  readonly reason: string | null
  /** Unix seconds. */
  readonly start_time: number | null
  readonly keepalivehost: string | null
}

/** Reply to `get_job_machine_info`; all null while the job has no boards. */
export interface JobMachineReply {
  /** Chips. */
  readonly width: number | null
  readonly height: number | null
  readonly connections: readonly (readonly [ChipPlace, string])[] | null
  readonly machine_name: string | null
  readonly boards: readonly BoardPlace[] | null
}

/** A record of `list_jobs`. */
export interface JobRecord {
  readonly job_id: number
  readonly owner: string
  readonly start_time: number
  readonly keepalive: number | null
  readonly state: JobStateCode
  readonly power: boolean | null
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly allocated_machine_name: string | null
  readonly boards: readonly BoardPlace[] | null
  /** "" when unknown. */
  readonly keepalivehost: string
}

/** A record of `list_machines`; boards that were taken out of service count as dead. */
export interface MachineRecord {
  readonly name: string
  readonly tags: readonly string[]
  /** Triads. */
  readonly width: number
  readonly height: number
  readonly dead_boards: readonly BoardPlace[]
  readonly dead_links: readonly LinkPlace[]
}

/** The four ways to ask `where_is`. */
export type WhereIsQuery =
  | { readonly by: "logical"; readonly machine: string; readonly x: number; readonly y: number; readonly z: number }
  | {
      readonly by: "physical"
      readonly machine: string
      readonly cabinet: number
      readonly frame: number
      readonly board: number
    }
  | { readonly by: "chip"; readonly machine: string; readonly chipX: number; readonly chipY: number }
  | { readonly by: "job"; readonly jobId: number; readonly chipX: number; readonly chipY: number }

/** Reply to `where_is` when there is such a board. */
export interface WhereIsReply {
  readonly machine: string
  readonly logical: BoardPlace
  readonly physical: PhysicalPlace
  /** In the whole machine. */
  readonly chip: ChipPlace
  readonly board_chip: ChipPlace
  readonly job_id: number | null
  readonly job_chip: ChipPlace | null
}

/** Switch some boards of one frame. Work of one BMP is done one at a time, in the order in which it was given out. */
export interface PowerWork {
  /** Not used twice in one process. */
  readonly id: number
  readonly machine: string
  readonly cabinet: number
  readonly frame: number
  /** The frame's BMP as the configuration writes it: a host, or host:port. */
  readonly bmp: string
  /** null when no live job wants it: boards being switched off after their job, or tried out after failures. */
  readonly jobId: number | null
  /** Numbers of the boards in their frame, 0..23, ascending. */
  readonly boards: readonly number[]
  readonly on: boolean
  /** Links to stop after a power-on: those that leave the job. Empty for off. */
  readonly isolate: readonly { readonly board: number; readonly link: number }[]
}

/** How a `PowerWork` ended. */
export type PowerResult =
  | { readonly kind: "done" }
  | {
      readonly kind: "failed"
      /** For people: what failed, such as "BMP 192.168.0.0 did not answer". */
      readonly detail: string
      /** The boards to blame, if it is known that not all of the work's boards are. */
      readonly boards?: readonly number[]
    }

/** What has to leave the server after a turn, in this order: replies of the turn, then these. */
export interface Effects {
  /** Ids of jobs that changed, each once. */
  readonly jobsChanged: readonly number[]
  /** Names of machines that changed, each once. */
  readonly machinesChanged: readonly string[]
  /** New work for the BMPs. */
  readonly powerWork: readonly PowerWork[]
}

/** A request that is well formed and cannot be done; the message is for the person behind the client. */
export class CommandError extends Error {
  override readonly name = "CommandError"
}
