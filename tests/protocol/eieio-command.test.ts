import { describe, expect, test } from "bun:test"
import { EieioType } from "../../src/protocol/eieio.ts"
import {
  decodeEieio,
  decodeEieioCommand,
  type EieioCommand,
  type EieioMessage,
  encodeEieio,
  encodeEieioCommand,
} from "../../src/protocol/eieio-command.ts"
import { seededRandom } from "../../src/transport/random.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))
const kind = "command"
const message = { kind: "data", type: EieioType.key16, tag: 0, timestamps: false, elements: [{ key: 5 }] } as const

const samples: [string, EieioCommand][] = [
  ["0140", { kind, name: "database", path: "" }],
  ["0140 2f61", { kind, name: "database", path: "/a" }],
  ["0240", { kind, name: "eventPadding" }],
  ["0340", { kind, name: "eventStop" }],
  ["0440", { kind, name: "stopSendingRequests" }],
  ["0540", { kind, name: "startSendingRequests" }],
  [
    "0640 02 01 18 00 04 09 00010000",
    { kind, name: "spinnakerRequestBuffers", x: 1, y: 2, p: 3, region: 4, sequence: 9, space: 256 },
  ],
  ["0740 04 09 01000500", { kind, name: "hostSendSequencedData", region: 4, sequence: 9, message }],
  [
    "0840 02 01 19 09 05 06 00000070 10000000",
    {
      kind,
      name: "spinnakerRequestReadData",
      x: 1,
      y: 2,
      p: 3,
      sequence: 9,
      records: [{ channel: 5, region: 6, address: 0x70000000, length: 16 }],
    },
  ],
  [
    "0840 02 01 1a 09 05 06 00000070 10000000 0000 07 08 00000160 20000000",
    {
      kind,
      name: "spinnakerRequestReadData",
      x: 1,
      y: 2,
      p: 3,
      sequence: 9,
      records: [
        { channel: 5, region: 6, address: 0x70000000, length: 16 },
        { channel: 7, region: 8, address: 0x60010000, length: 32 },
      ],
    },
  ],
  ["0840 02 01 18 09", { kind, name: "spinnakerRequestReadData", x: 1, y: 2, p: 3, sequence: 9, records: [] }],
  [
    "0940 02 09 0000 05 06 10000000 0000 07 08 20000000",
    {
      kind,
      name: "hostDataRead",
      sequence: 9,
      records: [
        { channel: 5, region: 6, bytesRead: 16 },
        { channel: 7, region: 8, bytesRead: 32 },
      ],
    },
  ],
  ["0a40", { kind, name: "stopPauseNotification" }],
  ["0b40", { kind, name: "startResumeNotification" }],
  ["0c40 09", { kind, name: "hostDataReadAck", sequence: 9 }],
  ["ff7f 0102", { kind, name: "unknown", id: 0x3fff, body: hex("0102") }],
]

describe("EIEIO commands", () => {
  test.each(samples)("reads and writes %s", (text, command) => {
    expect(decodeEieioCommand(hex(text))).toEqual(command)
    expect(encodeEieioCommand(command)).toEqual(hex(text))
  })

  test.each([
    "01",
    "0640 0201180004090001",
    "0740 04",
    "0740 04090100",
    "0840 020119",
    "0840 02011909050600000070100000",
    "0940 01",
    "0940 0109000005061000",
    "0c40",
  ])("%s is cut short", (text) => {
    expect(decodeEieio(hex(text))).toBeUndefined()
  })

  test("tells data from commands", () => {
    expect(decodeEieio(hex("0100 0500"))).toEqual(message)
    expect(encodeEieio(message)).toEqual(hex("0100 0500"))
    expect(decodeEieio(hex("0340"))).toEqual({ kind, name: "eventStop" })
    expect(decodeEieioCommand(hex("0100 0500"))).toBeUndefined()
  })

  test("more records than three bits count are refused", () => {
    const records = Array.from({ length: 8 }, () => ({ channel: 0, region: 0, bytesRead: 0 }))
    expect(() => encodeEieio({ kind, name: "hostDataRead", sequence: 0, records })).toThrow(RangeError)
  })

  test("random and mutated datagrams: what is read, written and read again is the same (200,000)", () => {
    const random = seededRandom(88)
    const byte = (): number => Math.floor(random() * 256)
    for (let round = 0; round < 200_000; round++) {
      const sample = hex(samples[round % samples.length]![0])
      const bytes =
        random() < 0.5 ? sample.slice(0, Math.floor(random() * sample.length)) : new Uint8Array(byte() & 31).map(byte)
      if (bytes.length > 2) bytes[Math.floor(random() * bytes.length)] = byte()
      const read = decodeEieio(bytes)
      if (!read) continue
      const again = decodeEieio(encodeEieio(read)) as EieioMessage
      if (!Bun.deepEquals(again, read)) expect(again).toEqual(read)
    }
  })
})
