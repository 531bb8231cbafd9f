import { describe, expect, test } from "bun:test"
import { Command, decodeScpRequest, encodeScpReply, Result, type ScpRequest } from "../../src/protocol/scp.ts"
import { MAX_BOARDS } from "../../src/relay/board-list.ts"
import { ANSWER_MS, ethernetPlaces, findBoards, TRIES } from "../../src/relay/find-boards.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { integer, randomBytes } from "../support/fuzz.ts"
import { eventLoopTurn } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const sdp = { flags: 7, tag: 8, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 0, destX: 0, destY: 0, srcX: 0, srcY: 0 }

type Answer = { result?: number; body?: readonly number[] } | "silence" | Uint8Array

/** The body of INFO of a chip with Ethernet up at that address. */
const info = (address: string, up = true) => [
  ...[0, 0, 0, up ? 2 : 0],
  ...new Array(28).fill(0),
  ...address.split(".").map(Number),
]

/** Asks a machine that answers so; resolves with what was found and how often it was asked. */
async function find(answer: (request: ScpRequest, count: number) => Answer) {
  const clock = new FakeClock()
  const context = { clock, random: seededRandom(1), drops: new RecordingObserver() }
  const [near, board] = memoryPair(context, { first: "relay", second: "board" })
  const asked: ScpRequest[] = []
  const closes: string[] = []
  board.onClose = ({ code }) => closes.push(code)
  board.onDatagram = (datagram) => {
    const request = decodeScpRequest(datagram)!
    asked.push(request)
    const said = answer(request, asked.length)
    if (said === "silence") return
    if (said instanceof Uint8Array) {
      board.send(said)
      return
    }
    const { result = Result.OK, body = [] } = said
    board.send(encodeScpReply({ sdp, result, sequence: request.sequence, body: Uint8Array.from(body) }))
  }
  let found: string[] | undefined
  let done = false
  const finding = findBoards(near, clock).then((boards) => {
    found = boards
    done = true
  })
  const begun = clock.now()
  while (!done && clock.now() - begun < 200 * ANSWER_MS) {
    clock.advance(50)
    await eventLoopTurn()
  }
  await finding
  clock.advance(1)
  return { found, asked, closes, ms: clock.now() - begun }
}

describe("ethernetPlaces()", () => {
  test.each([
    [2, 2, [[0, 0]]],
    [8, 8, [[0, 0]]],
    [
      12,
      12,
      [
        [0, 0],
        [8, 4],
        [4, 8],
      ],
    ],
  ])("of a machine of %i x %i chips", (width, height, places) => {
    expect(ethernetPlaces(width, height).map(({ x, y }) => [x, y])).toEqual(places)
  })

  test("of big machines are as many as can be served", () => {
    expect(ethernetPlaces(24, 12)).toHaveLength(6)
    expect(ethernetPlaces(255, 255)).toHaveLength(MAX_BOARDS)
  })
})

describe("findBoards()", () => {
  const triad = ({ command, sdp: { destX } }: ScpRequest): Answer => {
    if (command === Command.READ) return { body: [12, 12] }
    return { body: info(`192.0.2.${1 + 8 * [0, 8, 4].indexOf(destX)}`) }
  }

  test("tells the addresses of a machine's boards, and closes its link", async () => {
    const { found, asked, closes } = await find(triad)
    expect(found).toEqual(["192.0.2.1", "192.0.2.9", "192.0.2.17"])
    expect(asked).toHaveLength(4)
    expect(closes).toEqual(["peer-closed"])
  })

  test("asks again where an answer is lost", async () => {
    const { found, asked } = await find((request, count) => (count % 2 ? "silence" : triad(request)))
    expect(found).toHaveLength(3)
    expect(asked).toHaveLength(8)
  })

  test("leaves out boards that are dead, dark or without an address", async () => {
    const { found } = await find((request) => {
      if (request.sdp.destX === 8) return { result: Result.P2P_NOREPLY }
      if (request.sdp.destX === 4) return { body: info("192.0.2.17", false) }
      return triad(request)
    })
    expect(found).toEqual(["192.0.2.1"])
    const bare = await find((request) => {
      return request.command === Command.INFO && request.sdp.destX > 0 ? { body: info("0.0.0.0") } : triad(request)
    })
    expect(bare.found).toEqual(["192.0.2.1"])
  })

  test("knows nothing of a board that is silent, still starting, or answers with an error", async () => {
    const silent = await find(() => "silence")
    expect([silent.found, silent.asked.length]).toEqual([undefined, TRIES])
    expect(silent.ms).toBeLessThan((TRIES + 1) * ANSWER_MS)
    expect((await find(() => ({ body: [0, 0] }))).found).toBeUndefined()
    expect((await find(() => ({ result: Result.CMD }))).found).toBeUndefined()
  })

  test("never throws, whatever is answered", async () => {
    const random = seededRandom(9)
    for (let round = 0; round < 40; round++) {
      await find((request) =>
        random() < 0.5
          ? randomBytes(random, integer(random, 0, 60))
          : { body: [...randomBytes(random, 40)].slice(request.sequence % 40) },
      )
    }
  })
})
