/** Lengths of time as people write them: `300` (seconds), `90s`, `5m`, `24h`, `7d`. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, "": 1000 }

/** Milliseconds of `text`; a number without unit is seconds. Undefined if it is no length of time. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d|)$/.exec(text.trim())
  return match ? Math.round(Number(match[1]) * UNITS[match[2]!]!) : undefined
}

/** `ms` in the largest unit that it is a whole number of: `24h`, `90s`, `250ms`. */
export function formatDuration(ms: number): string {
  const unit = ["d", "h", "m", "s"].find((name) => ms > 0 && ms % UNITS[name]! === 0) ?? (ms === 0 ? "s" : "ms")
  return `${ms / UNITS[unit]!}${unit}`
}
