/** Every command of the v1 protocol: its arguments, and what the controller is asked. One table. */
import { isJsonObject } from "../protocol/json-lines.ts"
import { type Bound, bindArguments, quote, type Signature } from "./bind-arguments.ts"
import type { Controller } from "./controller.ts"
import { readJobRequest } from "./job-request.ts"
import type { JsonObject } from "./line-codec.ts"
import { CommandError, type WhereIsQuery } from "./types.ts"

/** A client's standing wishes; what changes reaches it as notifications. */
export interface Watches {
  /** Throws a CommandError when it watches too many. */
  watch(kind: WatchKind, id: unknown): void
  unwatch(kind: WatchKind, id: unknown): void
}

/** What can be watched. */
export type WatchKind = "jobs" | "machines"

/** What a command works on. */
export interface CommandContext {
  readonly controller: Controller
  /** IP address of the client. */
  readonly host: string
  readonly watches: Watches
}

/** What is sent back. */
export type Reply = { readonly return: unknown } | { readonly exception: string }

/** An answer, and whether the turn's `flush` must come before it. */
export interface Answer {
  readonly reply: Reply
  /** The command may have changed something that has to survive. */
  readonly changed: boolean
  /** What is returned is the same object for everybody until something changes: it is put into words once. */
  readonly shared?: object
}

interface CommandSpec extends Signature {
  /** It changes what must survive a restart. */
  readonly changes?: boolean
  /** It returns the same object until something changes. */
  readonly shared?: boolean
  /** Throws a CommandError for what cannot be done. */
  run(bound: Bound, context: CommandContext): unknown
}

const JOB: Signature = { positional: ["job_id"], required: ["job_id"] }
const PLACE: Signature = { positional: ["machine_name", "x", "y", "z"], required: ["machine_name", "x", "y", "z"] }

/** Runs a command that answers null. */
const nothing =
  (run: (bound: Bound, context: CommandContext) => void) =>
  (bound: Bound, context: CommandContext): null => {
    run(bound, context)
    return null
  }

/** All of them but create_job, whose arguments have rules of their own. */
const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map<string, CommandSpec>([
  ["version", { run: (_bound, { controller }) => controller.settings.version }],
  [
    "job_keepalive",
    { ...JOB, run: nothing((bound, { controller, host }) => controller.keepalive(bound.get("job_id"), host)) },
  ],
  ["get_job_state", { ...JOB, run: (bound, { controller, host }) => controller.jobState(bound.get("job_id"), host) }],
  [
    "get_job_machine_info",
    { ...JOB, run: (bound, { controller, host }) => controller.jobMachineInfo(bound.get("job_id"), host) },
  ],
  [
    "power_on_job_boards",
    {
      ...JOB,
      changes: true,
      run: nothing((bound, { controller, host }) => controller.power(bound.get("job_id"), true, host)),
    },
  ],
  [
    "power_off_job_boards",
    {
      ...JOB,
      changes: true,
      run: nothing((bound, { controller, host }) => controller.power(bound.get("job_id"), false, host)),
    },
  ],
  [
    "destroy_job",
    {
      positional: ["job_id", "reason"],
      required: ["job_id"],
      changes: true,
      run: nothing((bound, { controller, host }) => {
        const reason = bound.get("reason")
        controller.destroyJob(bound.get("job_id"), reason === undefined ? null : text("reason", reason), host)
      }),
    },
  ],
  watching("notify_job", "job_id", "jobs", "watch"),
  watching("no_notify_job", "job_id", "jobs", "unwatch"),
  watching("notify_machine", "machine_name", "machines", "watch"),
  watching("no_notify_machine", "machine_name", "machines", "unwatch"),
  ["list_jobs", { shared: true, run: (_bound, { controller }) => controller.listJobs() }],
  ["list_machines", { shared: true, run: (_bound, { controller }) => controller.listMachines() }],
  [
    "get_board_position",
    {
      ...PLACE,
      run(bound, { controller }) {
        const machine = bound.get("machine_name")
        const [x, y, z] = [whole(bound, "x"), whole(bound, "y"), whole(bound, "z")]
        return typeof machine === "string" ? controller.boardPosition(machine, x, y, z) : null
      },
    },
  ],
  [
    "get_board_at_position",
    {
      // Here x, y, z are cabinet, frame and board: the names are the protocol's.
      ...PLACE,
      run(bound, { controller }) {
        const machine = bound.get("machine_name")
        const [cabinet, frame, board] = [whole(bound, "x"), whole(bound, "y"), whole(bound, "z")]
        return typeof machine === "string" ? controller.boardAtPosition(machine, cabinet, frame, board) : null
      },
    },
  ],
  [
    "where_is",
    {
      named: ["machine", "x", "y", "z", "cabinet", "frame", "board", "chip_x", "chip_y", "job_id"],
      run(bound, { controller }) {
        const query = whereIsQuery(bound)
        return query ? controller.whereIs(query) : null
      },
    },
  ],
])

function watching(
  name: string,
  parameter: string,
  kind: WatchKind,
  action: "watch" | "unwatch",
): [string, CommandSpec] {
  const run = nothing((bound, { watches }) => watches[action](kind, bound.get(parameter)))
  return [name, { positional: [parameter], run }]
}

/** Names of the commands, for whoever mistypes one. */
export const COMMAND_NAMES: readonly string[] = ["create_job", ...COMMANDS.keys()].sort()

/** Executes one request, any JSON object; never throws for what a client sends. */
export function runCommand(request: JsonObject, context: CommandContext): Answer {
  try {
    return run(request, context)
  } catch (error) {
    if (error instanceof CommandError) return { reply: { exception: error.message }, changed: true }
    throw error
  }
}

function run(request: JsonObject, context: CommandContext): Answer {
  const { command, args = [], kwargs = {} } = request
  if (typeof command !== "string") throw new CommandError(`"command" must be a string, got ${quote(command)}`)
  if (!Array.isArray(args)) throw new CommandError(`${quote(command)}: "args" must be an array, got ${quote(args)}`)
  if (!isJsonObject(kwargs))
    throw new CommandError(`${quote(command)}: "kwargs" must be an object, got ${quote(kwargs)}`)
  if (command === "create_job") {
    const id = context.controller.createJob(readJobRequest(args, kwargs), context.host)
    return { reply: { return: id }, changed: true }
  }
  const spec = COMMANDS.get(command)
  if (!spec) throw new CommandError(`There is no command ${quote(command)}: known are ${COMMAND_NAMES.join(", ")}`)
  const result = bindArguments(command, spec, args, kwargs)
  if (!result.ok) throw new CommandError(result.problem)
  const value = spec.run(result.bound, context)
  const answer = { reply: { return: value }, changed: spec.changes === true }
  return spec.shared ? { ...answer, shared: value as object } : answer
}

const WHERE_IS_FORMS =
  "machine, x, y, z; machine, cabinet, frame, board; machine, chip_x, chip_y; or job_id, chip_x, chip_y"

/** The question that the arguments are; undefined for a machine or job id of an odd type, which is not found. */
function whereIsQuery(bound: Bound): WhereIsQuery | undefined {
  const has = (...names: string[]): boolean => names.length === bound.size && names.every((name) => bound.has(name))
  const machine = bound.get("machine")
  if (has("machine", "x", "y", "z")) {
    const place = { x: whole(bound, "x"), y: whole(bound, "y"), z: whole(bound, "z") }
    return typeof machine === "string" ? { by: "logical", machine, ...place } : undefined
  }
  if (has("machine", "cabinet", "frame", "board")) {
    const place = { cabinet: whole(bound, "cabinet"), frame: whole(bound, "frame"), board: whole(bound, "board") }
    return typeof machine === "string" ? { by: "physical", machine, ...place } : undefined
  }
  if (has("machine", "chip_x", "chip_y")) {
    const chip = { chipX: whole(bound, "chip_x"), chipY: whole(bound, "chip_y") }
    return typeof machine === "string" ? { by: "chip", machine, ...chip } : undefined
  }
  if (has("job_id", "chip_x", "chip_y")) {
    const chip = { chipX: whole(bound, "chip_x"), chipY: whole(bound, "chip_y") }
    const jobId = bound.get("job_id")
    return typeof jobId === "number" ? { by: "job", jobId, ...chip } : undefined
  }
  const given = [...bound.keys()].join(", ")
  throw new CommandError(`where_is takes ${WHERE_IS_FORMS}, by name; got ${given === "" ? "nothing" : given}`)
}

function whole(bound: Bound, name: string): number {
  const value = bound.get(name)
  if (Number.isSafeInteger(value)) return value as number
  throw new CommandError(`${name}: expected a whole number, got ${quote(value ?? null)}`)
}

/** Longest text that is kept of what a client sends. */
const MAX_TEXT = 1000

function text(name: string, value: unknown): string {
  if (typeof value !== "string") throw new CommandError(`${name}: expected a string, got ${quote(value)}`)
  if (value.length > MAX_TEXT)
    throw new CommandError(`${name}: expected at most ${MAX_TEXT} characters, got ${value.length}`)
  return value
}
