import { describe, expect, test } from "bun:test"
import { MAX_TOML_LENGTH, parseToml, type TomlNode } from "../../src/config/toml.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, utf8 } from "../support/fuzz.ts"

/** The tree without positions, as JSON.parse would give it. */
function plain(node: TomlNode): unknown {
  switch (node.kind) {
    case "table":
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plain(entry.value)]))
    case "list":
      return node.items.map(plain)
    case "date":
      return node.source
    default:
      return node.value
  }
}

function root(text: string): Extract<TomlNode, { kind: "table" }> {
  const parsed = parseToml(text)
  if ("complaint" in parsed) throw new Error(JSON.stringify(parsed.complaint))
  return parsed.root
}

/** `line:column text` of what is wrong with the syntax. */
function complaintOf(text: string): string {
  const parsed = parseToml(text)
  if (!("complaint" in parsed)) throw new Error("no complaint")
  const { line, column, text: said } = parsed.complaint
  return `${line}:${column} ${said}`
}

const SAMPLE = `
name = "pi"  # the Raspberry
listen = ["0.0.0.0", '::']
limits.flows = 256
limits.rate = 1_000.5

[leases]
hold = "traffic"
deep.er = { a = 1, "b c" = [[0, 1], [2, 3]] }

[[boards]]
name = "a"
on = true
[boards.bmp]
host = "10.0.0.1"

[[boards]]
name = "b"
bmp.host = "10.0.0.2"
since = 1979-05-27
mask = 0xff
`

describe("a TOML text becomes a tree", () => {
  test("of tables, dotted keys, inline tables, and lists of tables with tables below", () => {
    expect(plain(root(SAMPLE))).toEqual({
      name: "pi",
      listen: ["0.0.0.0", "::"],
      limits: { flows: 256, rate: 1000.5 },
      leases: {
        hold: "traffic",
        deep: {
          er: {
            a: 1,
            "b c": [
              [0, 1],
              [2, 3],
            ],
          },
        },
      },
      boards: [
        { name: "a", on: true, bmp: { host: "10.0.0.1" } },
        { name: "b", bmp: { host: "10.0.0.2" }, since: "1979-05-27", mask: 255 },
      ],
    })
  })

  test("in which keys and values know their line and column, counted from 1", () => {
    const boards = root(SAMPLE).entries.get("boards")?.value
    const second = boards?.kind === "list" ? boards.items[1] : undefined
    expect(second).toMatchObject({ line: 17, column: 1 })
    const name = second?.kind === "table" ? second.entries.get("name") : undefined
    expect(name).toMatchObject({ line: 18, column: 1, value: { line: 18, column: 8 } })
  })

  test("after a byte-order mark, and with Windows line ends", () => {
    const tree = root('\ufeffa = 1\r\nb = "x"\r\n')
    expect(plain(tree)).toEqual({ a: 1, b: "x" })
    expect(tree.entries.get("b")).toMatchObject({ line: 2, column: 1 })
  })

  test("in which names of Object's own are keys like others", () => {
    const tree = root("__proto__ = 1\nconstructor.x = 2\n[toString]\ny = 3")
    expect([...tree.entries.keys()]).toEqual(["__proto__", "constructor", "toString"])
  })
})

describe("a mistake of syntax is told with its place", () => {
  const mistakes: [text: string, said: string][] = [
    ["a = 1\r\nb = \r\n\r\nc = 1", "2:4 a value is missing here"],
    ["a = 1\na = 2", "2:1 this is defined a second time"],
    ["[a]\n[b]\n[a]", "3:2 this is defined a second time"],
    ["a = [1,\n  2", '2:4 the list does not end: "]" is missing'],
    ["a = 1 b = 2", "1:7 the line should have ended here; one key = value a line"],
    ['a = "C:\\Users"', "1:9 a backslash in double quotes begins an escape: write \\\\ or use single quotes"],
    ["name = board-a", '1:8 board-a needs quotes around it: "board-a"'],
    ["\n[[boards]]\naddress = 192.168.240.1 # the first", '3:11 192.168.240.1 needs quotes around it: "192.168.240.1"'],
    ["bind = ::1", '1:8 ::1 needs quotes around it: "::1"'],
    ["hold", '1:5 expected "=" after the key'],
  ]
  test.each(mistakes)("%j", (text, said) => expect(complaintOf(text)).toBe(said))

  test("and a text beyond the limit is not parsed", () => {
    expect(complaintOf("#".repeat(MAX_TOML_LENGTH + 1))).toContain("1:1 the file is too long")
    expect("root" in parseToml("#".repeat(MAX_TOML_LENGTH))).toBe(true)
  })
})

describe("any text", () => {
  test("gives a tree or one complaint within the text, and what Bun.TOML reads too means the same", () => {
    const random = seededRandom(6)
    const decoder = new TextDecoder()
    let trees = 0
    let compared = 0
    for (let i = 0; i < 3000; i++) {
      let bytes = utf8(SAMPLE)
      for (let times = integer(random, 0, 2); times > 0; times--) bytes = new Uint8Array(mutate(random, bytes))
      const text = decoder.decode(bytes)
      const parsed = parseToml(text)
      if ("complaint" in parsed) {
        const { line, column } = parsed.complaint
        const lines = text.split("\n")
        expect(line).toBeWithin(1, lines.length + 1)
        expect(column).toBeWithin(1, (lines[line - 1]?.length ?? 0) + 3)
        continue
      }
      trees++
      let bun: unknown
      try {
        bun = Bun.TOML.parse(text)
      } catch {
        continue
      }
      compared++
      expect(plain(parsed.root)).toEqual(JSON.parse(JSON.stringify(bun)))
    }
    expect(trees).toBeGreaterThan(500)
    expect(compared).toBeGreaterThan(300)
  })

  test("however deep, ends with a complaint and not with a fault", () => {
    for (const piece of ["[", "{a=", "a.", "[[", "a = [", "\n[[a]]\n[a.b]", '"""', "[a.a]\n"]) {
      const parsed = parseToml(`a = ${piece.repeat(20_000)}`)
      expect("complaint" in parsed).toBe(true)
    }
  })
})
