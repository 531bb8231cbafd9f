/** `create_job` as it comes over the wire, read and checked. Source: the spalloc facts §4. */
import { CommandError, type JobRequest, type JobShape } from "./types.ts"

/** Seconds of keepalive where a client says nothing. */
const DEFAULT_KEEPALIVE_S = 60
/** Longest owner, tag or machine name, in characters. */
const MAX_TEXT = 1024
/** Nulls that stand for nothing included. */
const MAX_ARGUMENTS = 10
/** More tags than any machine has. */
const MAX_TAGS = 100
/** More than any machine has of anything, so that sums stay exact. */
const MAX_COUNT = 1_000_000_000

const OPTIONS = [
  "owner",
  "keepalive",
  "machine",
  "tags",
  "min_ratio",
  "max_dead_boards",
  "max_dead_links",
  "require_torus",
]

/** Reads positional and named arguments of `create_job`; throws a CommandError that says what is wrong with them. */
export function readJobRequest(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): JobRequest {
  const unknown = Object.keys(kwargs).find((key) => !OPTIONS.includes(key))
  if (unknown !== undefined) {
    throw new CommandError(`create_job has no argument ${show(unknown)}: expected ${OPTIONS.join(", ")}`)
  }
  const { owner, keepalive, ...rest } = kwargs
  const shape = readShape(args)
  const machine = optional(kwargs.machine, () => text("machine", kwargs.machine))
  const tags = optional(kwargs.tags, () => readTags(kwargs.tags))
  if (machine !== null && tags !== null) {
    throw new CommandError("Only one of machine and tags may be specified for a job.")
  }
  const requireTorus = optional(kwargs.require_torus, () => flag("require_torus", kwargs.require_torus)) ?? false
  if (requireTorus && (shape.kind === "board" || (shape.kind === "boards" && shape.count === 1))) {
    throw new CommandError("require_torus must be False when allocating boards.")
  }
  return {
    shape,
    owner: readOwner(owner),
    keepaliveS:
      keepalive === undefined ? DEFAULT_KEEPALIVE_S : optional(keepalive, () => amount("keepalive", keepalive)),
    machine,
    tags: tags ?? ["default"],
    minRatio: optional(kwargs.min_ratio, () => amount("min_ratio", kwargs.min_ratio)) ?? 0,
    maxDeadBoards: optional(kwargs.max_dead_boards, () => amount("max_dead_boards", kwargs.max_dead_boards)),
    maxDeadLinks: optional(kwargs.max_dead_links, () => amount("max_dead_links", kwargs.max_dead_links)),
    requireTorus,
    args: [...args],
    kwargs: rest,
  }
}

function readShape(args: readonly unknown[]): JobShape {
  // Clients of all generations leave surplus arguments as null rather than out.
  if (args.length > MAX_ARGUMENTS) throw new CommandError(`create_job takes 0 to 3 numbers: got ${args.length}`)
  let given = args.length
  while (given > 0 && args[given - 1] === null) given--
  if (given > 3) throw new CommandError(`create_job takes 0 to 3 numbers: got ${given}`)
  const numbers = args.slice(0, given).map((value) => {
    if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= MAX_COUNT) return value
    throw new CommandError(`create_job takes whole numbers: got ${show(value)}`)
  })
  const [first, second, third] = numbers
  if (first === undefined) return { kind: "boards", count: 1 }
  if (second === undefined) return { kind: "boards", count: first }
  if (third === undefined) return { kind: "triads", width: first, height: second }
  return { kind: "board", place: [first, second, third] }
}

function readOwner(owner: unknown): string {
  if (owner === undefined || owner === null) throw new CommandError("create_job needs an owner: say who the job is for")
  if (typeof owner === "object") throw new CommandError(`owner must be a text: got ${show(owner)}`)
  return text("owner", String(owner))
}

function readTags(tags: unknown): string[] {
  if (!Array.isArray(tags)) throw new CommandError(`tags must be a list of texts: got ${show(tags)}`)
  if (tags.length > MAX_TAGS) throw new CommandError(`tags may be at most ${MAX_TAGS}: got ${tags.length}`)
  return tags.map((tag) => text("a tag", tag))
}

/** null and absent are the same for every option that calls this. */
function optional<T>(value: unknown, read: () => T): T | null {
  return value === undefined || value === null ? null : read()
}

function text(name: string, value: unknown): string {
  if (typeof value !== "string") throw new CommandError(`${name} must be a text: got ${show(value)}`)
  if (value.length > MAX_TEXT) throw new CommandError(`${name} has ${value.length} characters: at most ${MAX_TEXT}`)
  return value
}

function flag(name: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw new CommandError(`${name} must be true or false: got ${show(value)}`)
  return value
}

function amount(name: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new CommandError(`${name} must be a number of 0 or more: got ${show(value)}`)
  }
  return value
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? "nothing"
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown
}
