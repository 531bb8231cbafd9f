import { describe, expect, test } from "bun:test"
import {
  Command,
  commandName,
  decodeScpReply,
  decodeScpRequest,
  encodeScpReply,
  encodeScpRequest,
  Result,
  resultName,
} from "../../src/protocol/scp.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { fromHex, integer, mutate, randomBytes, randomHeader } from "../support/fuzz.ts"

const u32 = (random: () => number) => integer(random, 0, 0xffff_ffff)

describe("SCP requests", () => {
  test("decodeScpRequest() reads the VER that rig sends", () => {
    const request = decodeScpRequest(fromHex("0000 87ff00ff ffff0000 0000 0100 00000000 00000000 00000000"))
    expect(request).toMatchObject({ command: Command.VER, sequence: 1, arg1: 0, arg2: 0, arg3: 0 })
    expect(request?.sdp).toMatchObject({ flags: 0x87, tag: 255, destX: 255, destY: 255, srcPort: 7, srcCpu: 31 })
  })

  test("decodeScpRequest() reads little-endian fields, arguments unsigned", () => {
    const request = decodeScpRequest(fromHex("0000 87ff00ff ffff0000 0300 0201 040302f1 080706f5 0c0b0af9 aabb"))
    expect(request).toMatchObject({
      command: Command.WRITE,
      sequence: 0x0102,
      arg1: 0xf1020304,
      arg2: 0xf5060708,
      arg3: 0xf90a0b0c,
      data: Uint8Array.of(0xaa, 0xbb),
    })
  })

  test("encodeScpRequest() writes what decodeScpRequest() reads, for 500 random requests", () => {
    const random = seededRandom(1)
    for (let run = 0; run < 500; run++) {
      const request = {
        sdp: randomHeader(random),
        command: integer(random, 0, 0xffff),
        sequence: integer(random, 0, 0xffff),
        arg1: u32(random),
        arg2: u32(random),
        arg3: u32(random),
        data: randomBytes(random, integer(random, 0, 256)),
      }
      expect(decodeScpRequest(encodeScpRequest(request))).toEqual(request)
    }
  })

  test("decodeScpRequest() takes 26 to 282 bytes and nothing else", () => {
    for (let length = 0; length < 300; length++) {
      const taken = decodeScpRequest(new Uint8Array(length)) !== undefined
      expect(taken).toBe(length >= 26 && length <= 282)
    }
  })
})

describe("SCP replies", () => {
  test("decodeScpReply() finds the body where arg1 would be", () => {
    const reply = decodeScpReply(fromHex("0000 0708ff00 00000000 8000 0500 01020304"))
    expect(reply).toMatchObject({ result: Result.OK, sequence: 5, body: Uint8Array.of(1, 2, 3, 4) })
  })

  test("encodeScpReply() writes what decodeScpReply() reads, for 500 random replies", () => {
    const random = seededRandom(2)
    for (let run = 0; run < 500; run++) {
      const reply = {
        sdp: randomHeader(random),
        result: integer(random, 0x80, 0x8f),
        sequence: integer(random, 0, 0xffff),
        body: randomBytes(random, integer(random, 0, 268)),
      }
      expect(decodeScpReply(encodeScpReply(reply))).toEqual(reply)
    }
  })

  test("decodeScpReply() takes 14 to 282 bytes with a result of 0x80 to 0x8f and nothing else", () => {
    for (let length = 0; length < 300; length++) {
      const datagram = new Uint8Array(length)
      if (length > 10) datagram[10] = 0x80
      expect(decodeScpReply(datagram) !== undefined).toBe(length >= 14 && length <= 282)
    }
    for (let result = 0; result < 0x300; result++) {
      const datagram = new Uint8Array(14)
      datagram[10] = result & 0xff
      datagram[11] = result >> 8
      expect(decodeScpReply(datagram) !== undefined).toBe(result >= 0x80 && result <= 0x8f)
    }
  })
})

test("the SCP decoders never throw, whatever comes", () => {
  const random = seededRandom(3)
  const sdp = randomHeader(random)
  const whole = encodeScpRequest({ sdp, command: 2, sequence: 7, arg1: 1, arg2: 2, arg3: 3, data: new Uint8Array(64) })
  for (let run = 0; run < 2000; run++) {
    const datagram = run % 2 ? mutate(random, whole) : randomBytes(random, integer(random, 0, 300))
    const request = decodeScpRequest(datagram)
    const reply = decodeScpReply(datagram)
    if (request) expect(request.data.length).toBe(datagram.length - 26)
    if (reply) expect(reply.body.length).toBe(datagram.length - 14)
  }
})

test("resultName() and commandName() name every code, also one without a name", () => {
  for (const [name, code] of Object.entries(Result)) expect(resultName(code)).toBe(name)
  for (const [name, code] of Object.entries(Command)) expect(commandName(code)).toBe(name)
  expect(resultName(0x93)).toBe("0x93")
  expect(commandName(99)).toBe("command 99")
})
