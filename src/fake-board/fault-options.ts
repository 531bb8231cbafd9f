/** Fault options as a person types them: `--drop 0.05`, `--drop boot=0.08`, `--drop-list boot=3,21`. */
import type { FaultPathName } from "./events.ts"
import type { FaultSpec } from "./faults.ts"

const PATHS: readonly FaultPathName[] = ["boot", "scp", "reply"]

/** The fields of a fault that are one number. */
export type FaultNumber = "drop" | "duplicate" | "delayMs" | "jitterMs"

const LIMITS: Readonly<Record<FaultNumber, number>> = { drop: 1, duplicate: 1, delayMs: 60_000, jitterMs: 60_000 }

/** Most numbers in one drop list. */
const DROP_LIST_LIMIT = 10_000

/** Why a fault option could not be read; says what was expected. */
export class FaultOptionError extends Error {
  override readonly name = "FaultOptionError"
}

/** Splits "boot=0.1" into the paths that it concerns and its value; without a path, all three. */
function splitPath(text: string): { paths: readonly FaultPathName[]; value: string } {
  const equals = text.indexOf("=")
  if (equals < 0) return { paths: PATHS, value: text }
  const path = PATHS.find((name) => name === text.slice(0, equals))
  if (!path) throw new FaultOptionError(`${JSON.stringify(text)}: expected boot=, scp= or reply= before the value`)
  return { paths: [path], value: text.slice(equals + 1) }
}

/** Builds the faults of all paths; later options win over earlier ones. */
export class FaultOptions {
  readonly faults: Partial<Record<FaultPathName, FaultSpec>> = {}

  /** A chance (0..1) or a time in milliseconds (0..60000), for one path or all. */
  number(field: FaultNumber, text: string): this {
    const { paths, value } = splitPath(text)
    const number = /^(\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : Number.NaN
    if (!(number <= LIMITS[field])) {
      throw new FaultOptionError(`${JSON.stringify(text)}: expected a number from 0 to ${LIMITS[field]}`)
    }
    for (const path of paths) this.faults[path] = { ...this.faults[path], [field]: number }
    return this
  }

  /** Ordinal numbers, counted from 1 on each path, separated by commas. */
  dropList(text: string): this {
    const { paths, value } = splitPath(text)
    const parts = value.split(",")
    const numbers = parts.map((part) => (/^[1-9]\d{0,8}$/.test(part) ? Number(part) : Number.NaN))
    if (numbers.length > DROP_LIST_LIMIT || numbers.some(Number.isNaN)) {
      throw new FaultOptionError(`${JSON.stringify(text)}: expected numbers from 1 on, with commas between`)
    }
    for (const path of paths) {
      const dropList = [...(this.faults[path]?.dropList ?? []), ...numbers]
      this.faults[path] = { ...this.faults[path], dropList }
    }
    return this
  }
}
