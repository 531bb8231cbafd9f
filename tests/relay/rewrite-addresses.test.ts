import { describe, expect, test } from "bun:test"
import { Command, encodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../../src/protocol/scp.ts"
import {
  AddressMap,
  addressPieces,
  IP_ADDRESS_AT,
  MAX_ADDRESSES,
  rewriteAddresses,
  translateReply,
} from "../../src/relay/rewrite-addresses.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { integer, mutate, randomBytes } from "../support/fuzz.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { scpRequest } from "../support/scp-requests.ts"

const [SV_IP, SV_IP_ALIAS] = IP_ADDRESS_AT
const REAL = [192, 168, 240, 9]
const LOCAL = [127, 0, 0, 2]

function boards(): AddressMap {
  const map = new AddressMap()
  map.set("192.168.240.1", "127.0.0.1")
  map.set(REAL.join("."), LOCAL.join("."))
  return map
}

const sdp = { flags: 7, tag: 8, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 0, destX: 0, destY: 0, srcX: 0, srcY: 0 }
const read = (address: number, length: number, sequence = 1, command: number = Command.READ) =>
  scpRequest({ sequence, command, arg1: address, arg2: length, arg3: 0 })
const info = (sequence = 1) => scpRequest({ sequence, command: Command.INFO })
const replyWith = (body: readonly number[], sequence = 1, result: number = Result.OK) =>
  encodeScpReply({ sdp, result, sequence, body: Uint8Array.from(body) })

function translated(request: Uint8Array, body: readonly number[], unknown: string[] = []): number[] {
  const pieces = addressPieces(request) ?? []
  const reply = translateReply(replyWith(body), pieces, boards(), (address) => unknown.push(address))
  return [...reply.subarray(SCP_REPLY_BODY_OFFSET)]
}

const zeros = (length: number): number[] => new Array(length).fill(0)

describe("addresses in replies", () => {
  test.each([
    ["sv.ip_addr alone", read(SV_IP, 4), REAL, LOCAL],
    ["sv.ip_addr at the other address of system RAM", read(SV_IP_ALIAS, 4), REAL, LOCAL],
    ["a neighbour's, read over a link", read(SV_IP, 4, 1, Command.LINK_READ), REAL, LOCAL],
    ["the end of a longer read", read(SV_IP - 3, 7), [1, 2, 3, ...REAL], [1, 2, 3, ...LOCAL]],
    ["the middle of a longer read", read(SV_IP - 1, 6), [9, ...REAL, 9], [9, ...LOCAL, 9]],
    ["a read that begins in it and tells one board from the others", read(SV_IP + 2, 4), [240, 9, 5, 5], [0, 2, 5, 5]],
    ["a read of its last octet", read(SV_IP + 3, 1), [9], [2]],
    ["a read that ends in it and could be any board's", read(SV_IP - 1, 3), [5, 192, 168], [5, 192, 168]],
    ["a read just before it", read(SV_IP - 4, 4), REAL, REAL],
    ["a read just after it", read(SV_IP + 4, 4), REAL, REAL],
    ["the same bytes elsewhere", read(0x6000_0000, 4), REAL, REAL],
    ["a chip without Ethernet", read(SV_IP, 4), zeros(4), zeros(4)],
    ["INFO", info(), [...zeros(32), ...REAL], [...zeros(32), ...LOCAL]],
    ["INFO of SC&MP 4", info(), [...zeros(32), ...REAL, 3, 0], [...zeros(32), ...LOCAL, 3, 0]],
    ["an INFO reply cut short", info(), [...zeros(32), 192, 168], [...zeros(32), 192, 168]],
    ["VER", scpRequest({ sequence: 1 }), [...zeros(32), ...REAL], [...zeros(32), ...REAL]],
  ])("%s", (_what, request, body, expected) => {
    expect(translated(request, body)).toEqual(expected)
  })

  test("a board that has no address here is told of, with its address as it is", () => {
    const unknown: string[] = []
    expect(translated(info(), [...zeros(32), 192, 168, 240, 17], unknown).slice(32)).toEqual([192, 168, 240, 17])
    expect(translated(read(SV_IP, 4), zeros(4), unknown)).toEqual(zeros(4))
    expect(unknown).toEqual(["192.168.240.17"])
  })

  test("are remembered for a bounded number of boards, whatever a server tells", () => {
    const map = boards()
    for (let index = 0; index < 1_000; index++) map.set(`10.0.${index >> 8}.${index & 255}`, "127.0.0.3")
    expect(map.size).toBe(MAX_ADDRESSES)
    expect(map.translate(Uint8Array.from(REAL), 0)).toBe(true)
  })

  test("a request that is cut short is looked at no further", () => {
    for (let length = 0; length < 26; length++) expect(addressPieces(info().subarray(0, length))).toBeUndefined()
  })

  test("never change a reply's length, or anything but the four octets, whatever is asked and answered", () => {
    const random = seededRandom(5)
    for (let round = 0; round < 3_000; round++) {
      const near = SV_IP + integer(random, -8, 8)
      const request = mutate(random, random() < 0.3 ? info() : read(near, integer(random, 0, 16)))
      const body = [...randomBytes(random, integer(random, 0, 20)), ...REAL, ...randomBytes(random, 20)]
      const reply = random() < 0.5 ? replyWith(body) : randomBytes(random, integer(random, 0, 60))
      const before = new Uint8Array(reply)
      const after = translateReply(reply, addressPieces(request) ?? [], boards())
      expect(reply).toEqual(before)
      expect(after.length).toBe(before.length)
      const changed = [...after.keys()].filter((index) => after[index] !== before[index])
      expect(changed.length === 0 || changed.at(-1)! - changed[0]! < 4).toBe(true)
    }
  })
})

describe("rewriteAddresses()", () => {
  function flow(map = boards()) {
    const clock = new FakeClock()
    const drops = new RecordingObserver()
    const [near, board] = memoryPair({ clock, random: seededRandom(1), drops }, { first: "program", second: "board" })
    const flowOf = { id: 1, owner: "127.0.0.1", application: "127.0.0.1:4000" }
    const link = rewriteAddresses(map, drops, () => {})(near, flowOf)
    const got: number[][] = []
    link.onDatagram = (datagram) => got.push([...datagram.subarray(SCP_REPLY_BODY_OFFSET)])
    const exchange = (request: Uint8Array, ...replies: Uint8Array[]) => {
      link.send(request)
      clock.advance(1)
      for (const reply of replies) board.send(reply)
      clock.advance(1)
      return got.splice(0)
    }
    board.onDatagram = () => {}
    return { exchange }
  }

  test("translates the reply to each request by its sequence number, second answers too", () => {
    const { exchange } = flow()
    expect(exchange(read(SV_IP, 4, 7), replyWith(REAL, 8), replyWith(REAL, 7), replyWith(REAL, 7))).toEqual([
      REAL,
      LOCAL,
      LOCAL,
    ])
  })

  test("forgets a request when its number is used for another", () => {
    const { exchange } = flow()
    exchange(read(SV_IP, 4, 7))
    expect(exchange(read(0x6000_0000, 4, 7), replyWith(REAL, 7))).toEqual([REAL])
  })

  test("leaves errors alone, and everything while no board has an address here", () => {
    const { exchange } = flow()
    expect(exchange(info(1), replyWith([...zeros(32), ...REAL], 1, Result.P2P_BUSY))[0]!.slice(32)).toEqual(REAL)
    const none = flow(new AddressMap())
    expect(none.exchange(read(SV_IP, 4), replyWith(REAL))).toEqual([REAL])
  })

  test("passes datagrams of any length, both ways", () => {
    const { exchange } = flow()
    exchange(info(1))
    for (let length = 0; length < 14; length++)
      expect(exchange(new Uint8Array(length), new Uint8Array(length))).toEqual([[]])
  })
})
