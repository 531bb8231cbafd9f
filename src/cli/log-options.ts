/** The logging options that every long-running command takes. */
import { createLog, type Log, type LogFormat } from "../observe/log.ts"
import type { Level } from "../observe/log-lines.ts"
import { type CommandIo, choiceOption, type OptionSpec, type Parsed } from "./command.ts"

/** Their table. */
export const LOG_OPTIONS: readonly OptionSpec[] = [
  { name: "quiet", short: "q", classic: true, description: "Print warnings and errors only" },
  {
    name: "log-format",
    value: "FORMAT",
    default: "pretty",
    description: "pretty, or json: one object a line",
  },
  { name: "log-level", value: "LEVEL", default: "info", description: "error, warn, info or debug" },
]

/** The log that they describe, on standard error; `quietly` as if --quiet were given. */
export function logFrom(parsed: Parsed, io: CommandIo, quietly = false): Log {
  const format = choiceOption<LogFormat>(parsed, "log-format", ["pretty", "json"])
  const level = choiceOption<Level>(parsed, "log-level", ["error", "warn", "info", "debug"])
  return createLog({
    format,
    level: (quietly || parsed.flag("quiet")) && level === "info" ? "warn" : level,
    write: io.stderr,
    colour: io.isTerminal && io.env.NO_COLOR === undefined,
    timestamps: io.env.JOURNAL_STREAM === undefined,
  })
}
