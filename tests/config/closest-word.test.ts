import { expect, test } from "bun:test"
import { closestWord } from "../../src/config/closest-word.ts"

const KNOWN = ["port", "listen", "session-timeout", "max-hold", "hold"]

test.each([
  ["prot", "port"],
  ["Port", "port"],
  ["lisen", "listen"],
  ["session_timeout", "session-timeout"],
  ["sesion-timout", "session-timeout"],
  ["maxHold", "max-hold"],
  ["hld", "hold"],
])("%s is meant to be %s", (typed, meant) => expect(closestWord(typed, KNOWN)).toBe(meant))

test.each(["x", "address", "", "p", "a".repeat(1000)])("%j is nothing known", (typed) =>
  expect(closestWord(typed, KNOWN)).toBeUndefined(),
)
