import { describe, expect, test } from "bun:test"
import { decodeScpReply, encodeScpReply } from "../../src/protocol/scp.ts"
import { decodeVersion, describeVersion, isBooting, type Version } from "../../src/protocol/version.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes, randomHeader, utf8 } from "../support/fuzz.ts"
import { readCapture } from "../support/pcap.ts"

const sdp = randomHeader(seededRandom(1))

function body(arg1: number, arg2: number, arg3: number, text: string): Uint8Array {
  const bytes = new Uint8Array(12 + text.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, arg1, true)
  view.setUint32(4, arg2, true)
  view.setUint32(8, arg3, true)
  bytes.set(utf8(text), 12)
  return bytes
}

const decode = (bytes: Uint8Array): Version | undefined =>
  decodeVersion({ sdp, result: 0x80, sequence: 1, body: bytes })

describe("decodeVersion()", () => {
  test("reads the new style, where the version is a text of its own", () => {
    expect(decode(body(0x03040102, 0xffff0100, 1700000000, "SC&MP/SpiNNaker\x004.0.0-beta\x00"))).toEqual({
      x: 3,
      y: 4,
      physicalCpu: 1,
      virtualCpu: 2,
      bufferSize: 256,
      buildTime: 1700000000,
      name: "SC&MP",
      hardware: "SpiNNaker",
      version: "4.0.0-beta",
    })
  })

  test("reads the old style, major * 100 + minor", () => {
    expect(decode(body(0, (133 << 16) | 256, 0, "SC&MP/SpiNNaker\x00"))?.version).toBe("1.33")
    expect(decode(body(0, (205 << 16) | 256, 0, "SARK/SpiNNaker\x00"))?.version).toBe("2.05")
  })

  test("reads a name without hardware and a version that is missing", () => {
    expect(decode(body(0, 0xffff0100, 0, "BC&MP"))).toMatchObject({ name: "BC&MP", hardware: "", version: "" })
  })

  test("reads what the recorded boards said", async () => {
    const said = new Set<string>()
    for (const { payload } of await readCapture("spinnman-boot-spin5")) {
      const reply = decodeScpReply(payload)
      const version = reply && decodeVersion(reply)
      if (version?.name === "SC&MP") said.add(`${describeVersion(version)}${isBooting(version) ? " booting" : ""}`)
    }
    expect([...said]).toHaveLength(2)
    expect([...said][0]).toMatch(/^SC&MP \d+\.\d+\.\d+ on SpiNNaker booting$/)
    expect([...said][1]).toMatch(/^SC&MP \d+\.\d+\.\d+ on SpiNNaker$/)
  })

  test("returns undefined for a body of fewer than 13 bytes or without a name", () => {
    const whole = body(0, 0xffff0100, 0, "SC&MP/SpiNNaker\x004.0.0\x00")
    for (let length = 0; length < 13; length++) expect(decode(whole.subarray(0, length))).toBeUndefined()
    expect(decode(whole.subarray(0, 13))?.name).toBe("S")
    expect(decode(body(0, 0xffff0100, 0, "\x00\x00"))).toBeUndefined()
    expect(decode(body(0, 0xffff0100, 0, "/SpiNNaker\x00"))).toBeUndefined()
  })

  test("never throws, whatever the board or somebody in its name sends", () => {
    const random = seededRandom(2)
    const reply = { sdp, result: 0x80, sequence: 1, body: body(0, 0xffff0100, 0, "SC&MP/SpiNNaker\x004.0.0\x00") }
    const whole = encodeScpReply(reply)
    for (let run = 0; run < 2000; run++) {
      const datagram = run % 2 ? mutate(random, whole) : randomBytes(random, integer(random, 0, 300))
      const decoded = decodeScpReply(datagram)
      const version = decoded && decodeVersion(decoded)
      if (version) expect(describeVersion(version)).toContain(" on ")
    }
  })
})

test("isBooting() is true at chip 255,255 only", () => {
  const at = (x: number, y: number) => isBooting({ x, y } as Version)
  expect([at(255, 255), at(255, 0), at(0, 255), at(0, 0)]).toEqual([true, false, false, false])
})
