/** The log: consola on standard error, pretty for people or one JSON object a line for machines. */
import { type ConsolaInstance, type ConsolaReporter, createConsola, type LogObject } from "consola/core"
import type { Level } from "./log-lines.ts"

/** How lines look. */
export type LogFormat = "pretty" | "json"
/** Levels that --log-level takes; consola's numbers. */
export const LOG_LEVELS = { error: 0, warn: 1, info: 3, debug: 4 } as const

/** Where and how to log. */
export interface LogOptions {
  format: LogFormat
  level: Level
  /** Gets whole lines. */
  write: (text: string) => void
  colour: boolean
  /** Under systemd the journal stamps every line. */
  timestamps: boolean
}

/** Writes lines and machine-readable fields. */
export interface Log {
  /** `fields` go into JSON lines only; `text` into both. */
  line(level: Level, text: string, fields?: Readonly<Record<string, unknown>>): void
}

const colours: Record<Level, string> = { error: "\x1b[31m", warn: "\x1b[33m", info: "", debug: "\x1b[2m" }

function prettyReporter(options: LogOptions): ConsolaReporter {
  return {
    log({ type, args, date }: LogObject) {
      const level = type as Level
      const stamp = options.timestamps ? `${date.toTimeString().slice(0, 8)} ` : ""
      const label = level === "info" ? "" : `${level}: `
      // Names and reasons come from strangers too: none of them may steer the terminal, or fake a line. JSON escapes them.
      const text = `${stamp}${label}${args[0]}`.replace(/\p{Cc}/gu, "?")
      const colour = options.colour ? colours[level] : ""
      options.write(colour ? `${colour}${text}\x1b[0m\n` : `${text}\n`)
    },
  }
}

function jsonReporter(options: LogOptions): ConsolaReporter {
  return {
    log({ type, args, date }: LogObject) {
      const fields = args[1] as Record<string, unknown> | undefined
      const { type: event, ...rest } = fields ?? {}
      const record = { time: date.toISOString(), level: type, message: args[0], ...(event ? { event } : {}), ...rest }
      options.write(`${JSON.stringify(record)}\n`)
    },
  }
}

/** A log with one reporter. */
export function createLog(options: LogOptions): Log {
  const logger: ConsolaInstance = createConsola({
    level: LOG_LEVELS[options.level],
    // consola's own throttle can lose lines at exit: drops are summed up by the observer instead.
    throttle: 0,
    reporters: [options.format === "json" ? jsonReporter(options) : prettyReporter(options)],
  })
  return {
    line(level, text, fields) {
      logger[level](text, fields)
    },
  }
}
