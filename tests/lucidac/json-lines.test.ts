import { describe, expect, test } from "bun:test"
import {
  JsonDecoder,
  jsonError,
  jsonLine,
  jsonReply,
  MAX_JSON_BYTES,
  parseJsonEnvelope,
} from "../../src/lucidac/json-lines.ts"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

function run(chunks: readonly Uint8Array[], limit = MAX_JSON_BYTES) {
  const decoder = new JsonDecoder(limit)
  const objects: string[] = []
  let error: ReturnType<typeof decoder.push>
  let pending = 0
  for (const chunk of chunks) {
    error = decoder.push(chunk, (object) => void objects.push(Buffer.from(object).toString())) ?? error
    pending = Math.max(pending, decoder.pendingBytes)
  }
  return { decoder, objects, error, pending }
}

/** Braces, brackets and escapes within strings, nesting, letters of several bytes, an empty one. */
const OBJECTS = [
  '{"id":"1","type":"ping","msg":{}}',
  '{"a":"}\\"]{\\\\","b":[[1,{"c":null}],"ä€"]}',
  "{}",
  '{ "x" : "\\u007d" }',
]
const STREAM = utf8(`${OBJECTS[0]}\n${OBJECTS[1]}\r\n\n  ${OBJECTS[2]}${OBJECTS[3]}\n`)

describe("JsonDecoder", () => {
  test("finds objects at their braces, with ends of line, several of them, or none", () => {
    expect(run([STREAM])).toMatchObject({ objects: OBJECTS, error: undefined })
    expect(run([utf8(OBJECTS.join(""))]).objects).toEqual(OBJECTS)
  })

  test("finds the same with the stream cut in two at every place, and byte by byte", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      expect(run([STREAM.subarray(0, at), STREAM.subarray(at)]).objects).toEqual(OBJECTS)
    }
    expect(run(Array.from(STREAM, (byte) => Uint8Array.of(byte))).objects).toEqual(OBJECTS)
  })

  test("passes over what is no object up to the end of its line, counted", () => {
    const { objects, decoder } = run([utf8('hello {"a":1}\n[1,{"b":2}]\n"x"\n{"c":3}\n')])
    expect(objects).toEqual(['{"c":3}'])
    expect(decoder.skipped).toBe(3)
  })

  test("an object that breaks off within a string ends with its line; the next one is whole", () => {
    const { objects, decoder } = run([utf8('{"type":"pi\n{"type":"ping"}\n')])
    expect(objects).toEqual(['{"type":"ping"}'])
    expect(decoder.skipped).toBe(1)
  })

  test("takes an object of the limit and refuses a longer one, whole or in pieces, and stays so", () => {
    const long = (length: number) => utf8(`{"a":"${"x".repeat(length - 8)}"}`)
    expect(run([long(100)], 100).objects[0]).toHaveLength(100)
    expect(run([long(101)], 100).error).toEqual({ code: "json-too-long", limit: 100 })
    const { decoder, error, pending } = run(cuts(seededRandom(1), long(500), 30), 100)
    expect(error).toEqual({ code: "json-too-long", limit: 100 })
    expect(pending).toBeLessThanOrEqual(100)
    expect(decoder.push(utf8("{}"), () => expect.unreachable())).toEqual({ code: "json-too-long", limit: 100 })
  })

  test("many small pieces of a long object take time that grows with its length only", () => {
    const long = utf8(`{"a":"${"x".repeat(MAX_JSON_BYTES - 8)}"}`)
    const decoder = new JsonDecoder()
    let length = 0
    for (let at = 0; at < long.length; at += 64) {
      decoder.push(long.subarray(at, at + 64), (object) => {
        length = object.length
      })
    }
    expect(length).toBe(MAX_JSON_BYTES)
  })

  test("stops in the middle of a chunk for an owner that has had enough", () => {
    let count = 0
    new JsonDecoder().push(STREAM, () => ++count < 2)
    expect(count).toBe(2)
  })

  test("never throws and never keeps more than the limit, whatever comes", () => {
    const random = seededRandom(3)
    for (let round = 0; round < 2_000; round++) {
      const bytes = round % 2 ? mutate(random, STREAM) : randomBytes(random, integer(random, 0, 300))
      const { objects, pending } = run(cuts(random, bytes, 40), 120)
      expect(pending).toBeLessThanOrEqual(120)
      for (const object of objects) parseJsonEnvelope(utf8(object))
    }
  })
})

describe("envelopes", () => {
  const request = parseJsonEnvelope(utf8('{"id":"7","type":"ping","msg":{"x":1},"perf_trace":true}'))!

  test("have a type, an id or none, and a message or an empty one; other fields stay", () => {
    expect(request).toMatchObject({ id: "7", type: "ping", msg: { x: 1 } })
    expect(request.fields.perf_trace).toBe(true)
    expect(parseJsonEnvelope(utf8('{"type":"log","id":null,"msg":[1]}'))).toMatchObject({ id: undefined, msg: {} })
  })

  test.each(['{"id":"7"}', '{"type":5}', '{"type":"a"', "{]}", '"x"', ""])("%p is none", (text) => {
    expect(parseJsonEnvelope(utf8(text))).toBeUndefined()
  })

  test("no UTF-8 is none", () => {
    expect(parseJsonEnvelope(Buffer.from([...utf8('{"type":"'), 0xff, ...utf8('"}')]))).toBeUndefined()
  })

  test("replies have the request's id and type, a message and code 0; errors a text and another code, at the top", () => {
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
    expect(text(jsonReply(request, { micros: 5 }))).toBe('{"id":"7","type":"ping","msg":{"micros":5},"code":0}\n')
    expect(text(jsonError(request, -10, "unknown"))).toBe('{"id":"7","type":"ping","code":-10,"error":"unknown"}\n')
    const anonymous = parseJsonEnvelope(utf8('{"type":"ping"}'))!
    expect(text(jsonReply(anonymous))).toBe('{"type":"ping","msg":{},"code":0}\n')
    expect(text(encodeJsonLine({ a: "\n" }))).toBe('{"a":"\\n"}\n')
    expect(text(jsonLine(utf8("{}")))).toBe("{}\n")
  })
})
