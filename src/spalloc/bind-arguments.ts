/**
 * Binds a command's arguments as a Python call binds them: positional first, then by name. null and absent are equal,
 * so what comes out has no nulls.
 */
import type { JsonObject } from "./line-codec.ts"

/** What a command takes. */
export interface Signature {
  /** Names of the parameters, in the order of positional arguments. */
  readonly positional?: readonly string[]
  /** Names of those that are given by name only. */
  readonly named?: readonly string[]
  /** Those that must be there; the others may be absent or null. */
  readonly required?: readonly string[]
}

/** Arguments by name, nulls left out. */
export type Bound = ReadonlyMap<string, unknown>

/** The arguments, or in words what is wrong with them. */
export type BindResult = { readonly ok: true; readonly bound: Bound } | { readonly ok: false; readonly problem: string }

/** Binds the arguments of `command`; `args` is JSON's array and `kwargs` its object. */
export function bindArguments(
  command: string,
  signature: Signature,
  args: readonly unknown[],
  kwargs: JsonObject,
): BindResult {
  const { positional = [], named = [], required = [] } = signature
  if (args.length > positional.length) {
    const most = positional.length === 0 ? "no positional arguments" : `at most ${count(positional.length)} by position`
    return wrong(`${command} takes ${most}, got ${args.length}`)
  }
  const bound = new Map<string, unknown>()
  for (const [at, value] of args.entries()) bound.set(positional[at]!, value)
  for (const [name, value] of Object.entries(kwargs)) {
    if (!positional.includes(name) && !named.includes(name)) {
      const known = [...positional, ...named].join(", ")
      return wrong(`${command} has no argument ${quote(name)}: it takes ${known === "" ? "none" : known}`)
    }
    if (bound.has(name)) return wrong(`${command} got two values for ${name}: one by position and one by name`)
    bound.set(name, value)
  }
  const missing = required.filter((name) => !bound.has(name))
  if (missing.length > 0) return wrong(`${command} needs ${missing.join(", ")}`)
  for (const [name, value] of bound) if (value === null) bound.delete(name)
  return { ok: true, bound }
}

const wrong = (problem: string): BindResult => ({ ok: false, problem })

const count = (number: number): string => (number === 1 ? "1 argument" : `${number} arguments`)

/** Longest piece of a client's text that is told back to it. */
const QUOTED = 60

/** A client's value as an error message shows it. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}...` : text
}
