/** The built-in programs by name, and how they are asked for. */
import { startEcho } from "./echo.ts"
import type { ProgramStarter } from "./program.ts"
import { startStream } from "./stream.ts"

/** Programs by name. */
export const programs: ReadonlyMap<string, ProgramStarter> = new Map([
  ["echo", startEcho],
  ["stream", startStream],
])

/** An APLX image that begins with this text and a program's name (as in a program spec) starts that program. */
export const PROGRAM_MAGIC = "fake-board:"

/** A program and its options, as typed: `stream:tag=1,rate=1000`. */
export interface ProgramSpec {
  readonly name: string
  readonly options: ReadonlyMap<string, number>
}

/** Reads `name` or `name:option=number,...`; undefined for an unknown program or a malformed option. */
export function parseProgram(text: string): ProgramSpec | undefined {
  const [name = "", rest, ...more] = text.split(":")
  if (!programs.has(name) || more.length > 0) return undefined
  const options = new Map<string, number>()
  for (const part of rest === undefined ? [] : rest.split(",")) {
    const match = /^([a-z]+)=(\d{1,9})$/.exec(part)
    if (!match) return undefined
    options.set(match[1]!, Number(match[2]))
  }
  return { name, options }
}
