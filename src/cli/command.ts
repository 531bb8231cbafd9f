/** What a command is made of: its options as a table, and a function that gets them parsed. */

/** One option of a command. */
export interface OptionSpec {
  /** Long name without dashes: `scp-port`. */
  readonly name: string
  /** One letter, for `-t`. */
  readonly short?: string
  /** Placeholder of its value, `PORT`; absent for a flag. */
  readonly value?: string
  /** May be given several times. */
  readonly repeatable?: boolean
  /** An option of Python's spinnaker_proxy: its unique prefixes stay unique, whatever is added. */
  readonly classic?: boolean
  readonly description: string
  /** Shown in the help, and what `value()` returns if the option is not given. */
  readonly default?: string
}

/** A parsed command line. All values are strings exactly as typed: no number coercion. */
export interface Parsed {
  readonly positionals: readonly string[]
  /** What stands after `--`. */
  readonly rest: readonly string[]
  flag(name: string): boolean
  value(name: string): string | undefined
  values(name: string): readonly string[]
}

/** The process as a command sees it; only main.ts has the real one. */
export interface CommandIo {
  /** Data, for pipes. */
  stdout(text: string): void
  /** Words, for people. */
  stderr(text: string): void
  readonly isTerminal: boolean
  /** What is typed or piped in, in pieces of any length; absent where nothing can be. */
  readonly stdin?: AsyncIterable<string>
  /** Standard output is one: what is printed there may be drawn over. */
  readonly stdoutIsTerminal?: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted at Ctrl-C and SIGTERM; its reason is the signal's name. */
  readonly stop: AbortSignal
  /** Calls `run` at each SIGHUP from now on, where the system has it. */
  onHangUp?(run: () => void): void
}

/** One command: a word or two, and what follows. */
export interface Command {
  /** `boot`, `spalloc ps`; empty for the command that runs when none is named. */
  readonly name: string
  /** Positional arguments as the help shows them: `<host>`, `[file]`. */
  readonly positionals: string
  readonly summary: string
  readonly options: readonly OptionSpec[]
  /** Commands as one would type them, for the help. */
  readonly examples?: readonly string[]
  /** Resolves with the process's exit code. */
  run(parsed: Parsed, io: CommandIo): Promise<number>
}

/** A mistake on the command line: usage and this line on standard error, exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** Something that a person must mend: this line on standard error, then `exitCode`. */
export class CliError extends Error {
  override readonly name = "CliError"
  constructor(
    message: string,
    readonly exitCode = 1,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The value of a numeric option; throws UsageError outside `min`..`max`, for fractions where `integer`, and for text. */
export function numberOption(
  parsed: Parsed,
  name: string,
  range: { min: number; max: number; integer?: boolean },
): number {
  const text = parsed.value(name) ?? ""
  const shape = range.integer ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)$/
  const value = shape.test(text) ? Number(text) : Number.NaN
  if (!(value >= range.min && value <= range.max)) {
    const kind = range.integer ? "a whole number" : "a number"
    throw new UsageError(`--${name} ${JSON.stringify(text)}: expected ${kind} from ${range.min} to ${range.max}`)
  }
  return value
}

/** The value of a port option, 1..65535. */
export function portOption(parsed: Parsed, name: string): number {
  return numberOption(parsed, name, { min: 1, max: 65535, integer: true })
}

/** One of a few words; throws UsageError naming them all. */
export function choiceOption<T extends string>(parsed: Parsed, name: string, choices: readonly T[]): T {
  const text = parsed.value(name) ?? ""
  const found = choices.find((choice) => choice === text)
  if (!found) throw new UsageError(`--${name} ${JSON.stringify(text)}: expected one of ${choices.join(", ")}`)
  return found
}
