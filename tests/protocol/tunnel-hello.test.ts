import { describe, expect, test } from "bun:test"
import {
  type ClientHello,
  decodeClientHello,
  decodeServerHello,
  encodeBody,
  encodeHello,
  HELLO_MAX_BYTES,
  type HelloReading,
  PROOF_BYTES,
  readHello,
  type ServerHello,
} from "../../src/protocol/tunnel-hello.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { fromHex, integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

const PROOF = Uint8Array.from({ length: PROOF_BYTES }, (_, at) => at + 1)
const CLIENT: ClientHello = { key: "k-1", resume: "s_1", device: "laptop of Zoë" }
const WELCOME: ServerHello = { session: "s_1", resumed: true, name: "pi", resumeMs: 60_000, device: "d-1" }
const MESSAGE = encodeHello(encodeBody(CLIENT), PROOF)
/** Header, body and proof of the longest message. */
const MAX_BODY = HELLO_MAX_BYTES - 8 - PROOF_BYTES

const stateOf = (bytes: Uint8Array): string => {
  const reading = readHello(bytes)
  return reading.state === "bad" ? reading.reason : reading.state
}

/** What a reader that keeps every byte until it knows makes of a stream in pieces. */
function readIn(pieces: readonly Uint8Array[]): HelloReading {
  let reading: HelloReading = { state: "more" }
  for (let count = 1; count <= pieces.length && reading.state === "more"; count++) {
    reading = readHello(Buffer.concat(pieces.slice(0, count)))
  }
  return reading
}

describe("a hello", () => {
  test("is magic, version, length, body and proof", () => {
    const bytes = encodeHello(utf8("{}"), PROOF)
    expect(bytes.subarray(0, 10)).toEqual(fromHex("5350494e 0001 0002 7b7d"))
    expect(bytes.subarray(10)).toEqual(PROOF)
  })

  test("comes whole wherever the stream is cut, and takes nothing of what follows", () => {
    const stream = Buffer.concat([MESSAGE, utf8("frames follow")])
    for (let first = 0; first <= MESSAGE.length; first++) {
      const reading = readIn([stream.subarray(0, first), stream.subarray(first)])
      if (reading.state !== "whole") throw new Error(`${reading.state}, cut at ${first}`)
      expect(reading.message.length).toBe(MESSAGE.length)
      expect(Buffer.from(reading.message.proof).equals(PROOF)).toBe(true)
      expect(decodeClientHello(reading.message.body)).toEqual(CLIENT)
    }
  })

  test("is not whole before its last byte", () => {
    for (let length = 0; length < MESSAGE.length; length++) expect(stateOf(MESSAGE.subarray(0, length))).toBe("more")
  })

  test("is known as none of ours at the first byte that is wrong", () => {
    for (let at = 0; at < 4; at++) {
      const bytes = Uint8Array.from(MESSAGE)
      bytes[at]! ^= 1
      expect(stateOf(bytes.subarray(0, at + 1))).toBe("malformed")
    }
    expect(stateOf(utf8("GET / HTTP/1.1"))).toBe("malformed")
  })

  test("of another version is told apart from garbage, as soon as its header is there", () => {
    for (const version of ["0000", "0002", "ffff"]) expect(stateOf(fromHex(`5350494e ${version} 0000`))).toBe("version")
  })

  test("may be as long as the limit; what says it is longer is refused before it has come", () => {
    expect(stateOf(encodeHello(new Uint8Array(MAX_BODY), PROOF))).toBe("whole")
    expect(() => encodeHello(new Uint8Array(MAX_BODY + 1), PROOF)).toThrow(RangeError)
    const header = fromHex("5350494e 0001 0000")
    new DataView(header.buffer).setUint16(6, MAX_BODY + 1)
    expect(stateOf(header)).toBe("oversize")
    expect(stateOf(fromHex("5350494e 0001 ffff"))).toBe("oversize")
  })

  test("reads the same from a view into a larger buffer", () => {
    const around = Buffer.concat([randomBytes(seededRandom(1), 13), MESSAGE])
    expect(readHello(around.subarray(13))).toEqual(readHello(MESSAGE))
  })
})

describe("a client's words", () => {
  test("come back as they were said", () => {
    for (const hello of [CLIENT, { key: "k" }, { key: "k", resume: "r" }, { key: "k", device: "" }]) {
      expect(decodeClientHello(encodeBody(hello))).toEqual(hello)
    }
  })

  test("may have fields that this version does not know", () => {
    expect(decodeClientHello(utf8('{"key":"k","later":[1],"resume":"r"}'))).toEqual({ key: "k", resume: "r" })
  })

  test("are nothing where an id is no id, or they are no object at all", () => {
    const bad = [
      ...["", "{", "null", "1", '"k"', "[]", '["key"]', "{}", '{"key":1}', '{"key":""}', '{"key":"a b"}'],
      ...['{"key":"../keys"}', '{"key":"k\\n"}', `{"key":"${"k".repeat(65)}"}`, '{"key":"k","resume":1}'],
      ...['{"key":"k","resume":""}', '{"key":"k","resume":null}', '{"key":"k","device":1}'],
      ...[`{"key":"k","device":"${"d".repeat(65)}"}`, '{"__proto__":{"key":"k"}}'],
    ]
    for (const body of bad) expect([body, decodeClientHello(utf8(body))]).toEqual([body, undefined])
    expect(decodeClientHello(Buffer.concat([utf8('{"key":"'), fromHex("ff fe"), utf8('"}')]))).toBeUndefined()
  })

  test("cannot steer the terminal of who reads a device's name", () => {
    const device = "a\u001b[2Jb\u202ec\u2028d\ne"
    expect(decodeClientHello(encodeBody({ key: "k", device }))?.device).toBe("a?[2Jb?c?d?e")
  })
})

describe("a server's words", () => {
  test("come back as they were said", () => {
    const { device: _, ...plain } = WELCOME as Extract<ServerHello, { session: string }>
    for (const words of [WELCOME, plain, { refused: "no", code: "unknown-key" }]) {
      expect(decodeServerHello(encodeBody(words))).toEqual(words)
    }
  })

  test("are nothing where a field is missing or of another kind", () => {
    for (const key of ["session", "resumed", "name", "resumeMs"]) {
      for (const value of [undefined, null, [], {}, -1]) {
        expect([key, value, decodeServerHello(utf8(JSON.stringify({ ...WELCOME, [key]: value })))]).toEqual([
          key,
          value,
          undefined,
        ])
      }
    }
    expect(decodeServerHello(utf8(JSON.stringify({ ...WELCOME, resumeMs: 1e300 })))).toBeUndefined()
    expect(decodeServerHello(utf8(JSON.stringify({ ...WELCOME, device: "no id" })))).toBeUndefined()
    expect(decodeServerHello(utf8('{"refused":"no"}'))).toBeUndefined()
  })

  test("are cut to what fits a line, and cannot steer a terminal", () => {
    const refused = decodeServerHello(encodeBody({ refused: `\u001b]0;${"x".repeat(1000)}`, code: "c".repeat(100) }))
    expect(refused).toEqual({ refused: `?]0;${"x".repeat(296)}`, code: "c".repeat(40) })
    const welcome = decodeServerHello(encodeBody({ ...WELCOME, name: `\r${"n".repeat(400)}` } as ServerHello))
    expect(welcome).toMatchObject({ name: `?${"n".repeat(254)}` })
  })
})

describe("fuzz", () => {
  const random = seededRandom(6)
  const whole = (bytes: Uint8Array): void => {
    const reading = readHello(bytes)
    if (reading.state !== "whole") return
    const { message } = reading
    expect(message.length).toBeLessThanOrEqual(Math.min(bytes.length, HELLO_MAX_BYTES))
    expect(message.proof.length).toBe(PROOF_BYTES)
    const client = decodeClientHello(message.body)
    if (client) expect(client.key).toMatch(/^[\w-]{1,64}$/)
    const server = decodeServerHello(message.body)
    if (server && "refused" in server) expect(server.refused.length).toBeLessThanOrEqual(300)
  }

  test("random bytes, with and without our beginning, are never more than refused", () => {
    for (let round = 0; round < 5_000; round++) {
      const noise = randomBytes(random, integer(random, 0, 200))
      whole(noise)
      whole(Buffer.concat([MESSAGE.subarray(0, integer(random, 4, 8)), noise]))
    }
  })

  test("damaged messages are never more than refused", () => {
    const messages = [MESSAGE, encodeHello(encodeBody(WELCOME), PROOF), encodeHello(new Uint8Array(MAX_BODY), PROOF)]
    for (let round = 0; round < 15_000; round++) whole(mutate(random, messages[round % messages.length]!))
  })

  test("damaged words are never more than refused", () => {
    const bodies = [encodeBody(CLIENT), encodeBody(WELCOME), encodeBody({ refused: "no", code: "unknown-key" })]
    for (let round = 0; round < 15_000; round++) {
      const body = mutate(random, bodies[round % bodies.length]!)
      const client = decodeClientHello(body)
      if (client?.device !== undefined) expect(client.device).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      decodeServerHello(body)
    }
  })
})
