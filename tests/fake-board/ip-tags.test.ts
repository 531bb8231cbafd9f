import { describe, expect, test } from "bun:test"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import {
  decodeIptagRecord,
  encodeIptagRequest,
  IptagOp,
  type IptagRecord,
  type IptagRequest,
  ipToWord,
} from "../../src/protocol/iptag.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { APPLICATION, type AskOptions, setUpBoard, words } from "./board-harness.ts"

const PROGRAM = parsePlacedProgram("0,0,5=echo")
/** Asks the echo program on core 5, port 1, for its payload back. */
const TO_ECHO: AskOptions = { flags: 0x07, dest: { x: 0, y: 0, cpu: 5, port: 1 } }

function setUp() {
  const listening = new Map<string, number[]>()
  const harness = setUpBoard({
    booted: true,
    programs: [PROGRAM],
    listen: (host, ports) => listening.set(host, [...ports]),
  })
  const tag = (request: Partial<IptagRequest>, more: AskOptions = {}) => {
    const { arg1, arg2, arg3 } = encodeIptagRequest({
      operation: IptagOp.set,
      tag: 1,
      timeoutCode: 0,
      strip: false,
      reverse: false,
      useSender: false,
      port: 0,
      address: 0,
      destAddress: 0,
      destPort: 0,
      ...request,
    })
    return harness.ask(Command.IPTAG, [arg1, arg2, arg3], more)[0]
  }
  const get = (number: number): IptagRecord =>
    decodeIptagRecord(harness.ask(Command.IPTAG, [(IptagOp.get << 16) | number, 1])[0]!.body)!
  return { ...harness, tag, get, listening }
}

describe("IPTAG SET", () => {
  test("with an address and port leads there", () => {
    const { tag, get, ask, sent } = setUp()
    expect(words(tag({ tag: 2, address: ipToWord("192.0.2.7"), port: 5000 }))).toEqual([2])
    expect(get(2)).toMatchObject({ address: ipToWord("192.0.2.7"), txPort: 5000, flags: 0x8000, count: 0 })
    ask(0x1234, [], { ...TO_ECHO, tag: 2 })
    expect(sent.at(-1)).toMatchObject({ to: { host: "192.0.2.7", port: 5000 }, from: { port: 17893 } })
    expect(get(2).count).toBe(1)
  })

  test("with address 0 means whoever sent it, with the port as given, even 0", () => {
    const { tag, get } = setUp()
    tag({ tag: 2, port: 777 })
    expect(get(2)).toMatchObject({ address: ipToWord(APPLICATION.host), txPort: 777 })
    tag({ tag: 2 })
    expect(get(2)).toMatchObject({ address: ipToWord(APPLICATION.host), txPort: 0 })
  })

  test("with USE_SENDER means exactly the socket that asks, through any NAT", () => {
    const { tag, get } = setUp()
    const from = { host: "198.51.100.9", port: 61_234 }
    tag({ tag: 3, useSender: true, port: 1 }, { from })
    expect(get(3)).toMatchObject({ address: ipToWord(from.host), txPort: from.port, flags: 0x8400 })
    tag({ tag: 3, useSender: true, port: 1, address: ipToWord("192.0.2.1") }, { from })
    expect(get(3)).toMatchObject({ address: ipToWord("192.0.2.1"), txPort: from.port })
  })

  test("executed on another chip than the one it came in at does not know the sender's address", () => {
    const { tag, ask } = setUp()
    tag({ tag: 4, port: 9 }, { dest: { x: 1, y: 0 } })
    const there = ask(Command.IPTAG, [(IptagOp.get << 16) | 4, 1], { dest: { x: 1, y: 0 } })[0]!
    expect(decodeIptagRecord(there.body)).toMatchObject({ address: 0, flags: 0x2000 })
    const here = ask(Command.IPTAG, [(IptagOp.get << 16) | 4, 1])[0]!
    expect(decodeIptagRecord(here.body)).toMatchObject({ flags: 0 })
  })

  test("STRIP sends the payload alone", () => {
    const { tag, ask, sent } = setUp()
    tag({ tag: 2, port: 5000, strip: true })
    ask(0xbeef, [1, 2, 3], { ...TO_ECHO, tag: 2, data: Uint8Array.of(9) })
    expect(Buffer.from(sent.at(-1)!.datagram.subarray(0, 2)).toString("hex")).toBe("efbe")
    expect(sent.at(-1)!.datagram).toHaveLength(17)
  })

  test.each([1, 5, 9])("gives a tag with code %i a life of 10 ms times two to the code less one", (timeoutCode) => {
    const { tag, get, clock } = setUp()
    const lifeMs = 10 * 2 ** (timeoutCode - 1)
    tag({ tag: 2, port: 5, timeoutCode })
    clock.advance(lifeMs - 1)
    expect(get(2).flags & 0x8000).toBe(0x8000)
    clock.advance(1)
    expect(get(2).flags).toBe(0)
  })

  test("refuses tags from 16 on and unknown operations", () => {
    const { tag } = setUp()
    expect(tag({ tag: 16 })?.result).toBe(Result.ARG)
    expect(tag({ operation: 5 })?.result).toBe(Result.ARG)
  })
})

describe("IPTAG NEW", () => {
  test("takes free pool entries and answers 255 when there are none", () => {
    const { tag } = setUp()
    const numbers = Array.from({ length: 8 }, () => words(tag({ operation: IptagOp.new, port: 1 }))[0])
    // The request itself borrows entry 8 each time.
    expect(numbers).toEqual([9, 10, 11, 12, 13, 14, 15, 255])
  })
})

describe("IPTAG GET, CLR and TTO", () => {
  test("GET gives up to eight records and refuses nine", () => {
    const { ask } = setUp()
    expect(ask(Command.IPTAG, [IptagOp.get << 16, 8])[0]?.body).toHaveLength(256)
    expect(ask(Command.IPTAG, [IptagOp.get << 16, 9])[0]?.result).toBe(Result.ARG)
    expect(ask(Command.IPTAG, [(IptagOp.get << 16) | 15, 4])[0]?.body).toHaveLength(128)
  })

  test("CLR frees the tag and leaves the rest of the record to be seen", () => {
    const { tag, get, ask, sent } = setUp()
    tag({ tag: 2, port: 5000 })
    tag({ tag: 2, operation: IptagOp.clear })
    expect(get(2)).toMatchObject({ flags: 0, txPort: 5000 })
    const before = sent.length
    ask(0, [], { ...TO_ECHO, tag: 2 })
    expect(sent).toHaveLength(before)
  })

  test("TTO sets the life of transient tags and tells the one before", () => {
    const { clock, ask, board } = setUp()
    expect(words(ask(Command.IPTAG, [IptagOp.tto << 16, 5])[0])).toEqual([0x08082009])
    expect(words(ask(Command.IPTAG, [IptagOp.tto << 16, 255])[0])).toEqual([0x08082005])
    // A request whose answer is for a core of the chip leaves its tag lent.
    const leak = (): void =>
      void ask(Command.READ, [0x60000000, 4], { source: 0x21, dest: { x: 0, y: 0, cpu: 9, port: 2 } })
    for (let copy = 0; copy < 8; copy++) leak()
    expect(ask(Command.VER)).toEqual([])
    clock.advance(160)
    expect(ask(Command.VER)).toHaveLength(1)
    expect(board.counters.lost.get("no-tag")).toBe(1)
  })
})

describe("reverse tags", () => {
  test("listen on their port, feed a core and answer whoever sent last, from that port", () => {
    const { tag, get, board, sent, listening } = setUp()
    tag({ tag: 3, reverse: true, strip: true, port: 12_345, destAddress: 0, destPort: (1 << 5) | 5 })
    expect(get(3)).toMatchObject({ flags: 0x8300, rxPort: 12_345 })
    expect(listening.get("127.0.0.1")).toEqual([12_345])
    const at = { host: "127.0.0.1", port: 12_345 }
    for (const from of [
      { host: "127.0.0.7", port: 70 },
      { host: "127.0.0.8", port: 80 },
    ]) {
      board.receive(at, from, Uint8Array.of(1, 12, 3))
      expect(sent.at(-1)).toEqual({ from: at, to: from, datagram: Uint8Array.of(1, 12, 3) })
    }
    expect(get(3)).toMatchObject({ address: ipToWord("127.0.0.8"), txPort: 80, count: 2 })
    tag({ tag: 3, operation: IptagOp.clear })
    expect(listening.get("127.0.0.1")).toEqual([])
  })

  test("take 272 bytes and drop 273", () => {
    const { tag, board, sent } = setUp()
    tag({ tag: 3, reverse: true, port: 12_345, destPort: (1 << 5) | 5 })
    const before = sent.length
    const at = { host: "127.0.0.1", port: 12_345 }
    board.receive(at, APPLICATION, new Uint8Array(272))
    expect(sent.slice(before).map(({ datagram }) => datagram.length)).toEqual([282])
    board.receive(at, APPLICATION, new Uint8Array(273))
    expect(sent).toHaveLength(before + 1)
    expect(board.counters.lost.get("length")).toBe(1)
  })

  test("do not answer ports that no tag has", () => {
    const { board, sent } = setUp()
    board.receive({ host: "127.0.0.1", port: 4 }, APPLICATION, new Uint8Array(4))
    expect(sent).toEqual([])
    expect(board.counters.lost.get("no-listener")).toBe(1)
  })
})

describe("replies by tag", () => {
  test("go where a set tag leads if the request names it, and are dropped for one that is free or beyond 15", () => {
    const { tag, ask, sent, board } = setUp()
    tag({ tag: 2, address: ipToWord("192.0.2.7"), port: 5000 })
    ask(Command.VER, [], { tag: 2 })
    expect(sent.at(-1)?.to).toEqual({ host: "192.0.2.7", port: 5000 })
    expect(ask(Command.VER, [], { tag: 7 })).toEqual([])
    expect(ask(Command.VER, [], { tag: 16 })).toEqual([])
    expect(ask(Command.VER, [], { tag: 254 })).toEqual([])
    expect(board.counters.lost.get("bad-tag")).toBe(3)
  })

  test("free the transient tag as they leave", () => {
    const { ask, board } = setUp()
    for (let round = 0; round < 100; round++) expect(ask(Command.VER)).toHaveLength(1)
    expect(board.chipAt(0, 0)!.tags.lent(0)).toBe(0)
  })
})
