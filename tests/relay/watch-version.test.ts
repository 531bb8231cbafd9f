import { describe, expect, test } from "bun:test"
import { encodeScpReply } from "../../src/protocol/scp.ts"
import type { Board } from "../../src/relay/board.ts"
import type { Flow } from "../../src/relay/flow.ts"
import { watchVersion } from "../../src/relay/watch-version.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { randomBytes, randomHeader, utf8 } from "../support/fuzz.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup() {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const random = seededRandom(1)
  const board: Board = { name: "board", clock, random, observer }
  const stage = watchVersion(board)
  return {
    observer,
    /** A flow through the stage: what the board says on it, and what the application gets. */
    flow() {
      const [near, far] = memoryPair({ clock, random, drops: observer }, { first: "relay:1", second: "board:1" })
      const got: Uint8Array[] = []
      const flow: Flow = { id: 1, owner: "a", application: "a:1" }
      const staged = stage(near, flow)
      staged.onDatagram = (datagram) => got.push(datagram)
      return {
        got,
        says(datagram: Uint8Array) {
          far.send(datagram)
          clock.advance(0)
        },
      }
    },
    said: () => observer.of("board-version").map(({ version, booting }) => (booting ? `${version}, booting` : version)),
  }
}

const sdp = randomHeader(seededRandom(2))

function ver(text: string, chip = 0, result = 0x80): Uint8Array {
  const body = new Uint8Array(12 + text.length)
  const view = new DataView(body.buffer)
  view.setUint32(0, chip << 16, true)
  view.setUint32(4, 0xffff0100, true)
  body.set(utf8(text), 12)
  return encodeScpReply({ sdp, result, sequence: 1, body })
}

const SCAMP = "SC&MP/SpiNNaker\x004.0.0\x00"

describe("watchVersion()", () => {
  test("tells what the board answers with once, for all its flows together", () => {
    const { flow, said } = setup()
    const [a, b] = [flow(), flow()]
    for (let i = 0; i < 5; i++) {
      a.says(ver(SCAMP))
      b.says(ver(SCAMP))
    }
    expect(said()).toEqual(["SC&MP 4.0.0 on SpiNNaker"])
  })

  test("tells when it changes: still starting, then up, then another version", () => {
    const { flow, said } = setup()
    const a = flow()
    for (let i = 0; i < 3; i++) a.says(ver(SCAMP, 0xffff))
    a.says(ver(SCAMP))
    a.says(ver("SC&MP/SpiNNaker\x003.4.1\x00"))
    expect(said()).toEqual([
      "SC&MP 4.0.0 on SpiNNaker, booting",
      "SC&MP 4.0.0 on SpiNNaker",
      "SC&MP 3.4.1 on SpiNNaker",
    ])
  })

  test("passes every datagram on as it is, also what it cannot read", () => {
    const { flow } = setup()
    const a = flow()
    const random = seededRandom(3)
    const sent = Array.from({ length: 100 }, (_, i) => (i % 3 ? randomBytes(random, i) : ver(SCAMP)))
    for (const datagram of sent) a.says(datagram)
    expect(a.got).toEqual(sent)
  })

  test("does not take memory that looks like a version, an error, or another program's text for one", () => {
    const { flow, said } = setup()
    const a = flow()
    a.says(ver("Linux/x86\x006.1\x00"))
    a.says(ver(SCAMP, 0, 0x8d))
    a.says(ver(`${"SC&MP/SpiNNaker\x004.0.0\x00".padEnd(200, "x")}`))
    expect(said()).toEqual([])
  })

  test("stops looking after 32 replies that are none, so that reads cost nothing, but a new flow is looked at", () => {
    const { flow, said } = setup()
    const a = flow()
    for (let i = 0; i < 31; i++) a.says(ver("not a version"))
    a.says(ver(SCAMP))
    expect(said()).toHaveLength(1)
    a.says(ver("not a version"))
    a.says(ver("SC&MP/SpiNNaker\x005.0.0\x00"))
    expect(said()).toHaveLength(1)
    flow().says(ver("SC&MP/SpiNNaker\x005.0.0\x00"))
    expect(said()).toHaveLength(2)
  })
})
