/** Exclusive boards in the plain modes, over real sockets: a user is an address. */
import { describe, expect, test } from "bun:test"
import { BoardCounters } from "../../src/fake-board/events.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { BootOpcode, encodeBoot } from "../../src/protocol/boot.ts"
import { ipToWord } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply } from "../../src/protocol/scp.ts"
import { LEASE_DEFAULTS } from "../../src/relay/lease-settings.ts"
import { Application } from "../support/application.ts"
import { type Chain, MODES, startChain } from "../support/chain.ts"
import { SDRAM, verRequest, writeRequest } from "../support/scp-requests.ts"
import { Receiver, sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

/** The client's programs come from 127.0.0.1; another user's program straight to the server from here. */
const OTHER = "127.0.0.2"
const lease = { ...LEASE_DEFAULTS, exclusive: true }
const local = ipToWord("127.0.0.1")
const tagAt = (chain: Chain, tag: number) => chain.board.board.chipAt(0, 0)!.tags.at(tag, performance.now())

async function start(mode: (typeof MODES)[number], change: Partial<typeof lease> = {}) {
  const counters = new BoardCounters()
  const board = {
    booted: true,
    host: "127.0.0.77",
    programs: [parsePlacedProgram("0,0,5=echo")],
    onEvent: counters.watch,
  }
  const chain = await startChain(mode, { board, change: { lease: { ...lease, ...change } } })
  return { chain, counters }
}

describe.if(manyLoopbacks)("an exclusive board in the plain modes", () => {
  test.each(MODES.filter(({ sdpViaTcp }) => !sdpViaTcp))(
    "$name: who comes second gets nothing, executes nothing and is told by whose address",
    async (mode) => {
      const { chain, counters } = await start(mode)
      await using _ = chain
      using other = await Application.open(chain.server.ports.scp, "127.0.0.1", OTHER)
      expect(await answered(other, 1)).toBe(1)
      using program = await Application.open(chain.client.ports.scp)
      const told = () => chain.clientObserver.of("board-in-use")
      // The news comes by a connection that may be a moment in coming.
      let sequence = 1
      await until(
        () => {
          program.send(writeRequest(sequence++ & 0x3fff, SDRAM, Uint8Array.of(1, 2, 3, 4)))
          return told().length > 0
        },
        "the news",
        8_000,
      )
      expect(told()).toMatchObject([{ board: "127.0.0.77", news: { state: "held", by: OTHER, waitingAhead: 0 } }])
      expect(program.received).toEqual([])
      expect(counters.count(Command.WRITE)).toBe(0)
      expect(chain.serverObserver.dropped.get("board-in-use")).toBeGreaterThan(0)
      // As a technician would, from the server.
      expect(chain.server.leases.kick(OTHER)).toEqual(["127.0.0.77"])
      await until(() => told().length === 2, "the client's turn")
      expect(told()[1]?.news).toEqual({ state: "yours" })
      program.send(writeRequest(0x5000, SDRAM, Uint8Array.of(1, 2, 3, 4)))
      // Behind what was still on its way.
      let answer: Uint8Array | undefined
      do answer = await program.next()
      while (answer && decodeScpReply(answer)?.sequence !== 0x5000)
      expect(answer).toBeDefined()
      other.send(verRequest(2))
      await until(() => chain.server.leases.snapshot()[0]?.waiting.length === 1, "the kicked one to wait")
      expect(chain.server.leases.snapshot()).toMatchObject([{ state: "held", user: "127.0.0.1", waiting: [OTHER] }])
    },
  )

  test("-T: a boot holds the board too, and who comes by a connection is told on it", async () => {
    const { chain, counters } = await start({ name: "-T", bootViaTcp: false, sdpViaTcp: true })
    await using _ = chain
    using other = await Application.open(chain.server.ports.boot, "127.0.0.1", OTHER)
    other.send(encodeBoot({ opcode: BootOpcode.start, op1: 0, op2: 0, op3: 0, data: new Uint8Array(0) }))
    await until(() => chain.server.leases.snapshot()[0]?.user === OTHER, "the boot")
    using program = await Application.open(chain.client.ports.scp)
    program.send(verRequest(1))
    await until(() => chain.clientObserver.of("board-in-use").length === 1, "the news")
    expect(chain.clientObserver.of("board-in-use")[0]?.news).toMatchObject({ state: "held", by: OTHER })
    expect([program.received.length, counters.count(Command.VER)]).toEqual([0, 0])
  })

  test.each(MODES.filter(({ bootViaTcp, sdpViaTcp }) => bootViaTcp === sdpViaTcp))(
    "$name: at a release the holder's tags are cleared at the board and his reverse ports closed",
    async (mode) => {
      const { chain } = await start(mode)
      await using _ = chain
      using program = await TagProgram.open(chain.client.ports.scp)
      const { receiver } = program
      const rxPort = await freePort()
      await program.ask({ tag: 1, address: local, port: receiver.port, strip: true })
      await program.ask({ tag: 2, reverse: true, port: rxPort, destPort: (1 << 5) | 5 })
      program.scp.send(sdpToEcho("mine"))
      expect((await receiver.next())?.text).toBe("mine")
      expect(tagAt(chain, 2).flags).not.toBe(0)
      expect(await canBind(rxPort)).toBe(false)
      expect(chain.server.leases.kick("127.0.0.1")).toEqual(["127.0.0.77"])
      await until(() => [1, 2].every((tag) => tagAt(chain, tag).flags === 0), "the board to forget the tags")
      await untilFree(rxPort)
      expect(chain.serverObserver.of("internal-error")).toEqual([])
    },
  )

  test("a client that is ended lets go of the board at once", async () => {
    const { chain } = await start({ name: "-t -T", bootViaTcp: true, sdpViaTcp: true })
    await using _ = chain
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, address: local, port: program.receiver.port })
    expect(chain.server.leases.snapshot()).toMatchObject([{ state: "held", user: "127.0.0.1" }])
    chain.client.close()
    await until(() => chain.server.leases.snapshot()[0]?.state === "free", "the release")
    expect(chain.serverObserver.of("lease-released")).toMatchObject([{ cause: "left" }])
    await until(() => tagAt(chain, 1).flags === 0, "the board to forget the tag")
  })

  test("a server that ends releases nothing", async () => {
    const { chain } = await start({ name: "-t -T", bootViaTcp: true, sdpViaTcp: true })
    await using _ = chain
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, address: local, port: program.receiver.port })
    chain.server.close()
    expect(chain.serverObserver.of("lease-released")).toEqual([])
  })

  test("without --exclusive two users share it, and there is nothing to tell", async () => {
    const chain = await startChain(MODES[0], { board: { booted: true, host: "127.0.0.77" } })
    await using _ = chain
    using other = await Application.open(chain.server.ports.scp, "127.0.0.1", OTHER)
    using program = await Application.open(chain.client.ports.scp)
    for (const [sequence, each] of [other, program, other, program].entries()) {
      expect(await answered(each, sequence)).toBe(sequence)
    }
    expect(chain.server.leases.snapshot()).toEqual([])
  })
})

/** The sequence number of the answer to a request, asked again as programs do: a busy machine loses datagrams. */
async function answered(program: Application, sequence: number): Promise<number | undefined> {
  for (let tries = 0; tries < 5; tries++) {
    program.send(verRequest(sequence))
    for (let answer = await program.next(500); answer; answer = await program.next(500)) {
      if (decodeScpReply(answer)?.sequence === sequence) return sequence
    }
  }
  return undefined
}

async function freePort(): Promise<number> {
  using receiver = await Receiver.open()
  return receiver.port
}

/** Resolves once the port is nobody's. */
async function untilFree(port: number): Promise<void> {
  let free = false
  let asking = false
  const ask = async (): Promise<void> => {
    asking = true
    free = await canBind(port)
    asking = false
  }
  await until(() => {
    if (!asking) void ask()
    return free
  }, `UDP port ${port} to be free`)
}

async function canBind(port: number): Promise<boolean> {
  try {
    using _ = await Receiver.open(port)
    return true
  } catch {
    return false
  }
}
