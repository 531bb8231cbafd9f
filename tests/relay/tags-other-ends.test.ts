/** IP tags where the other end is none of ours, or goes away and comes back. */
import { describe, expect, test } from "bun:test"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { Result } from "../../src/protocol/scp.ts"
import { startClient } from "../../src/relay/client.ts"
import { startServer } from "../../src/relay/server.ts"
import { startChain, testContext, testSettings } from "../support/chain.ts"
import { sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { until } from "../support/until.ts"

const BOARD = { booted: true, programs: [parsePlacedProgram("0,0,5=echo")] }

describe("a client whose server takes UDP but speaks no mux", () => {
  /** As a Python proxy in UDP mode is, seen from the client: datagrams pass as they are. */
  async function startBare() {
    const board = await UdpBoard.open({ ...BOARD, scpPort: 0, bootPort: 0, helloBroadcast: undefined })
    const context = testContext()
    const client = await startClient(testSettings({ scpTunnelPort: board.scp.port }), context)
    const program = await TagProgram.open(client.ports.scp)
    return {
      board,
      observer: context.observer,
      program,
      [Symbol.dispose]() {
        program[Symbol.dispose]()
        client.close()
        board.close()
      },
    }
  }

  test("asks the board as everything else does, and says once that tags do not pass", async () => {
    using bare = await startBare()
    expect((await bare.program.ask({ tag: 1, port: 4000 }))?.result).toBe(Result.OK)
    expect((await bare.program.ask({ tag: 2, port: 4000 }))?.result).toBe(Result.OK)
    expect(bare.board.board.chipAt(0, 0)!.tags.at(1, performance.now()).txPort).toBe(4000)
    expect(bare.observer.of("tags-not-passing")).toHaveLength(1)
    expect(bare.observer.of("connect-failed")).toEqual([])
  })

  test("does so too where something takes the connection and says nothing", async () => {
    using bare = await startBare()
    const { port } = bare.board.scp
    const silent = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } })
    try {
      expect((await bare.program.ask({ tag: 1, port: 4000 }))?.result).toBe(Result.OK)
      expect(bare.observer.of("tags-not-passing")).toHaveLength(1)
    } finally {
      silent.stop(true)
    }
  })
})

describe.each([
  { name: "UDP", bootViaTcp: false, sdpViaTcp: false },
  { name: "-T", bootViaTcp: false, sdpViaTcp: true },
])("over $name", (mode) => {
  test("a server that restarts is given the tags again", async () => {
    await using chain = await startChain(mode, { board: BOARD })
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, port: program.receiver.port, strip: true })
    const before = chain.board.board.chipAt(0, 0)!.tags.at(1, performance.now()).txPort
    chain.server.close()
    const context = testContext()
    const server = await startServer(chain.serverSettings, context)
    try {
      await until(() => context.observer.of("tag-set").length > 0, "the tag to be set again", 10_000)
      expect(chain.board.board.chipAt(0, 0)!.tags.at(1, performance.now()).txPort).not.toBe(before)
      program.scp.send(sdpToEcho("again"))
      expect((await program.receiver.next())?.text).toBe("again")
    } finally {
      server.close()
    }
  })

  test("a server that ends clears what it has set", async () => {
    await using chain = await startChain(mode, { board: BOARD })
    using program = await TagProgram.open(chain.client.ports.scp)
    await program.ask({ tag: 1, port: program.receiver.port })
    chain.server.close()
    await until(() => chain.board.board.chipAt(0, 0)!.tags.at(1, performance.now()).flags === 0, "the tag to go")
  })
})
