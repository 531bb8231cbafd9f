/** Tables and times for people. */

/** Rows as lines, each column as wide as its widest cell, two spaces between; columns of numbers are set to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [head, ...rows.map((row) => row.map((cell) => printable(String(cell))))]
  const widths = head.map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column] ?? ""))))
  const isNumeric = head.map((_, column) => rows.some((row) => typeof row[column] === "number"))
  const pad = (cell: string, column: number): string => {
    const space = " ".repeat(Math.max(0, widths[column]! - Bun.stringWidth(cell)))
    return isNumeric[column] ? space + cell : cell + space
  }
  return all.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("")
}

/** Names come from other machines too: none may steer the terminal, or begin a line of its own. */
export const printable = (text: string): string => text.replace(/\p{C}/gu, "?")

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `850 ms`, `12 s`, `3 min`, `5 h 12 min`, `2 d 3 h`. */
export function howLong(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < MINUTE) return `${seconds} s`
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`
  if (seconds < DAY) return two(seconds, HOUR, "h", MINUTE, "min")
  return two(seconds, DAY, "d", HOUR, "h")
}

function two(seconds: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % big) / small)
  return `${Math.floor(seconds / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ""}`
}

/** `2026-11-22 15:12`, this machine's time. */
export function localTime(unixMs: number): string {
  const date = new Date(unixMs)
  const two = (value: number): string => String(value).padStart(2, "0")
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-")
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** "1 session", "2 sessions". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`
}
