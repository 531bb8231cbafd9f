/**
 * Reads a command line as Python's argparse does, so that start scripts written for spinnaker_proxy keep working:
 * options in any place, clusters (`-st`), `--option=value`, unique prefixes of long options, `--`.
 */
import { type OptionSpec, type Parsed, UsageError } from "./command.ts"

/** How many positional arguments a command takes, read off `<required> [optional] [...rest]`. */
function positionalRange(positionals: string): { names: string[]; min: number; max: number } {
  const words = positionals.split(/\s+/).filter(Boolean)
  const names = words.map((word) => word.replace(/[<>[\].]/g, ""))
  const min = words.filter((word) => word.startsWith("<")).length
  return { names, min, max: words.some((word) => word.includes("...")) ? Number.POSITIVE_INFINITY : words.length }
}

/** The option that `typed` (without dashes) names or begins. Options of Python's proxy win over ours, so that nothing we add can make an old prefix ambiguous. */
function findLong(typed: string, specs: readonly OptionSpec[]): OptionSpec {
  const exact = specs.find((spec) => spec.name === typed)
  if (exact) return exact
  const matching = specs.filter((spec) => spec.name.startsWith(typed))
  const classic = matching.filter((spec) => spec.classic)
  const candidates = classic.length > 0 ? classic : matching
  if (candidates.length === 1) return candidates[0]!
  if (candidates.length === 0) throw new UsageError(`unknown option --${typed}`)
  const names = candidates.map((spec) => `--${spec.name}`).join(", ")
  throw new UsageError(`ambiguous option --${typed}: it could be ${names}`)
}

/** Values by option name, gathered while reading. */
type Found = Map<string, string[]>

function note(found: Found, spec: OptionSpec, value: string): void {
  const before = found.get(spec.name)
  if (before) before.push(value)
  else found.set(spec.name, [value])
}

/** The value of `spec`: what follows `=`, or the next word unless that is an option itself. */
function takeValue(spec: OptionSpec, attached: string | undefined, rest: string[]): string {
  if (attached !== undefined) return attached
  const next = rest[0]
  if (next === undefined || (next.startsWith("-") && next !== "-" && !/^-\d/.test(next))) {
    throw new UsageError(`--${spec.name} needs a value: --${spec.name} ${spec.value}`)
  }
  rest.shift()
  return next
}

function readLong(word: string, rest: string[], specs: readonly OptionSpec[], found: Found): void {
  const equals = word.indexOf("=")
  const typed = equals < 0 ? word.slice(2) : word.slice(2, equals)
  const attached = equals < 0 ? undefined : word.slice(equals + 1)
  const spec = findLong(typed, specs)
  if (spec.value !== undefined) note(found, spec, takeValue(spec, attached, rest))
  else if (attached !== undefined)
    throw new UsageError(`--${spec.name} takes no value, got ${JSON.stringify(attached)}`)
  else note(found, spec, "")
}

function readCluster(word: string, rest: string[], specs: readonly OptionSpec[], found: Found): void {
  for (let i = 1; i < word.length; i++) {
    const letter = word[i]!
    const spec = specs.find((candidate) => candidate.short === letter)
    if (!spec) throw new UsageError(`unknown option -${letter}${word.length > 2 ? ` in ${word}` : ""}`)
    if (spec.value === undefined) {
      note(found, spec, "")
      continue
    }
    const attached = i + 1 < word.length ? word.slice(i + 1).replace(/^=/, "") : undefined
    note(found, spec, takeValue(spec, attached, rest))
    return
  }
}

/** Options that end everything else: no argument is missing when help is asked for. */
const ENOUGH_ALONE = ["help", "version"]

/** Parses `argv` (without program and command name). Throws UsageError naming the mistake. */
export function parseArgv(argv: readonly string[], specs: readonly OptionSpec[], positionalSpec: string): Parsed {
  const rest = [...argv]
  const found: Found = new Map()
  const positionals: string[] = []
  let after: string[] = []
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      after = rest.splice(0)
    } else if (word.startsWith("--")) readLong(word, rest, specs, found)
    else if (word.startsWith("-") && word !== "-") readCluster(word, rest, specs, found)
    else positionals.push(word)
    // As in argparse, what stands behind a request for help is not looked at.
    if (ENOUGH_ALONE.some((name) => found.has(name))) break
  }
  const takesRest = /\[?-- /.test(positionalSpec)
  const { names, min, max } = positionalRange(positionalSpec.replace(/\s*\[?-- .*$/, ""))
  // As in argparse, words after `--` are positional, unless the command has a use of its own for them.
  if (!takesRest) positionals.push(...after.splice(0))
  if (!ENOUGH_ALONE.some((name) => found.has(name))) {
    if (positionals.length < min) throw new UsageError(`missing ${names[positionals.length]}`)
    if (positionals.length > max) throw new UsageError(`unexpected argument ${JSON.stringify(positionals[max])}`)
  }
  const defaults = new Map(specs.map((spec) => [spec.name, spec.default]))
  return {
    positionals,
    rest: after,
    flag: (name) => found.has(name),
    value: (name) => found.get(name)?.at(-1) ?? defaults.get(name),
    values: (name) => found.get(name) ?? [],
  }
}
