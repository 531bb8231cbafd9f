import { describe, expect, test } from "bun:test"
import { sniff } from "../../src/lucidac/sniff.ts"
import { fromHex, utf8 } from "../support/fuzz.ts"

describe("the first bytes of a connection", () => {
  test.each([
    ["a ping", "06 a2 06 03 a2 06 00"],
    ["a reset", "0e aa 06 0b"],
    ["a long frame", "b0 08 aa 06"],
    ["a version first", "09 0a 02"],
    ["123 bytes, generic", "7b a2 06"],
    ["123 bytes, a version of 4 bytes", "7b 0a 04"],
    ["a frame of ten bytes", "0a aa 06 07"],
    ["a frame of 32 bytes", "20 aa 06"],
  ])("of %s are protobuf", (_name, hex) => {
    expect(sniff(fromHex(hex))).toBe("protobuf")
  })

  test.each(['{"id"', "{}", '{ "', '{\n"', "{\n }", "{\n}", ' {"a', '\r\n\t {"', "\n\n{}"])("%j are JSON", (text) => {
    expect(sniff(utf8(text))).toBe("json")
  })

  test.each(["", "{", "{\n", "\n", "  ", "\u0006"])("%j say too little", (text) => {
    expect(sniff(utf8(text))).toBe("more")
  })

  test.each(["POST / HTTP", "GET /", "SSH-2.0", "{x", "\u0016\u0003\u0001", "\n\nGET", "\u0000\u0000"])(
    "%j are neither",
    (text) => {
      expect(sniff(utf8(text))).toBe("neither")
    },
  )

  test("are not awaited for ever", () => {
    expect(sniff(new Uint8Array(20).fill(0xff))).toBe("neither")
    expect(sniff(new Uint8Array(200).fill(0x20))).toBe("neither")
  })
})
