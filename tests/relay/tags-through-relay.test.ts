/** IP tags through server and client over real sockets: what boards send arrives as if the board were here. */
import { describe, expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import type { UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { decodeIptagRecord, IptagOp, ipToWord, wordToIp } from "../../src/protocol/iptag.ts"
import { Result } from "../../src/protocol/scp.ts"
import { SDP_PAYLOAD_OFFSET } from "../../src/protocol/sdp.ts"
import { Application } from "../support/application.ts"
import { type Chain, startChain } from "../support/chain.ts"
import { iptagRequest, Receiver, sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const TAG_MODES = [
  { name: "UDP", bootViaTcp: false, sdpViaTcp: false },
  { name: "-T", bootViaTcp: false, sdpViaTcp: true },
] as const

/** The board on an address of its own, where the system has more than one, with a program that echoes by tag 1. */
const ECHO: UdpBoardOptions = {
  booted: true,
  host: manyLoopbacks ? "127.0.0.77" : "127.0.0.1",
  programs: [parsePlacedProgram("0,0,5=echo")],
}

const tagAt = (chain: Chain, tag: number) => chain.board.board.chipAt(0, 0)!.tags.at(tag, performance.now())
const local = ipToWord("127.0.0.1")

describe.each(TAG_MODES)("over $name", (mode) => {
  test.each([
    ["a literal address", { address: local }],
    ["nobody's address, 0.0.0.0", { address: 0 }],
    ["another loopback address, of the socket that it asked with", { address: ipToWord("127.0.1.1") }],
  ])("a tag with %s leads to the program's port, from the board's", async (_, { address }) => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    const { port } = program.receiver
    expect((await program.ask({ tag: 1, address, port }))?.result).toBe(Result.OK)
    program.scp.send(sdpToEcho("hello"))
    const got = await program.receiver.next()
    expect(got?.from).toBe(`127.0.0.1:${chain.client.ports.scp}`)
    expect(got?.datagram.subarray(SDP_PAYLOAD_OFFSET)).toEqual(new TextEncoder().encode("hello"))
    const { host, txPort } = tagAt(chain, 1)
    expect(txPort).not.toBe(port)
    expect(host).toMatch(/^127\./)
  })

  test("a stripped tag brings the payload alone", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, port: program.receiver.port, strip: true })
    program.scp.send(sdpToEcho("bare"))
    expect((await program.receiver.next())?.text).toBe("bare")
  })

  test("a tag for the sender leads to the very socket that asked, and the board is asked for none", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, useSender: true, strip: true, address: local })
    program.scp.send(sdpToEcho("to you"))
    expect(await program.scp.next()).toEqual(new TextEncoder().encode("to you"))
    expect(tagAt(chain, 1).flags & 0x0400).toBe(0)
  })

  test("NEW gives a tag of the pool that works, and 255 where the pool is empty", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    const { port } = program.receiver
    const reply = await program.ask({ operation: IptagOp.new, tag: 0, port, strip: true })
    const tag = reply!.body[0]!
    expect(tag).toBeGreaterThanOrEqual(8)
    expect(tagAt(chain, tag).txPort).not.toBe(port)
  })

  test("GET shows the program its own values, and CLR frees everything", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    const { port } = program.receiver
    await program.ask({ tag: 1, port, address: local })
    await program.ask({ tag: 2, useSender: true })
    const records = await program.ask({ operation: IptagOp.get, tag: 0 }, 3)
    const [free, first, second] = [0, 32, 64].map((at) => decodeIptagRecord(records!.body.subarray(at))!)
    expect(free!.flags).toBe(0)
    expect([wordToIp(first!.address), first!.txPort]).toEqual(["127.0.0.1", port])
    expect(`${wordToIp(second!.address)}:${second!.txPort}`).toBe(program.scp.address)
    expect(second!.flags & 0x0400).toBe(0x0400)
    expect((await program.ask({ operation: IptagOp.clear, tag: 1 }))?.result).toBe(Result.OK)
    expect(tagAt(chain, 1).flags).toBe(0)
    expect((await program.ask({ operation: IptagOp.clear, tag: 2 }))?.result).toBe(Result.OK)
    expect(tagAt(chain, 2).flags).toBe(0)
  })

  test("of two programs with one tag number the later has it, and the log says whose it was", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using first = await TagProgram.open(chain.client.ports.scp)
    using second = await TagProgram.open(chain.client.ports.scp)
    await first.ask({ tag: 1, port: first.receiver.port, strip: true })
    await second.ask({ tag: 1, port: second.receiver.port, strip: true })
    first.scp.send(sdpToEcho("whose?"))
    expect((await second.receiver.next())?.text).toBe("whose?")
    expect(first.receiver.all).toEqual([])
    const [taken] = chain.serverObserver.of("tag-taken")
    expect(taken?.from).toStartWith(first.scp.address)
    expect(taken?.by).toStartWith(second.scp.address)
  })

  test("two programs with tags of their own each get their own", async () => {
    await using chain = await startChain(mode, {
      board: {
        ...ECHO,
        programs: [
          parsePlacedProgram("0,0,6=stream:tag=1,rate=200,keys=1"),
          parsePlacedProgram("0,0,7=stream:tag=2,rate=200,keys=2"),
        ],
      },
    })
    using first = await TagProgram.open(chain.client.ports.scp)
    using second = await TagProgram.open(chain.client.ports.scp)
    await first.ask({ tag: 1, port: first.receiver.port, strip: true })
    await second.ask({ tag: 2, port: second.receiver.port, strip: true })
    await until(() => first.receiver.all.length > 20 && second.receiver.all.length > 20, "both streams")
    expect(new Set(first.receiver.all.map(({ datagram }) => datagram[0]))).toEqual(new Set([1]))
    expect(new Set(second.receiver.all.map(({ datagram }) => datagram[0]))).toEqual(new Set([2]))
  })

  test("a program that goes away leaves no tag at the board and no port behind", async () => {
    await using chain = await startChain(mode, {
      board: ECHO,
      change: { limits: { maxFlows: 16, idleTimeoutMs: 300 } },
    })
    const program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, port: program.receiver.port })
    await program.ask({ tag: 4, port: 5, timeoutCode: 0 })
    program[Symbol.dispose]()
    await until(() => tagAt(chain, 1).flags === 0 && tagAt(chain, 4).flags === 0, "the tags to go")
    await until(() => chain.server.counts.flows === 0 && chain.client.counts.flows === 0, "the flows to go")
  })

  test("a quiet program that is still there keeps its tag beyond the idle time", async () => {
    await using chain = await startChain(mode, {
      board: ECHO,
      change: { limits: { maxFlows: 16, idleTimeoutMs: 100 } },
    })
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, port: program.receiver.port, strip: true })
    // A program without a tag, as quiet: when its flow is over, the idle time was over for the other too.
    using witness = await TagProgram.open(chain.client.ports.scp)
    await witness.ask({ operation: IptagOp.get }, 1)
    const over = (): boolean =>
      chain.clientObserver.of("flow-closed").some(({ application }) => application === witness.scp.address)
    await until(over, "the witness's flow to end")
    expect(tagAt(chain, 1).flags & 0x8000).toBe(0x8000)
    program.scp.send(sdpToEcho("still here"))
    expect((await program.receiver.next())?.text).toBe("still here")
  })

  test.skipIf(!manyLoopbacks)("a reverse tag carries both ways, and replies follow the last sender", async () => {
    await using chain = await startChain(mode, { board: ECHO })
    using program = await TagProgram.open(chain.client.ports.scp)
    const [port] = (await freePorts(1)) as [number]
    const reply = await program.ask({ tag: 3, reverse: true, strip: true, port, destPort: (1 << 5) | 5 })
    expect(reply?.result).toBe(Result.OK)
    program.receiver.send(new TextEncoder().encode("in and out"), port)
    expect(await program.receiver.next()).toMatchObject({ text: "in and out", from: `127.0.0.1:${port}` })
    using another = await Receiver.open()
    another.send(new TextEncoder().encode("me too"), port)
    expect(await another.next()).toMatchObject({ text: "me too", from: `127.0.0.1:${port}` })
    await program.ask({ operation: IptagOp.clear, tag: 3 })
    using free = await Receiver.open(port)
    expect(free.port).toBe(port)
  })

  test.skipIf(!manyLoopbacks)(
    "a reverse tag whose port is taken here is refused, and the board never hears of it",
    async () => {
      await using chain = await startChain(mode, { board: ECHO })
      using program = await TagProgram.open(chain.client.ports.scp)
      const reply = await program.ask({ tag: 3, reverse: true, port: program.receiver.port })
      expect(reply?.result).toBe(Result.ARG)
      expect(tagAt(chain, 3).flags).toBe(0)
      expect(chain.clientObserver.of("reverse-port-taken")).toMatchObject([{ port: program.receiver.port }])
    },
  )
})

test("a program pointed straight at the server gets what it asked for at its own address only", async () => {
  await using chain = await startChain(TAG_MODES[0], { board: ECHO })
  using program = await TagProgram.open(chain.server.ports.scp)
  const { port } = program.receiver
  await program.ask({ tag: 1, port, strip: true, address: ipToWord("192.0.2.99") })
  program.scp.send(sdpToEcho("straight"))
  expect(await program.receiver.next()).toMatchObject({ text: "straight", from: `127.0.0.1:${chain.server.ports.scp}` })
})

test.skipIf(!manyLoopbacks)("a program pointed straight at the server can use reverse tags there", async () => {
  await using chain = await startChain(TAG_MODES[0], { board: ECHO })
  using program = await TagProgram.open(chain.server.ports.scp)
  const [port] = (await freePorts(1)) as [number]
  const reply = await program.ask({ tag: 3, reverse: true, strip: true, port, destPort: (1 << 5) | 5 })
  expect(reply?.result).toBe(Result.OK)
  program.receiver.send(new TextEncoder().encode("round"), port)
  expect(await program.receiver.next()).toMatchObject({ text: "round", from: `127.0.0.1:${port}` })
})

test("one connection stands beside UDP flows from the start, for tags and the server's news", async () => {
  await using chain = await startChain(TAG_MODES[0], { board: ECHO })
  await until(() => chain.server.counts.peers === 1, "the connection")
  using program = await Application.open(chain.client.ports.scp)
  program.send(iptagRequest(1, { operation: IptagOp.get }, 1))
  expect(await program.next()).toBeDefined()
  expect(chain.server.counts.peers).toBe(1)
  expect(chain.clientObserver.of("tags-not-passing")).toEqual([])
})
