/**
 * The partition server without its sockets: commands in, replies out, everything synchronous.
 *
 * A turn of the server is: any number of commands and events, then `flush()`, which makes all of them durable in one
 * transaction and says what they caused. Only after that may the turn's replies be written, then its notifications,
 * then its power work begun: so whatever anybody has seen survives a kill at any instant.
 */
import type { Clock } from "../transport/clock.ts"
import type { SpallocConfig } from "./config.ts"
import type {
  BoardPlace,
  Effects,
  JobMachineReply,
  JobRecord,
  JobRequest,
  JobStateReply,
  MachineRecord,
  PhysicalPlace,
  PowerResult,
  WhereIsQuery,
  WhereIsReply,
} from "./types.ts"

/** Something that the person who runs the server should know; one line of text each in log-lines of the shell. */
export type ControllerEvent =
  | { readonly type: "job-created"; readonly jobId: number; readonly owner: string; readonly host: string }
  | { readonly type: "job-allocated"; readonly jobId: number; readonly machine: string; readonly boards: number }
  | { readonly type: "job-destroyed"; readonly jobId: number; readonly reason: string | null }
  | { readonly type: "power-failed"; readonly machine: string; readonly bmp: string; readonly detail: string }
  | {
      readonly type: "board-out-of-service"
      readonly machine: string
      readonly board: BoardPlace
      readonly physical: PhysicalPlace
      readonly detail: string
    }
  | {
      readonly type: "board-back"
      readonly machine: string
      readonly board: BoardPlace
      readonly physical: PhysicalPlace
    }

export interface ControllerOptions {
  readonly config: SpallocConfig
  /** Path of the database file, or `:memory:`. */
  readonly state: string
  readonly clock: Clock
  /** Unix milliseconds; Date.now if absent. */
  readonly wallTime?: () => number
  readonly onEvent?: (event: ControllerEvent) => void
}

/** All jobs, machines and boards. Methods named after commands answer as the protocol does; `host` is the client's IP. */
export class Controller {
  /** Opens the state, takes up what a former process left, and has work for `flush()` at once. Throws if it cannot. */
  constructor(_options: ControllerOptions) {}

  /** The settings in force. */
  get settings(): SpallocConfig["settings"] {
    return todo()
  }

  /** Id of the new job. Throws a CommandError beyond the limits of jobs. */
  createJob(_request: JobRequest, _host: string): number {
    return todo()
  }

  /** As all commands with a job id: an id of an odd type, or of no job, is not an error. */
  keepalive(_jobId: unknown, _host: string): void {
    todo()
  }

  jobState(_jobId: unknown, _host: string): JobStateReply {
    return todo()
  }

  jobMachineInfo(_jobId: unknown, _host: string): JobMachineReply {
    return todo()
  }

  /** Throws a CommandError for another's job with owner-only. */
  power(_jobId: unknown, _on: boolean, _host: string): void {
    todo()
  }

  destroyJob(_jobId: unknown, _reason: string | null, _host: string): void {
    todo()
  }

  listJobs(): JobRecord[] {
    return todo()
  }

  listMachines(): MachineRecord[] {
    return todo()
  }

  boardPosition(_machine: string, _x: number, _y: number, _z: number): PhysicalPlace | null {
    return todo()
  }

  boardAtPosition(_machine: string, _cabinet: number, _frame: number, _board: number): BoardPlace | null {
    return todo()
  }

  whereIs(_query: WhereIsQuery): WhereIsReply | null {
    return todo()
  }

  /** Work that `flush()` gave out has ended. */
  powerDone(_workId: number, _result: PowerResult): void {
    todo()
  }

  /** Puts a board that failed too often back into service; false if it was in service. For an operator's command. */
  restoreBoard(_machine: string, _board: BoardPlace): boolean {
    return todo()
  }

  /** Ends jobs whose keepalive ran out and frees boards that have cooled. Call it every timeoutCheckIntervalS or oftener. */
  tick(): void {
    todo()
  }

  /** Takes over another configuration; a line for each machine added, removed, changed or built anew. */
  reload(_config: SpallocConfig): string[] {
    return todo()
  }

  /** Commits the turn; what it returns must leave only after this. Cheap when nothing happened. */
  flush(): Effects {
    return todo()
  }

  /** Commits and closes the state. Running jobs keep their power. */
  close(): void {
    todo()
  }
}

function todo(): never {
  throw new Error("to be written")
}
