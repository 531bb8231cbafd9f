import { describe, expect, test } from "bun:test"
import { ClientReader } from "../../src/lucidac/client-reader.ts"
import { encodePing } from "../../src/lucidac/envelope.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { cuts, integer, randomBytes, utf8 } from "../support/fuzz.ts"

/** A reader whose owner writes down what it hears. */
function reading(ready: () => boolean = () => true) {
  const heard = { language: 0, messages: [] as Uint8Array[], trouble: [] as string[] }
  const reader = new ClientReader({
    onLanguage: () => void heard.language++,
    onFrame: (body) => void heard.messages.push(body.slice()),
    onObject: (object) => void heard.messages.push(object.slice()),
    onTrouble: (detail) => void heard.trouble.push(detail),
    ready,
  })
  return { reader, heard }
}

describe("what a client sends", () => {
  for (const language of ["protobuf", "json"] as const) {
    test(`in ${language} is read in order, however it is cut and however often the owner is not ready`, () => {
      const random = seededRandom(language === "json" ? 21 : 22)
      for (let round = 0; round < 100; round++) {
        const bodies = Array.from({ length: integer(random, 1, 60) }, (_, index) =>
          language === "json"
            ? utf8(JSON.stringify({ type: "x", id: index, msg: { text: "}{".repeat(integer(random, 0, 40)) } }))
            : randomBytes(random, integer(random, 0, 3) === 0 ? integer(random, 1, 9_000) : integer(random, 1, 40)),
        )
        // The language is told by the first bytes.
        if (language === "protobuf") bodies.unshift(encodePing())
        const stream = Buffer.concat(
          bodies.map((body) => (language === "json" ? Buffer.concat([body, utf8("\r\n")]) : encodeFrame(body))),
        )
        let left = 3
        const { reader, heard } = reading(() => left-- > 0)
        for (const piece of cuts(random, stream, 300)) {
          reader.push(piece)
          if (random() < 0.5) continue
          left = integer(random, 1, 8)
          reader.read()
        }
        left = Number.POSITIVE_INFINITY
        reader.read()
        expect(heard.messages.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(
          bodies.map((bytes) => Buffer.from(bytes).toString("hex")),
        )
        expect(heard.language).toBe(1)
        expect(reader.language).toBe(language)
        expect(heard.trouble).toEqual([])
      }
    })
  }

  test("is not read while the owner is not ready, not even its language", () => {
    let ready = false
    const { reader, heard } = reading(() => ready)
    reader.push(encodeFrame(encodePing()))
    expect(reader.language).toBeUndefined()
    ready = true
    reader.read()
    expect(heard.messages).toEqual([encodePing()])
  })

  test("may come while the owner deals with a message, and waits for its turn", () => {
    const order: number[] = []
    const reader = new ClientReader({
      onLanguage() {},
      onFrame() {},
      onObject(object) {
        const { id } = JSON.parse(new TextDecoder().decode(object))
        order.push(id)
        if (id === 1) reader.push(encodeJsonLine({ id: 3 }))
      },
      onTrouble() {},
      ready: () => true,
    })
    reader.push(Buffer.concat([encodeJsonLine({ id: 1 }), encodeJsonLine({ id: 2 })]))
    expect(order).toEqual([1, 2, 3])
  })

  test.each([
    ["no language", utf8("POST / HTTP/1.1\r\n"), "its first bytes are of no language that is spoken here"],
    [
      "a frame beyond the limit",
      Uint8Array.of(0xb0, 0xbd, 0x10, 0xaa, 0x06),
      "it announced a message of 270000 bytes: expected at most 262084",
    ],
    ["a line beyond the limit", utf8(`{"a":"${"x".repeat(1 << 20)}`), "it sent a line of more than 1048576 bytes"],
  ])("is trouble where it is %s", (_name, bytes, trouble) => {
    const { reader, heard } = reading(() => heard.trouble.length === 0)
    reader.push(bytes)
    reader.push(bytes)
    expect(heard.trouble).toEqual([trouble])
    expect(heard.messages).toEqual([])
  })

  test("is forgotten once it is closed", () => {
    let ready = false
    const { reader, heard } = reading(() => ready)
    reader.push(encodeFrame(encodePing()))
    reader.close()
    ready = true
    reader.read()
    expect(heard.messages).toEqual([])
  })
})
