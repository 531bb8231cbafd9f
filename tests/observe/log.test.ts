import { describe, expect, test } from "bun:test"
import { createLog, LOG_LEVELS, type LogOptions } from "../../src/observe/log.ts"
import type { Level } from "../../src/observe/log-lines.ts"

const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"]

function setup(options: Partial<LogOptions> = {}) {
  const written: string[] = []
  const log = createLog({
    format: "pretty",
    level: "debug",
    write: (text) => written.push(text),
    colour: false,
    timestamps: false,
    ...options,
  })
  return { log, written, lines: () => written.join("").trimEnd().split("\n") }
}

describe("the pretty log", () => {
  test("writes one line a call, with its level unless that is info", () => {
    const { log, written } = setup()
    for (const level of LEVELS) log.line(level, `about ${level}`)
    expect(written).toEqual(["error: about error\n", "warn: about warn\n", "about info\n", "debug: about debug\n"])
  })

  test("writes the time of day unless somebody else does", () => {
    const { log, written } = setup({ timestamps: true })
    log.line("info", "now")
    expect(written[0]).toMatch(/^\d\d:\d\d:\d\d now\n$/)
  })

  test("colours whole lines on a terminal: errors and warnings, and debug dimmed", () => {
    const { log, lines } = setup({ colour: true })
    for (const level of LEVELS) log.line(level, "x")
    expect(lines()).toEqual(["\x1b[31merror: x\x1b[0m", "\x1b[33mwarn: x\x1b[0m", "x", "\x1b[2mdebug: x\x1b[0m"])
  })

  test("lets no control character through, and no line that a stranger made up", () => {
    const { log, written } = setup()
    log.line("info", "board \x1b[2J\r\nerror: all is lost\x07\x9b", { type: "x" })
    expect(written).toEqual(["board ?[2J??error: all is lost??\n"])
  })

  test("leaves the fields to the other format", () => {
    const { log, written } = setup()
    log.line("info", "text", { type: "connected", target: "server" })
    expect(written).toEqual(["text\n"])
  })
})

describe("the JSON log", () => {
  test("writes one object a line: time, level, message, event and the event's own fields", () => {
    const { log, lines } = setup({ format: "json" })
    log.line("warn", "cannot connect", { type: "connect-failed", target: "server:1", retryMs: 250 })
    const { time, ...rest } = JSON.parse(lines()[0]!)
    expect(new Date(time).toISOString()).toBe(time)
    expect(rest).toEqual({
      level: "warn",
      message: "cannot connect",
      event: "connect-failed",
      target: "server:1",
      retryMs: 250,
    })
  })

  test("keeps one line whatever the text holds", () => {
    const { log, lines } = setup({ format: "json" })
    const text = 'a\n"b"\x1b[0m\u2028\\'
    log.line("info", text, { type: "x", list: [1, 2], nothing: undefined })
    log.line("info", "no fields")
    expect(lines()).toHaveLength(2)
    expect(JSON.parse(lines()[0]!)).toMatchObject({ message: text, list: [1, 2] })
    expect(Object.keys(JSON.parse(lines()[1]!))).toEqual(["time", "level", "message"])
  })

  test("has no colour and no second time", () => {
    const { log, written } = setup({ format: "json", colour: true, timestamps: true })
    log.line("error", "x")
    expect(written[0]).toStartWith("{")
    expect(written[0]).not.toContain("\x1b")
  })
})

describe("a log's level", () => {
  for (const format of ["pretty", "json"] as const) {
    for (const level of LEVELS) {
      test(`${level} prints that and what is worse (${format})`, () => {
        const { log, written } = setup({ format, level })
        for (const each of LEVELS) log.line(each, each)
        const shown = LEVELS.filter((each) => LOG_LEVELS[each] <= LOG_LEVELS[level])
        expect(written).toHaveLength(shown.length)
        for (const [index, each] of shown.entries()) expect(written[index]).toContain(each)
      })
    }
  }

  test("never throttles: the same line a thousand times is a thousand lines", () => {
    const { log, written } = setup()
    for (let i = 0; i < 1000; i++) log.line("warn", "again")
    expect(written).toHaveLength(1000)
  })
})
