import { expect, test } from "bun:test"
import { encodeJsonLine, type JsonLine, JsonLineReader } from "../../src/protocol/json-lines.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, integer, mutate, utf8 } from "../support/fuzz.ts"

function readAll(reader: JsonLineReader): JsonLine[] {
  const found: JsonLine[] = []
  for (let line = reader.next(); line; line = reader.next()) found.push(line)
  return found
}

const values = (lines: readonly JsonLine[]) => lines.map((line) => (line.kind === "value" ? line.value : line.trouble))

test("values come back, wherever the stream is cut", () => {
  const random = seededRandom(5)
  const sent = [{ command: "status" }, [1, "two\n", null], "ü\u2028", 0, {}]
  const stream = Buffer.concat(sent.map(encodeJsonLine))
  for (let i = 0; i < 300; i++) {
    const reader = new JsonLineReader(100)
    const got: JsonLine[] = []
    for (const piece of cuts(random, stream, integer(random, 1, 30))) {
      reader.push(piece)
      got.push(...readAll(reader))
    }
    expect(values(got)).toEqual(sent)
  }
})

test("a chunk may be used again by its owner", () => {
  const reader = new JsonLineReader(100)
  const chunk = utf8('{"a":1}\n{"b"')
  reader.push(chunk)
  chunk.fill(0)
  reader.push(utf8(":2}\n"))
  expect(values(readAll(reader))).toEqual([{ a: 1 }, { b: 2 }])
})

test("empty lines and Windows line ends are nothing", () => {
  const reader = new JsonLineReader(100)
  reader.push(utf8('\n\r\n 1 \r\n\n"x"\n'))
  expect(values(readAll(reader))).toEqual([1, "x"])
})

test("a line beyond the limit, or many that nobody takes, end it", () => {
  const long = new JsonLineReader(10)
  long.push(utf8("1234567890\n"))
  expect(values(readAll(long))).toEqual([1_234_567_890])
  for (let i = 0; i < 11; i++) long.push(utf8("1"))
  expect(values(readAll(long))).toEqual(["line-too-long"])
  long.push(utf8("1\n"))
  expect(readAll(long)).toEqual([])

  const many = new JsonLineReader(10)
  many.push(utf8("1\n".repeat(11)))
  expect(values(readAll(many))).toEqual([...Array(10).fill(1), "line-too-long"])
})

test("empty lines that nobody takes are not kept", () => {
  const reader = new JsonLineReader(100)
  Bun.gc(true)
  const before = process.memoryUsage().heapUsed
  for (let megabytes = 0; megabytes < 4; megabytes++) reader.push(Buffer.alloc(1 << 20, "\n"))
  Bun.gc(true)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 << 20)
  reader.push(utf8("1\n"))
  expect(values(readAll(reader))).toEqual([1])
})

test.each(["{", "nope", "\u00ff"])("%j is told once and ends it", (text) => {
  const reader = new JsonLineReader(100)
  reader.push(Buffer.concat([Buffer.from(text, "latin1"), utf8("\n1\n")]))
  expect(values(readAll(reader))).toEqual(["not-json"])
})

test("any bytes are values or one trouble, which is the last", () => {
  const random = seededRandom(6)
  const stream = Buffer.concat([{ command: "invite", name: "alice" }, { command: "status" }].map(encodeJsonLine))
  for (let i = 0; i < 2000; i++) {
    const reader = new JsonLineReader(64)
    const got: JsonLine[] = []
    for (const piece of cuts(random, mutate(random, stream), 20)) {
      reader.push(piece)
      got.push(...readAll(reader))
    }
    expect(got.slice(0, -1).every(({ kind }) => kind === "value")).toBe(true)
  }
})
