/** Finds the command that was typed, parses for it, and turns what goes wrong into one line and an exit code. */
import { type CAC, cac } from "cac"
import packageJson from "../../package.json" with { type: "json" }
import { CliError, type Command, type CommandIo, type OptionSpec, UsageError } from "./command.ts"
import { parseArgv } from "./parse-argv.ts"

/** Exit codes: 0 done, 1 something that a person must mend, 2 a mistake on the command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

const PROGRAM = "spinnaker-relay"
const COMMON: readonly OptionSpec[] = [
  { name: "help", short: "h", classic: true, description: "Print this and end" },
  { name: "version", description: "Print the version and end" },
]

/** `-t, --boot-via-tcp`, `--bind <ADDRESS>`: an option in cac's notation. */
function notation(spec: OptionSpec): string {
  const short = spec.short ? `-${spec.short}, ` : ""
  return `${short}--${spec.name}${spec.value ? ` <${spec.value}>` : ""}`
}

/** Declares every command to cac, which lays out the help; values are read by parseArgv, as typed. */
function declare(commands: readonly Command[]): CAC {
  const program = cac(PROGRAM)
  for (const command of commands) {
    const declared = program.command(`${command.name} ${command.positionals}`.trim(), command.summary)
    for (const spec of [...command.options, ...COMMON]) {
      declared.option(notation(spec), spec.description, spec.default === undefined ? {} : { default: spec.default })
      // cac says "(default: true)" of every --no-x, which reads as the contrary of what it means.
      if (spec.default === undefined) delete declared.options.at(-1)?.config.default
    }
    for (const example of command.examples ?? []) declared.example(example)
  }
  return program
}

function printHelp(commands: readonly Command[], command: Command): void {
  const program = declare(commands)
  const declared = program.commands.find((candidate) => candidate.name === command.name)
  if (declared) program.matchedCommand = declared
  program.matchedCommandName = command.name
  program.outputHelp()
}

/** One line of usage, for beside a mistake. */
function usageLine(command: Command): string {
  const name = command.name ? ` ${command.name}` : ""
  const positionals = command.positionals ? ` ${command.positionals}` : ""
  const role = command.name ? "" : " -s|-c"
  return `usage: ${PROGRAM}${name}${role} [options]${positionals}   (${PROGRAM}${name} --help lists the options)\n`
}

function wordsOf(command: Command): string[] {
  return command.name === "" ? [] : command.name.split(" ")
}

/** The command that argv begins with, the longest name first; a host may have a command's name, so only there. */
function commandOf(argv: readonly string[], commands: readonly Command[]): Command {
  const named = commands.filter((candidate) => wordsOf(candidate).every((word, at) => word === argv[at]))
  return named.reduce((longest, next) => (wordsOf(next).length > wordsOf(longest).length ? next : longest))
}

/** Runs one command line; resolves with the exit code and never rejects. */
export async function runProgram(
  argv: readonly string[],
  commands: readonly Command[],
  io: CommandIo,
): Promise<number> {
  const command = commandOf(argv, commands)
  try {
    const rest = argv.slice(wordsOf(command).length)
    const parsed = parseArgv(rest, [...command.options, ...COMMON], command.positionals)
    if (parsed.flag("help")) {
      printHelp(commands, command)
      return EXIT.ok
    }
    if (parsed.flag("version")) {
      io.stdout(`${PROGRAM} ${packageJson.version}\n`)
      return EXIT.ok
    }
    return await command.run(parsed, io)
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr(`${usageLine(command)}${PROGRAM}: ${error.message}\n`)
      return EXIT.usage
    }
    if (error instanceof CliError) {
      io.stderr(`${PROGRAM}: ${error.message}\n`)
      return error.exitCode
    }
    io.stderr(`${PROGRAM}: a fault in the program itself, please report it: ${(error as Error)?.stack ?? error}\n`)
    return EXIT.failed
  }
}
