import { expect, test } from "bun:test"
import { formatDuration, parseDuration } from "../../src/config/duration.ts"

test.each([
  ["300", 300_000],
  ["90s", 90_000],
  ["5m", 300_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["250ms", 250],
  ["1.5 h", 5_400_000],
  ["0", 0],
])("%s is %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(["", "h", "5 min", "-1s", "1e3", "0x10", "1h30m", "infinity"])("%j is no length of time", (text) =>
  expect(parseDuration(text)).toBeUndefined(),
)

test.each([
  [86_400_000, "1d"],
  [5_400_000, "90m"],
  [90_000, "90s"],
  [250, "250ms"],
  [0, "0s"],
])("%d ms is written %s, which is read as the same", (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
  expect(parseDuration(text)).toBe(ms)
})
