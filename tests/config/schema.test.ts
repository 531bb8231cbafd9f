import { describe, expect, test } from "bun:test"
import { formatComplaints } from "../../src/config/complaint.ts"
import { either, listOf, object, optional, readToml, required, type Schema } from "../../src/config/schema.ts"
import { boolean, choice, duration, integer, number, parsed, text } from "../../src/config/values.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer as between, mutate, utf8 } from "../support/fuzz.ts"

const board = object({
  name: required(text({ max: 20 })),
  type: optional(choice(["spin3", "spin5"]), "spin5"),
  place: optional(listOf(integer({ min: 0, max: 255 }), { min: 3, max: 3 })),
  "max-hold": optional(duration({ minMs: 1000, maxMs: 3_600_000 })),
})

const machine = object(
  {
    port: optional(integer({ min: 1, max: 65_535 }), 17_896),
    rate: optional(number({ min: 0, max: 1 }), 0.5),
    loud: optional(boolean, false),
    boards: required(listOf(board, { min: 1, max: 4 })),
    dead: optional(listOf(listOf(integer({ min: 0, max: 9 }), { min: 3, max: 3 })), []),
    share: optional(either(choice(["all"]), listOf(text())), "all"),
    start: optional(
      parsed("a day such as monday", (day) => {
        if (day === "sunday") throw new RangeError("nobody is here on Sundays")
        return day.endsWith("day") ? day.length : undefined
      }),
    ),
  },
  (values, complainAt) => {
    if (values.port === 9 && values.boards.length < 9) complainAt("port", "port ends in more than there are boards")
    return values
  },
)

/** All that is said of `toml`, the file being called f. */
function said<T>(toml: string, schema: Schema<T>): string[] {
  const result = readToml(toml, schema)
  return result.ok ? [] : formatComplaints("f", result.complaints).split("\n")
}

describe("a file that is right", () => {
  test("gives its values, and the defaults of what it leaves out", () => {
    const toml =
      '[[boards]]\nname = "a"\nmax-hold = "5m"\n[[boards]]\nname = "b"\nplace = [0, 0, 3]\ntype = "spin3"\nmax-hold = 90'
    expect(readToml(toml, machine)).toEqual({
      ok: true,
      value: {
        port: 17_896,
        rate: 0.5,
        loud: false,
        boards: [
          { name: "a", type: "spin5", place: undefined, "max-hold": 300_000 },
          { name: "b", type: "spin3", place: [0, 0, 3], "max-hold": 90_000 },
        ],
        dead: [],
        share: "all",
        start: undefined,
      },
    })
  })

  test("may write a list of tables either way, and one of two kinds", () => {
    const result = readToml('share = ["x", "y"]\nboards = [{ name = "a" }]\ndead = [[1, 2, 3]]', machine)
    expect(result).toMatchObject({ ok: true, value: { share: ["x", "y"], dead: [[1, 2, 3]] } })
  })
})

describe("each complaint names line, column, what is wrong and what was expected", () => {
  const cases: [toml: string, complaints: string[]][] = [
    ["", ["f:1:1: boards is missing: expected a list of 1 to 4, each a table"]],
    ["port = 1.5\nboards = [{ name = 'a' }]", ["f:1:8: port is 1.5: expected a whole number from 1 to 65535"]],
    ["port = '1'\nboards = [{ name = 'a' }]", ['f:1:8: port is "1": expected a whole number from 1 to 65535']],
    [
      "port = 99999999999999999999\nboards = [{ name = 'a' }]",
      ["f:1:8: port is 99999999999999999999: expected a whole number from 1 to 65535"],
    ],
    ["rate = nan\nboards = [{ name = 'a' }]", ["f:1:8: rate is nan: expected a number from 0 to 1"]],
    ["loud = 1\nboards = [{ name = 'a' }]", ["f:1:8: loud is 1: expected true or false"]],
    ["boards = []", ["f:1:10: boards has 0: expected a list of 1 to 4, each a table"]],
    ["boards = 3", ["f:1:10: boards is 3: expected a list of 1 to 4, each a table"]],
    ["[boards]\nname = 'a'", ["f:1:2: boards is a table: expected a list of 1 to 4, each a table"]],
    [
      "prot = 1\n[[boards]]\nname = 'a'\nmax_hold = 1\nzzz = 2",
      [
        'f:1:1: unknown key "prot": did you mean port?',
        'f:4:1: unknown key "max_hold": did you mean max-hold?',
        'f:5:1: unknown key "zzz": known here are name, type, place, max-hold',
      ],
    ],
    [
      "[[boards]]\ntype = 'spin4'\n[[boards]]\nname = ''\nplace = [1, 2]\nmax-hold = '2h'",
      [
        "f:1:1: boards.name is missing: expected text in quotes",
        'f:2:8: boards.type is "spin4": expected one of "spin3", "spin5"; did you mean "spin3"?',
        "f:4:8: boards.name is empty: expected text in quotes",
        "f:5:9: boards.place has 2: expected a list of 3, each a whole number from 0 to 255",
        'f:6:12: boards.max-hold is "2h": expected seconds, or text with a unit such as "90s", "5m", "24h", from 1s to 1h',
      ],
    ],
    [
      "dead = [[1, 2, 3],\n [1, 2, 10]]\nboards = [{ name = 'a' }]",
      ["f:2:9: dead is 10: expected a whole number from 0 to 9"],
    ],
    [
      "share = 'al'\nboards = [{ name = 'a' }]",
      ['f:1:9: share is "al": expected "all", or a list of each text in quotes'],
    ],
    ["share = ['x', 1]\nboards = [{ name = 'a' }]", ["f:1:15: share is 1: expected text in quotes"]],
    ["start = 'sunday'\nboards = [{ name = 'a' }]", ['f:1:9: start is "sunday": nobody is here on Sundays']],
    ["start = 'noon'\nboards = [{ name = 'a' }]", ['f:1:9: start is "noon": expected a day such as monday']],
    ["boards = [{ name = 'a' }]\nport = 9", ["f:2:8: port ends in more than there are boards"]],
    [
      'boards = [{ name = "a\\u001b[2J" }]',
      ["f:1:20: boards.name has control characters in it: expected text in quotes"],
    ],
    ["boards = [{ name = 1979-05-27 }]", ["f:1:20: boards.name is 1979-05-27: expected text in quotes"]],
  ]
  test.each(cases)("%j", (toml, complaints) => expect(said(toml, machine)).toEqual(complaints))

  test("and of a great many the first are shown and the rest counted", () => {
    const toml = Array.from({ length: 50 }, (_, at) => `k${at} = 1`).join("\n")
    const result = readToml(toml, machine)
    const lines = formatComplaints("f", result.ok ? [] : result.complaints, 3).split("\n")
    expect(lines).toHaveLength(4)
    expect(lines[3]).toBe("f: and 48 more")
  })
})

test("any text that is read has values of the right kind, any other a complaint", () => {
  const random = seededRandom(17)
  const sample =
    'port = 17890\nrate = 0.25\nshare = ["x"]\n[[boards]]\nname = "a"\nplace = [1, 2, 3]\nmax-hold = "10s"\n'
  let right = 0
  for (let i = 0; i < 2000; i++) {
    const result = readToml(new TextDecoder().decode(mutate(random, utf8(sample))), machine)
    if (!result.ok) {
      expect(result.complaints.length).toBeGreaterThan(0)
      continue
    }
    right++
    expect(result.value.port).toBeWithin(1, 65_536)
    for (const { name, place } of result.value.boards) {
      expect(name.length).toBeWithin(1, 21)
      expect(place === undefined || place.length === 3).toBe(true)
    }
  }
  expect(right).toBeGreaterThan(between(random, 50, 50))
})
