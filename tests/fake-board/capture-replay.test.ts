/**
 * Every captured SCP session, its requests one by one, against the fake board. Replies are the same byte for byte but
 * for what is listed here, each with the reason why it may differ.
 */
import { describe, expect, test } from "bun:test"
import { FakeBoard } from "../../src/fake-board/board.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { Command } from "../../src/protocol/scp.ts"
import type { Address } from "../../src/transport/address.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { type CapturedPacket, readBoardLog, readCapture } from "../support/pcap.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Sessions, and the core that ran an echo program in the capture. */
const SESSIONS: readonly { name: string; program?: string; bmp?: string; doubled?: boolean }[] = [
  { name: "rig-boot-spin3" },
  { name: "rig-boot-spin5" },
  { name: "rig-boot-lossy" },
  { name: "rig-boot-already" },
  { name: "spinnman-boot-spin5" },
  { name: "spinnman-boot-lossy" },
  { name: "ybug-boot-spin5" },
  { name: "rig-rw64k-window8" },
  { name: "rig-iptag-sdp", program: "0,0,5=echo" },
  { name: "spinnman-riptag-eieio", program: "0,0,5=echo" },
  { name: "spinnman-version" },
  { name: "rig-bmp", bmp: "127.0.0.2" },
  { name: "ybug-dup-reply", doubled: true },
]

/** Bytes of a reply that may differ, by the command that it answers: from offset, to offset (exclusive), why. */
const MAY_DIFFER: Readonly<Record<number, readonly (readonly [number, number, string])[]>> = {
  [Command.INFO]: [
    [15, 16, "working links: the capture's board had all six, chip 0,0 of a single SpiNN-5 has three"],
    [31, 32, "state of core 5: the capture's board echoed without an application on it"],
  ],
}
/** The one record that differs: the capture's board zeroed a cleared tag, SC&MP only clears its flags (wire §4). */
const CLEARED_TAG_FLAGS = { from: 28, to: 30 }

/** How late the answer to END's image may be: the boards of the captures were not quite up after 0.8 and 2.3 s. */
const SLACK_MS = 30

describe("captured SCP sessions get the captured replies", () => {
  test.each(SESSIONS)("$name", async ({ name, program, bmp, doubled }) => {
    const log = await readBoardLog(name)
    const packets = (await readCapture(name)).filter(({ protocol }) => protocol === "udp")
    const up = log[0]!.ev === "up" ? log[0]! : log.find(({ ev }) => ev === "up")!
    const scpPort = up.scp as number
    const bootPort = up.boot as number
    const clock = new FakeClock()
    const begun = packets[0]!.timeMs
    const sent: { from: Address; to: Address; datagram: Uint8Array }[] = []
    const drops = log.filter(({ ev }) => /^boot_(start|block|end|drop)$/.test(String(ev)))
    const dropList = drops.flatMap(({ ev }, index) => (ev === "boot_drop" ? [index + 1] : []))
    const repliesLost = log.some(({ ev }) => ev === "drop_rep")
    const board = new FakeBoard({
      clock,
      send: (from, to, datagram) => sent.push({ from, to, datagram }),
      scpPort,
      bootPort,
      booted: up.state === "scamp",
      silentMs: 800 - SLACK_MS,
      bootingMs: 1500,
      helloBroadcast: undefined,
      programs: program ? [parsePlacedProgram(program)] : [],
      ...(bmp !== undefined && { bmp: { host: bmp, powerOnMs: 1000 } }),
      faults: { boot: { dropList }, reply: { drop: repliesLost ? 1 : 0, duplicate: doubled ? 1 : 0 } },
    })
    const toBoard = ({ destination }: CapturedPacket): boolean => [scpPort, bootPort, 12345].includes(destination.port)
    const expected = packets.filter((packet) => !toBoard(packet))
    // Requests go in at their captured times; the board's time then runs on before the next.
    for (const packet of packets) {
      clock.advance(Math.max(0, packet.timeMs - begun - clock.now()))
      if (toBoard(packet)) board.receive(packet.destination, packet.source, packet.payload)
    }
    clock.advance(2000)
    expect(sent.map(({ from, to }) => `${from.host}:${from.port} ${to.host}:${to.port}`).toSorted()).toEqual(
      expected
        .map(({ source, destination }) => `${source.host}:${source.port} ${destination.host}:${destination.port}`)
        .toSorted(),
    )
    const requests = new Map(
      packets.filter(toBoard).map(({ payload, source }) => [`${source.port} ${sequenceOf(payload)}`, payload]),
    )
    for (const [index, packet] of expected.entries()) {
      const ours = sent[index]!
      const request = requests.get(`${packet.destination.port} ${sequenceOf(packet.payload)}`)
      expect(mask(ours.datagram, request)).toBe(mask(packet.payload, request))
    }
  })
})

const sequenceOf = (datagram: Uint8Array): number => (datagram[12] ?? 0) | ((datagram[13] ?? 0) << 8)

/** The reply as hexadecimal digits, with what may differ made equal. */
function mask(reply: Uint8Array, request: Uint8Array | undefined): string {
  const command = request ? request[10]! | (request[11]! << 8) : -1
  const bytes = reply.slice()
  // The pad bytes of a reply are never matched (wire §1).
  bytes.fill(0, 0, 2)
  for (const [from, to] of MAY_DIFFER[command] ?? []) bytes.fill(0, from, to)
  const isGet = command === Command.IPTAG && request![16] === 2
  if (isGet && hex(bytes.subarray(CLEARED_TAG_FLAGS.from, CLEARED_TAG_FLAGS.to)) === "0000") bytes.fill(0, 14)
  return hex(bytes)
}
