import { describe, expect, test } from "bun:test"
import { readBoardLog, readCapture, readPcap } from "./pcap.ts"

/** A capture with one UDP datagram ("hi", 192.0.2.1:1000 -> 192.0.2.2:2000), in any flavour of the format. */
function capture(options: { little: boolean; nano: boolean; link: number; linkHeader: number }): Uint8Array {
  const { little, nano, link, linkHeader } = options
  const udp = [0x03, 0xe8, 0x07, 0xd0, 0, 10, 0, 0, 0x68, 0x69]
  const ip = [0x45, 0, 0, 20 + udp.length, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
  const packet = [...new Array<number>(linkHeader).fill(0), ...ip, ...udp]
  const file = new Uint8Array(24 + 16 + packet.length)
  const view = new DataView(file.buffer)
  view.setUint32(0, nano ? 0xa1b23c4d : 0xa1b2c3d4, little)
  view.setUint32(20, link, little)
  view.setUint32(24, 100, little)
  view.setUint32(28, nano ? 500_000 : 500, little)
  view.setUint32(32, packet.length, little)
  view.setUint32(36, packet.length, little)
  file.set(packet, 40)
  return file
}

describe("the pcap reader", () => {
  test.each([
    { little: true, nano: false, link: 1, linkHeader: 14 },
    { little: false, nano: false, link: 1, linkHeader: 14 },
    { little: true, nano: true, link: 101, linkHeader: 0 },
    { little: false, nano: true, link: 113, linkHeader: 16 },
    { little: true, nano: false, link: 0, linkHeader: 4 },
  ])("reads %p", (options) => {
    expect([...readPcap(capture(options))]).toEqual([
      {
        timeMs: 100_000.5,
        protocol: "udp",
        source: { host: "192.0.2.1", port: 1000 },
        destination: { host: "192.0.2.2", port: 2000 },
        payload: Uint8Array.of(0x68, 0x69),
      },
    ])
  })

  test("stops quietly at a record that the file does not hold to its end, at every cut", () => {
    const whole = capture({ little: true, nano: false, link: 1, linkHeader: 14 })
    for (let length = 24; length < whole.length; length++) expect([...readPcap(whole.subarray(0, length))]).toEqual([])
  })

  test("says what is wrong with a file that is no pcap", () => {
    expect(() => [...readPcap(new Uint8Array(10))]).toThrow("10 bytes")
    expect(() => [...readPcap(new Uint8Array(64))]).toThrow("magic number 0x0")
  })

  test.each([
    ["rig-boot-spin3", 36],
    ["spinnman-boot-lossy", 76],
    ["rig-rw64k-window8", 1026],
  ] as const)("finds the datagrams of %s that its README lists", async (name, total) => {
    const packets = await readCapture(name)
    expect(packets.filter((packet) => packet.protocol === "udp")).toHaveLength(total)
    expect(packets[0]!.timeMs).toBeGreaterThan(1.79e12)
  })

  test("reads TCP segments with their sequence numbers", async () => {
    const packets = await readCapture("pyproxy-rig-boot-t")
    const segments = packets.filter((packet) => packet.protocol === "tcp" && packet.payload.length > 0)
    expect(segments.length).toBeGreaterThan(20)
    const first = segments[0]!
    const next = segments.find((packet) => packet.source.port === first.source.port && packet !== first)!
    expect(next.sequence).toBe((first.sequence! + first.payload.length) >>> 0)
  })

  test("reads the boards' logs", async () => {
    const log = await readBoardLog("rig-boot-lossy")
    expect(log[0]).toMatchObject({ ev: "up", boot: 54321 })
  })
})
