import { describe, expect, test } from "bun:test"
import { HELLO, HELLO_PERIOD_MS } from "../../src/fake-board/board.ts"
import { imageDigest } from "../../src/fake-board/boot-rom.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { Command, decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"
import { APPLICATION, IMAGE, setUpBoard } from "./board-harness.ts"

describe("a boot", () => {
  test("ends with the image's digest, then silence, then 255,255, then the real chip", () => {
    const { clock, events, board, ask, boot } = setUpBoard({ silentMs: 800, bootingMs: 1500 })
    expect(ask(Command.VER)).toEqual([])
    boot()
    expect(events.find((event) => event.type === "booted")).toMatchObject({
      image: { digest: imageDigest(IMAGE), blocks: 3 },
    })
    expect(board.image?.bytes).toEqual(IMAGE)
    clock.advance(789)
    expect(ask(Command.VER)).toEqual([])
    clock.advance(1)
    expect(decodeVersion(ask(Command.VER)[0]!)).toMatchObject({ x: 255, y: 255, name: "SC&MP" })
    clock.advance(1499)
    expect(decodeVersion(ask(Command.VER)[0]!)).toMatchObject({ x: 255, y: 255 })
    clock.advance(1)
    expect(decodeVersion(ask(Command.VER)[0]!)).toMatchObject({ x: 0, y: 0, version: "3.4.1", hardware: "SpiNNaker" })
    expect(board.counters.count(Command.VER)).toBe(3)
  })

  test("cannot happen twice without a power cycle", () => {
    const { clock, events, board, boot } = setUpBoard()
    boot()
    clock.advance(5000)
    boot()
    expect(board.counters.images).toBe(1)
    expect(events.filter((event) => event.type === "boot-ignored" && event.why === "running")).toHaveLength(5)
    board.powerCycle()
    expect(board.phase).toBe("rom")
    boot()
    expect(board.counters.images).toBe(2)
  })

  test("misses the datagrams that come sooner than the gap after the last one taken", () => {
    const { clock, board } = setUpBoard({ bootGapMs: 5 })
    for (const datagram of encodeBootImage(IMAGE)) {
      board.receive(board.boot, APPLICATION, datagram)
      clock.advance(2)
    }
    // START at 0 taken, 2 and 4 missed, 6 taken (block 2), 8 missed.
    expect(board.counters.lost.get("boot-gap")).toBe(3)
    for (const datagram of encodeBootImage(IMAGE)) {
      clock.advance(5)
      board.receive(board.boot, APPLICATION, datagram)
    }
    expect(board.image?.digest).toBe(imageDigest(IMAGE))
  })

  test("loses exactly the listed datagrams, counted from 1", () => {
    const { board, events, boot } = setUpBoard({ faults: { boot: { dropList: [2, 4] } } })
    boot()
    expect(events.filter((event) => event.type === "boot-incomplete")).toMatchObject([{ missing: [0, 2] }])
    boot()
    expect(board.image?.digest).toBe(imageDigest(IMAGE))
  })
})

describe("hellos", () => {
  test("go to everybody until a host is known, then to it, and stop once booted", () => {
    const { clock, sent, board, boot } = setUpBoard()
    clock.advance(HELLO_PERIOD_MS)
    expect(sent).toMatchObject([{ from: board.boot, to: { host: "127.255.255.255", port: 54321 }, datagram: HELLO }])
    board.receive(board.boot, { host: "127.0.0.9", port: 5 }, encodeBootImage(IMAGE)[0]!)
    clock.advance(HELLO_PERIOD_MS)
    expect(sent[1]).toMatchObject({ to: { host: "127.0.0.9", port: 54321 }, datagram: HELLO })
    boot()
    clock.advance(10 * HELLO_PERIOD_MS)
    expect(sent).toHaveLength(2)
  })

  test("are the bytes of the capture", () => {
    expect(Buffer.from(HELLO).toString("hex")).toBe("000100000041020100000000000043505453")
  })

  test("can be left out", () => {
    const { clock, sent, board } = setUpBoard({ helloBroadcast: undefined })
    board.receive(board.boot, APPLICATION, encodeBootImage(IMAGE)[0]!)
    clock.advance(3 * HELLO_PERIOD_MS)
    expect(sent).toEqual([])
  })
})

describe("memory commands", () => {
  test("read back what was written, across page ends", () => {
    const { ask } = setUpBoard({ booted: true })
    const data = Uint8Array.from({ length: 256 }, (_, index) => index)
    expect(ask(Command.WRITE, [0x60640f80, 256, 2], { data })).toMatchObject([
      { result: Result.OK, body: new Uint8Array(0) },
    ])
    expect(ask(Command.READ, [0x60640f80, 256, 2])[0]?.body).toEqual(data)
    expect(ask(Command.READ, [0x60640f7c, 8, 0])[0]?.body).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 1, 2, 3))
  })

  test("show system RAM at both of its addresses", () => {
    const { ask } = setUpBoard({ booted: true })
    ask(Command.WRITE, [0xe5000100, 4, 2], { data: Uint8Array.of(1, 2, 3, 4) })
    expect(ask(Command.READ, [0xf5000100, 4, 2])[0]?.body).toEqual(Uint8Array.of(1, 2, 3, 4))
  })

  test("move whole units only and round addresses down to them", () => {
    const { ask } = setUpBoard({ booted: true })
    ask(Command.WRITE, [0x60000000, 8, 0], { data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })
    expect(ask(Command.READ, [0x60000000, 7, 2])[0]?.body).toEqual(Uint8Array.of(1, 2, 3, 4, 0, 0, 0))
    expect(ask(Command.READ, [0x60000003, 4, 1])[0]?.body).toEqual(Uint8Array.of(3, 4, 5, 6))
    expect(ask(Command.READ, [0x60000003, 3, 0])[0]?.body).toEqual(Uint8Array.of(4, 5, 6))
  })

  test("fill with a word", () => {
    const { ask } = setUpBoard({ booted: true })
    expect(ask(Command.FILL, [0x60000ffc, 0x04030201, 8])).toMatchObject([{ result: Result.OK }])
    expect(ask(Command.READ, [0x60000ff8, 16, 0])[0]?.body).toEqual(
      Uint8Array.of(0, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0, 0),
    )
  })

  test.each([
    ["READ of 257 bytes", Command.READ, [0x60000000, 257, 0], Result.ARG],
    ["READ of type 3", Command.READ, [0x60000000, 4, 3], Result.ARG],
    ["WRITE of 257 bytes", Command.WRITE, [0x60000000, 257, 0], Result.ARG],
    ["WRITE of type 4", Command.WRITE, [0x60000000, 4, 4], Result.ARG],
    ["an unknown command", 99, [], Result.CMD],
    ["RUN, which is obsolete", Command.RUN, [0], Result.CMD],
  ] as const)("answer %s with its error and nothing else", (_what, command, args, result) => {
    const { ask } = setUpBoard({ booted: true })
    expect(ask(command, args)).toMatchObject([{ result, body: new Uint8Array(0) }])
  })
})

describe("replies", () => {
  test("are the request turned round, with the tag lent, cut after the command's own fields", () => {
    const { sent, board } = setUpBoard({ booted: true })
    const request = Buffer.from("000087ff00ffffffffff00000700000000000000000000000000", "hex")
    board.receive(board.scp, APPLICATION, request)
    expect(sent).toMatchObject([{ from: board.scp, to: APPLICATION }])
    expect(Buffer.from(sent[0]!.datagram).toString("hex")).toBe(
      "00000708ff00000000008000070000000000" + "0001ffffc046bb5b5343264d502f5370694e4e616b657200332e342e3100",
    )
  })

  test("are not sent where none is wanted, though the command runs", () => {
    const { ask } = setUpBoard({ booted: true })
    expect(ask(Command.WRITE, [0x60000000, 1, 0], { data: Uint8Array.of(7), flags: 0x07 })).toEqual([])
    expect(ask(Command.READ, [0x60000000, 1, 0])[0]?.body).toEqual(Uint8Array.of(7))
  })

  test.each([
    ["a core that is not there", { cpu: 18 }, Result.CPU],
    ["a port that the monitor does not have", { port: 1 }, Result.PORT],
    ["a chip that is not there", { x: 99, y: 7 }, Result.ROUTE],
  ])("name the error for %s", (_what, dest, result) => {
    const { ask } = setUpBoard({ booted: true })
    expect(ask(Command.VER, [], { dest })).toMatchObject([{ result, body: new Uint8Array(0) }])
  })

  test("say LEN for a request without its arguments, and nothing for 283 bytes", () => {
    const { sent, board } = setUpBoard({ booted: true })
    const request = (bytes: number): Uint8Array => {
      const datagram = new Uint8Array(bytes)
      datagram.set([0, 0, 0x87, 0xff, 0, 0xff, 255, 255, 0, 0, 0, 0, 5, 0])
      return datagram
    }
    board.receive(board.scp, APPLICATION, request(25))
    expect(decodeScpReply(sent[0]!.datagram)).toMatchObject({ result: Result.LEN, sequence: 5 })
    board.receive(board.scp, APPLICATION, request(282))
    expect(sent).toHaveLength(2)
    board.receive(board.scp, APPLICATION, request(283))
    expect(sent).toHaveLength(2)
    expect(board.counters.lost.get("length")).toBe(1)
  })

  test("need a free transient tag: eight requests that nobody answers leave the ninth without one, for 2.56 s", () => {
    const { clock, ask, board } = setUpBoard({ booted: true })
    // A reply that no host byte asks for is never produced, and keeps its tag.
    const lend = (): void => {
      const datagram = new Uint8Array(26)
      datagram.set([0, 0, 0x87, 0xff, 0, 0x21, 255, 255])
      board.receive(board.scp, APPLICATION, datagram)
    }
    for (let round = 0; round < 8; round++) lend()
    expect(ask(Command.VER)).toEqual([])
    expect(board.counters.lost.get("no-tag")).toBe(1)
    clock.advance(2559)
    expect(ask(Command.VER)).toEqual([])
    clock.advance(1)
    expect(ask(Command.VER)).toMatchObject([{ result: Result.OK }])
  })
})

describe("faults", () => {
  test("lose, double and delay the same datagrams for the same seed", () => {
    const run = (seed: number): string => {
      const faults = { scp: { drop: 0.3, duplicate: 0.3, jitterMs: 20, delayMs: 5 }, reply: { drop: 0.2 } }
      const { clock, sent, ask } = setUpBoard({ booted: true, seed, faults })
      for (let round = 0; round < 100; round++) {
        ask(Command.VER)
        clock.advance(1)
      }
      clock.advance(100)
      return sent.map(({ datagram }) => datagram[12]).join()
    }
    expect(run(7)).toBe(run(7))
    expect(run(7)).not.toBe(run(8))
    const order = run(7).split(",").map(Number)
    expect(order.length).toBeGreaterThan(50)
    expect(order).not.toEqual(order.toSorted((a, b) => a - b))
  })

  test("on replies let the command run", () => {
    const { ask, board } = setUpBoard({ booted: true, faults: { reply: { drop: 1 } } })
    expect(ask(Command.VER)).toEqual([])
    expect(board.counters.count(Command.VER)).toBe(1)
  })

  test("of SCP leave boot alone", () => {
    const { board, boot } = setUpBoard({ faults: { scp: { drop: 1 } } })
    boot()
    expect(board.counters.images).toBe(1)
  })
})
