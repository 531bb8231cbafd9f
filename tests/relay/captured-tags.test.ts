/**
 * The captured sessions of rig and SpiNNMan that use IP tags, datagram by datagram through the relay: every program
 * gets what it got from the board itself. Ports that the captures' programs had are exchanged for free ones.
 */
import { expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { Command, decodeScpRequest, SCP_OFFSET } from "../../src/protocol/scp.ts"
import { isTagRequest, tagRequestOf } from "../../src/relay/tag-request.ts"
import { startChain } from "../support/chain.ts"
import { readCapture } from "../support/pcap.ts"
import { Receiver } from "../support/tag-program.ts"
import { manyLoopbacks } from "../support/udp.ts"

const SCP_PORT = 17893
const ARG2 = SCP_OFFSET + 8

/** Bytes of replies that differ for reasons of the boards, not of the relay: see tests/fake-board/capture-replay. */
const INFO_LINKS = 15
const INFO_CORE_5 = 31
/** The board's own address, which is another here. */
const INFO_ADDRESS = { from: 46, to: 50 }

const MODES = [
  { mode: "UDP", sdpViaTcp: false },
  { mode: "-T", sdpViaTcp: true },
]

test
  .skipIf(!manyLoopbacks)
  .each(["rig-iptag-sdp", "spinnman-riptag-eieio"].flatMap((name) => MODES.map((mode) => ({ name, ...mode }))))(
  "$name over $mode",
  async ({ name, sdpViaTcp }) => {
    const programs = [parsePlacedProgram("0,0,5=echo")]
    await using chain = await startChain(
      { name: "UDP", bootViaTcp: false, sdpViaTcp: sdpViaTcp as false },
      { board: { booted: true, host: "127.0.0.78", programs } },
    )
    const packets = (await readCapture(name)).filter(({ protocol }) => protocol === "udp")
    const toBoard = (port: number): boolean => port === SCP_PORT || port === 12345
    const sockets = new Map<number, Receiver>()
    const [rxPort] = (await freePorts(1)) as [number]
    for (const { source, destination } of packets) {
      for (const { port } of [source, destination]) {
        if (!toBoard(port) && !sockets.has(port)) sockets.set(port, await Receiver.open())
      }
    }
    /** The port of this run for one of the capture's. */
    const here = (port: number): number =>
      port === SCP_PORT ? chain.client.ports.scp : port === 12345 ? rxPort : (sockets.get(port)?.port ?? port)
    const swapped = (datagram: Uint8Array, at: number): Uint8Array => {
      const copy = datagram.slice()
      const view = new DataView(copy.buffer)
      view.setUint16(at, here(view.getUint16(at, true)), true)
      return copy
    }
    let command = -1
    for (const { source, destination, payload } of packets) {
      if (toBoard(destination.port)) {
        const sets = isTagRequest(payload) && tagRequestOf(payload)?.kind === "set"
        const request = sets ? swapped(payload, ARG2) : payload
        command = (destination.port === SCP_PORT && decodeScpRequest(payload)?.command) || -1
        if (isTagRequest(payload) && payload[16] === 2) command = GET
        sockets.get(source.port)!.send(request, here(destination.port))
        continue
      }
      const got = await sockets.get(destination.port)!.next(2_000)
      expect(got?.from).toBe(`127.0.0.1:${here(source.port)}`)
      const expected = command === GET && source.port === SCP_PORT ? swapped(payload, GET_PORT) : payload
      const stripped = source.port !== SCP_PORT
      expect(masked(got!.datagram, command, stripped)).toBe(masked(expected, command, stripped))
    }
    for (const socket of sockets.values()) socket[Symbol.dispose]()
  },
)

/** Stands for IPTAG GET among the commands. */
const GET = 0x1_0000
/** The port in the first record of GET's reply. */
const GET_PORT = 14 + 10
const GET_FLAGS = 14 + 14

function masked(datagram: Uint8Array, command: number, stripped: boolean): string {
  const copy = datagram.slice()
  if (!stripped) {
    // The pad is never matched, and which transient tag a reply had is chance.
    copy.fill(0, 0, 2)
    copy[3] = 0
  }
  if (command === Command.INFO) {
    for (const at of [INFO_LINKS, INFO_CORE_5]) copy[at] = 0
    copy.fill(0, INFO_ADDRESS.from, INFO_ADDRESS.to)
  }
  // The capture's board zeroed a cleared tag, SC&MP and ours only clear its flags.
  if (command === GET && copy[GET_FLAGS] === 0 && copy[GET_FLAGS + 1] === 0) copy.fill(0, 14)
  return Buffer.from(copy).toString("hex")
}
