import { describe, expect, test } from "bun:test"
import { PcapRecording, pcapRecord } from "../../src/fake-board/pcap-writer.ts"
import { readPcap } from "../support/pcap.ts"

const FROM = { host: "127.0.0.1", port: 40_000 }
const TO = { host: "192.0.2.255", port: 54_321 }

/** The Internet checksum over a header that holds its own checksum is 0. */
function folded(bytes: Uint8Array, start = 0): number {
  let total = start
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return ~total & 0xffff
}

describe("a recording", () => {
  test("is read back as it was noted, to the microsecond", () => {
    const parts: Uint8Array[] = []
    let now = 1_700_000_000_123.25
    const recording = new PcapRecording(
      (bytes) => parts.push(bytes),
      () => now,
    )
    recording.record(FROM, TO, Uint8Array.of(1, 2, 3))
    now += 1000
    recording.record(TO, FROM, new Uint8Array(0))
    recording.flush()
    recording.flush()
    expect([...readPcap(new Uint8Array(Buffer.concat(parts)))]).toEqual([
      { timeMs: 1_700_000_000_123.25, protocol: "udp", source: FROM, destination: TO, payload: Uint8Array.of(1, 2, 3) },
      { timeMs: 1_700_000_001_123.25, protocol: "udp", source: TO, destination: FROM, payload: new Uint8Array(0) },
    ])
  })

  test.each([0, 1, 26, 281, 1042, 65_507])("of %i bytes has right checksums", (length) => {
    const payload = Uint8Array.from({ length }, (_, index) => index * 31)
    const record = pcapRecord(0, FROM, TO, payload)
    const ip = record.subarray(30)
    expect(folded(ip.subarray(0, 20))).toBe(0)
    const pseudo = [...ip.subarray(12, 20)]
    const withPseudo = Uint8Array.from([...pseudo, ...ip.subarray(20)])
    expect(folded(withPseudo, 17 + 8 + length)).toBe(0)
  })

  test("of a busy board is written in pieces, nothing lost between them", () => {
    const parts: Uint8Array[] = []
    const recording = new PcapRecording(
      (bytes) => parts.push(bytes),
      () => 0,
    )
    for (let number = 0; number < 1000; number++) recording.record(FROM, TO, new Uint8Array(282).fill(number))
    expect(parts.length).toBeGreaterThan(3)
    recording.flush()
    expect([...readPcap(new Uint8Array(Buffer.concat(parts)))]).toHaveLength(1000)
  })
})
