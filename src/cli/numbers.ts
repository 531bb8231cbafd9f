/** Numbers and places as people type them for boards: `0x60000000`, `64K`, `3,4`, `0,1`. */
import { UsageError } from "./command.ts"

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** A whole number, decimal or 0x..., with K, M and G for powers of 1024. Throws UsageError outside `min`..`max`. */
export function parseSize(what: string, text: string, range: { min: number; max: number }): number {
  const match = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(text)
  const value = match ? Number(match[1]) * UNITS[match[2]!.toLowerCase()]! : Number.NaN
  if (value >= range.min && value <= range.max) return value
  const limits = `${range.min} to ${range.max} (0x... and K, M, G are understood)`
  throw new UsageError(`${what} ${JSON.stringify(text)}: expected a whole number from ${limits}`)
}

/** A chip `X,Y`. Throws UsageError. */
export function parseChip(text: string): { x: number; y: number } {
  const match = /^(\d{1,3}),(\d{1,3})$/.exec(text)
  const [x, y] = [Number(match?.[1]), Number(match?.[2])]
  if (!(x <= 255 && y <= 255)) throw new UsageError(`--chip ${JSON.stringify(text)}: expected X,Y, each 0 to 255`)
  return { x, y }
}

/** Board numbers `0,1,5`, each 0..23 and once. Throws UsageError. */
export function parseBoards(text: string): number[] {
  const boards = text.split(",").map((part) => (/^\d{1,2}$/.test(part) ? Number(part) : Number.NaN))
  if (!boards.every((board) => board <= 23)) {
    throw new UsageError(
      `--boards ${JSON.stringify(text)}: expected numbers from 0 to 23 with commas between, such as 0,1`,
    )
  }
  return [...new Set(boards)]
}
