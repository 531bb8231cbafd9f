/** The values that a configuration file is made of: texts, numbers, words, lengths of time. */
import { closestWord } from "./closest-word.ts"
import { show, wrong } from "./complaint.ts"
import { formatDuration, parseDuration } from "./duration.ts"
import type { Schema } from "./schema.ts"

/** Text in quotes, without control characters, of `min`..`max` characters. */
export function text({ min = 1, max = 253 }: { min?: number; max?: number } = {}): Schema<string> {
  const expected = min === 0 ? `text in quotes of at most ${max} characters` : "text in quotes"
  return {
    expected,
    read(node, name, complain) {
      if (node.kind !== "string") return wrong(node, name, expected, complain)
      const { value } = node
      const why =
        value.length < min
          ? "is empty"
          : value.length > max
            ? `is ${value.length} characters long, at most ${max} are taken`
            : /\p{Cc}/u.test(value)
              ? "has control characters in it"
              : undefined
      if (why === undefined) return value
      complain(node, `${name} ${why}: expected ${expected}`)
      return undefined
    },
  }
}

/** Text that `parse` makes something of. A RangeError of `parse` is the complaint; `expected` says what it takes. */
export function parsed<T>(expected: string, parse: (text: string) => T | undefined): Schema<T> {
  return {
    expected,
    read(node, name, complain) {
      const typed = text().read(node, name, complain)
      if (typed === undefined) return undefined
      let detail = `expected ${expected}`
      try {
        const value = parse(typed)
        if (value !== undefined) return value
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        detail = error.message
      }
      complain(node, `${name} is ${show(typed)}: ${detail}`)
      return undefined
    },
  }
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Schema<T> {
  const expected = words.length === 1 ? `"${words[0]}"` : `one of ${words.map((word) => `"${word}"`).join(", ")}`
  return parsed(expected, (typed) => {
    const found = words.find((word) => word === typed)
    const meant = found ? undefined : closestWord(typed, words)
    if (meant) throw new RangeError(`expected ${expected}; did you mean "${meant}"?`)
    return found
  })
}

/** true or false. */
export const boolean: Schema<boolean> = {
  expected: "true or false",
  read: (node, name, complain) =>
    node.kind === "boolean" ? node.value : wrong(node, name, boolean.expected, complain),
}

/** A whole number; decimal, 0x, 0o or 0b. */
export function integer({ min, max }: { min: number; max: number }): Schema<number> {
  const expected = `a whole number from ${min} to ${max}`
  return {
    expected,
    read: (node, name, complain) =>
      node.kind === "integer" && node.value >= min && node.value <= max && Number.isSafeInteger(node.value)
        ? node.value
        : wrong(node, name, expected, complain),
  }
}

/** A number, whole or not; never inf or nan. */
export function number({ min, max }: { min: number; max: number }): Schema<number> {
  const expected = `a number from ${min} to ${max}`
  return {
    expected,
    read: (node, name, complain) =>
      (node.kind === "integer" || node.kind === "float") && node.value >= min && node.value <= max
        ? node.value
        : wrong(node, name, expected, complain),
  }
}

/** A length of time in milliseconds, written as a number of seconds or as text with a unit: `300`, `"5m"`. */
export function duration({ minMs, maxMs }: { minMs: number; maxMs: number }): Schema<number> {
  const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  const expected = `seconds, or text with a unit such as "90s", "5m", "24h", ${range}`
  return {
    expected,
    read(node, name, complain) {
      const ms =
        node.kind === "string"
          ? parseDuration(node.value)
          : node.kind === "integer" || node.kind === "float"
            ? Math.round(node.value * 1000)
            : undefined
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : wrong(node, name, expected, complain)
    },
  }
}
