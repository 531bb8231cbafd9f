import { expect, test } from "bun:test"
import { counted, howLong, localTime, table } from "../../src/cli/table.ts"

test("a table's columns are as wide as their widest cell, and nothing in it steers the terminal", () => {
  const rows = [
    ["alice", "2", "x"],
    ["李雷", "10", "a\u001b[2J\nb"],
  ]
  expect(table(["USER", "N", "LAST"], rows)).toBe("USER   N   LAST\nalice  2   x\n李雷   10  a?[2J?b\n")
  expect(table(["USER", "N"], [["a", ""]])).toBe("USER  N\na\n")
})

test.each([
  [0, "0 ms"],
  [849.6, "850 ms"],
  [12_999, "12 s"],
  [60_000, "1 min"],
  [3_600_000, "1 h"],
  [18_720_000, "5 h 12 min"],
  [86_400_000, "1 d"],
  [183_600_000, "2 d 3 h"],
])("%d ms are %s", (ms, text) => expect(howLong(ms)).toBe(text))

test("times are this machine's", () => {
  expect(localTime(new Date(2026, 0, 2, 3, 4).getTime())).toBe("2026-01-02 03:04")
})

test("one is one, and two are many", () => {
  expect([0, 1, 2].map((count) => counted(count, "key"))).toEqual(["0 keys", "1 key", "2 keys"])
})
