import { describe, expect, test } from "bun:test"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { type JsonObject, LineDecoder, MAX_LINE_BYTES } from "../../src/spalloc/line-codec.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

/** Everything that the decoder finds in these chunks; a trouble is its word. */
function read(chunks: readonly Uint8Array[], decoder = new LineDecoder()): (JsonObject | string)[] {
  const found: (JsonObject | string)[] = []
  for (const chunk of chunks) {
    decoder.push(chunk)
    for (let line = decoder.next(); line.kind !== "none"; line = decoder.next()) {
      found.push(line.kind === "object" ? line.value : line.trouble)
    }
    decoder.settle()
  }
  return found
}

const objects = [{ a: 1 }, { text: "zwölf € 🙂" }, {}, { deep: [[{}]] }]
const stream = Buffer.concat(objects.map(encodeJsonLine))

describe("LineDecoder", () => {
  test("finds the same objects wherever the stream is cut", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      expect(read([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(objects)
    }
    expect(read([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(objects)
    const random = seededRandom(3)
    for (let run = 0; run < 200; run++) expect(read(cuts(random, stream, 40))).toEqual(objects)
  })

  test("takes CR LF, spaces and empty lines", () => {
    expect(read([utf8('\n\r\n  \t\n {"a":1} \r\n\n{"b":2}\n')])).toEqual([{ a: 1 }, { b: 2 }])
  })

  test.each([
    ["not json\n", "not-json"],
    ['{"a":1}}\n', "not-json"],
    ["[1]\n", "not-an-object"],
    ["null\n", "not-an-object"],
    ['"text"\n', "not-an-object"],
    ["7\n", "not-an-object"],
    [`${"[".repeat(200_000)}\n`, "not-json"],
  ])("says what is wrong with a line that is no object (%#)", (text, trouble) => {
    expect(read([utf8(text)])).toEqual([trouble])
  })

  test("says so of bytes that are no UTF-8", () => {
    expect(read([Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a)])).toEqual(["not-utf8"])
  })

  test("looks at nothing behind trouble", () => {
    expect(read([utf8('{"a":1}\nx\n{"b":2}\n'), utf8('{"c":3}\n')])).toEqual([{ a: 1 }, "not-json"])
  })

  test("takes a line of the limit and no longer one, in one piece or in many", () => {
    const longest = utf8(`{"a":"${"x".repeat(MAX_LINE_BYTES - 8)}"}\n`)
    expect(longest.length).toBe(MAX_LINE_BYTES + 1)
    expect(read([longest])).toHaveLength(1)
    expect(read(cuts(seededRandom(1), longest, 5000))).toEqual(read([longest]))
    const over = utf8(`{"a":"${"x".repeat(MAX_LINE_BYTES - 7)}"}\n`)
    expect(read([over])).toEqual(["line-too-long"])
    expect(read(cuts(seededRandom(2), over, 5000))).toEqual(["line-too-long"])
  })

  test("holds no more than a line and a chunk of an endless line", () => {
    const decoder = new LineDecoder()
    const found = read(
      Array.from({ length: 200 }, () => new Uint8Array(65_536).fill(0x20)),
      decoder,
    )
    expect(found).toEqual(["line-too-long"])
    expect(decoder.pendingBytes).toBe(0)
  })

  test("never throws, whatever comes", () => {
    const random = seededRandom(7)
    for (let run = 0; run < 3000; run++) {
      const bytes = run % 2 === 0 ? mutate(random, stream) : randomBytes(random, 200)
      const found = read(cuts(random, bytes, 50))
      expect(found.filter((one) => typeof one === "string").length).toBeLessThanOrEqual(1)
    }
  })
})
