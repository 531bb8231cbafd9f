import { describe, expect, test } from "bun:test"
import {
  decodeEieioData,
  type EieioData,
  EieioType,
  eieioEvents,
  eieioHeaderBytes,
  encodeEieioData,
  isEieioCommand,
} from "../../src/protocol/eieio.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { readCapture } from "../support/pcap.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))
const data = (part: Partial<EieioData> & { type: EieioType }): EieioData => ({
  kind: "data",
  tag: 0,
  timestamps: false,
  elements: [],
  ...part,
})

/** Literal messages and what they mean. */
const samples: [string, string, EieioData][] = [
  ["16-bit keys", "02 00 0100 0200", data({ type: EieioType.key16, elements: [{ key: 1 }, { key: 2 }] })],
  [
    "16-bit keys and payloads",
    "01 04 0100 ff00",
    data({ type: EieioType.key16Payload16, elements: [{ key: 1, payload: 255 }] }),
  ],
  ["32-bit keys", "01 08 78563412", data({ type: EieioType.key32, elements: [{ key: 0x12345678 }] })],
  [
    "32-bit keys and payloads",
    "01 0c 78563412 ffffffff",
    data({ type: EieioType.key32Payload32, elements: [{ key: 0x12345678, payload: 0xffffffff }] }),
  ],
  [
    "a prefix in the lower half",
    "01 88 3412 00007856",
    data({ type: EieioType.key32, keyPrefix: { value: 0x1234, upper: false }, elements: [{ key: 0x56780000 }] }),
  ],
  [
    "a prefix in the upper half and a u16 base of timestamps",
    "01 f0 3412 0700 7856",
    data({
      type: EieioType.key16,
      keyPrefix: { value: 0x1234, upper: true },
      payloadBase: 7,
      timestamps: true,
      elements: [{ key: 0x5678 }],
    }),
  ],
  [
    "a u32 base with 32-bit keys",
    "01 28 07000080 01000000",
    data({ type: EieioType.key32, payloadBase: 0x80000007, elements: [{ key: 1 }] }),
  ],
  ["no elements and a tag", "00 03", data({ type: EieioType.key16, tag: 3 })],
]

describe("EIEIO data", () => {
  test.each(samples)("reads and writes %s", (_name, text, message) => {
    expect(decodeEieioData(hex(text))).toEqual(message)
    expect(encodeEieioData(message)).toEqual(hex(text))
  })

  test.each(samples)("%s: every shorter prefix is cut short", (_name, text) => {
    const whole = hex(text)
    for (let length = 0; length < whole.length; length++) {
      expect(decodeEieioData(whole.subarray(0, length))).toBeUndefined()
    }
  })

  test("bytes behind the last element are not looked at", () => {
    expect(decodeEieioData(hex("01 00 0100 ffff"))?.elements).toEqual([{ key: 1 }])
  })

  test("a word with bit 14 and without bit 15 is a command, with both a prefix in the upper half", () => {
    expect(isEieioCommand(hex("0140"))).toBe(true)
    expect(isEieioCommand(hex("01c0"))).toBe(false)
    expect(isEieioCommand(hex("0100"))).toBe(false)
    expect(isEieioCommand(hex("01"))).toBeUndefined()
    expect(decodeEieioData(hex("0140"))).toBeUndefined()
  })

  test("headers take 2 to 8 bytes", () => {
    const keyPrefix = { value: 0, upper: false }
    const payloadBase = 0
    expect(eieioHeaderBytes({ type: EieioType.key16 })).toBe(2)
    expect(eieioHeaderBytes({ type: EieioType.key32, keyPrefix })).toBe(4)
    expect(eieioHeaderBytes({ type: EieioType.key16, payloadBase })).toBe(4)
    expect(eieioHeaderBytes({ type: EieioType.key32, payloadBase })).toBe(6)
    expect(eieioHeaderBytes({ type: EieioType.key16, keyPrefix, payloadBase })).toBe(6)
    expect(eieioHeaderBytes({ type: EieioType.key32, keyPrefix, payloadBase })).toBe(8)
  })

  test("prefix and base become part of keys and payloads", () => {
    const upper = { value: 0x8001, upper: true }
    const keys = data({ type: EieioType.key16, keyPrefix: upper, payloadBase: 9, elements: [{ key: 2 }] })
    expect(eieioEvents(keys)).toEqual([{ key: 0x80010002, payload: 9 }])
    const lower = { value: 1, upper: false }
    const pairs = data({
      type: EieioType.key32Payload32,
      keyPrefix: lower,
      elements: [{ key: 0xf0000000, payload: 4 }],
    })
    expect(eieioEvents(pairs)).toEqual([{ key: 0xf0000001, payload: 4 }])
    expect(eieioEvents({ ...pairs, payloadBase: 0x80000000 })).toEqual([{ key: 0xf0000001, payload: 0x80000004 }])
    expect(eieioEvents(data({ type: EieioType.key32, elements: [{ key: 5 }] }))).toEqual([{ key: 5 }])
  })

  test("more elements than a byte counts are refused", () => {
    const elements = Array.from({ length: 256 }, (_, key) => ({ key }))
    expect(() => encodeEieioData(data({ type: EieioType.key16, elements }))).toThrow(RangeError)
  })

  test("a capture's spikes are read to the last byte", async () => {
    const packets = await readCapture("spinnman-riptag-eieio")
    const found = packets
      .filter(({ source, destination }) => ![source.port, destination.port].includes(17893))
      .map(({ payload }) => ({ payload, message: decodeEieioData(payload) }))
    expect(found.length).toBeGreaterThan(0)
    for (const { payload, message } of found) expect(message && encodeEieioData(message)).toEqual(payload)
  })

  test("anything that is read is written back byte for byte, and nothing throws (200,000 random datagrams)", () => {
    const random = seededRandom(8)
    for (let round = 0; round < 200_000; round++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256))
      if (bytes.length > 0 && random() < 0.8) bytes[0] = Math.floor(random() * 6)
      const message = decodeEieioData(bytes)
      if (!message) continue
      const written = encodeEieioData(message)
      if (!Buffer.from(bytes).subarray(0, written.length).equals(written)) expect(written).toEqual(bytes)
      eieioEvents(message)
    }
  })
})
