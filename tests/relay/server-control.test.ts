/** What the owner of a running server can do, over real sockets: look, reload, kick, revoke. */
import { describe, expect, test } from "bun:test"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { BoardWatch } from "../../src/observe/board-watch.ts"
import { decodeScpReply } from "../../src/protocol/scp.ts"
import { ControlError, type ControlHandlers } from "../../src/relay/control.ts"
import type { ServerConfig } from "../../src/relay/server-config.ts"
import { serverControl } from "../../src/relay/server-control.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { Application } from "../support/application.ts"
import { placed, SafeChain, type SafeChainOptions, type SafeClient } from "../support/safe-chain.ts"
import { readRequest, SDRAM, verRequest, writeRequest } from "../support/scp-requests.ts"
import { closing, manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const HOSTS = ["127.46.0.1", "127.46.0.2", "127.46.0.3"] as const

/** A board whose memory holds its address's last number. */
async function marked(host: string, scpPort = 0): Promise<UdpBoard> {
  const board = closing(await UdpBoard.open({ host, scpPort, bootPort: 0, booted: true, helloBroadcast: undefined }))
  using direct = await Application.open(board.scp.port, host)
  direct.send(writeRequest(1, SDRAM, Uint8Array.of(Number(host.split(".")[3]), 0, 0, 0)))
  expect(await direct.next()).toBeDefined()
  return board
}

/** The number that a program at the client's address for `board` reads; undefined if nobody answers. */
async function numberAt(client: SafeClient, board: string): Promise<number | undefined> {
  using program = await Application.open(client.settings.scpPort, client.addressOf(board))
  for (let tries = 0; tries < 5; tries++) {
    program.send(readRequest(tries, SDRAM, 4))
    const answer = await program.next(50)
    if (answer) return decodeScpReply(answer)?.body[0]
  }
  return undefined
}

class Owner {
  /** What the file says. */
  config: ServerConfig
  readonly control: ControlHandlers

  constructor(readonly chain: SafeChain) {
    this.config = chain.server.config
    this.control = serverControl({
      ...{ server: chain.server, keys: chain.keys, boards: new BoardWatch(chain.observer), clock: systemClock },
      ...{ version: "1.2.3", pid: 77, machineName: "machine", drops: chain.observer.dropped },
      own: () => ({ hostName: "machine", local: [] }),
      readConfig: () => this.config,
    })
  }

  /** The file names these boards from now on. */
  names(boards: Readonly<Record<string, UdpBoard>>): void {
    const all = Object.entries(boards).map(([name, board]) => placed(board, name))
    this.config = { ...this.config, boards: all }
  }

  async reload(): Promise<readonly string[]> {
    return (await this.control.reload()).changes
  }
}

async function start(options: SafeChainOptions = {}) {
  const chain = await SafeChain.start(options)
  return { chain, owner: new Owner(chain) }
}

describe.if(manyLoopbacks)("a reload", () => {
  test("adds, removes and moves boards, and ends no session and no flow to the others", async () => {
    const [a, b, c] = [await marked(HOSTS[0]), await marked(HOSTS[1]), await marked(HOSTS[2])]
    const { chain, owner } = await start()
    await using _ = chain
    owner.names({ a, b })
    await owner.reload()
    const alice = await chain.client(chain.key("alice"))
    const session = chain.server.tunnel.sessions[0]!
    using program = await Application.open(alice.settings.scpPort, alice.addressOf("a"))
    program.send(readRequest(1, SDRAM, 4))
    expect(decodeScpReply((await program.next())!)?.body[0]).toBe(1)
    expect(await numberAt(alice, "b")).toBe(2)
    const flows = chain.server.boards.flowsOf("a")

    owner.names({ a, c })
    expect(await owner.reload()).toEqual([`c added (${HOSTS[2]})`, "b removed"])
    await until(() => alice.addressOf("c") !== undefined, "the new board")
    expect(await numberAt(alice, "c")).toBe(3)
    expect(await numberAt(alice, "b")).toBeUndefined()

    owner.names({ a, c: b })
    expect(await owner.reload()).toEqual([`c is at ${HOSTS[1]} now`])
    expect(await numberAt(alice, "c")).toBe(2)

    program.send(readRequest(2, SDRAM, 4))
    expect(decodeScpReply((await program.next())!)?.sequence).toBe(2)
    expect(chain.server.boards.flowsOf("a")).toBe(flows)
    expect(chain.server.tunnel.sessions).toEqual([session])
    expect(alice.observer.of("connection-lost")).toEqual([])
    expect(await owner.reload()).toEqual([])
  })

  test("that puts another board first leaves every board where the client has it", async () => {
    const [a, b] = [await marked(HOSTS[0]), await marked(HOSTS[1])]
    const { chain, owner } = await start()
    await using _ = chain
    owner.names({ a })
    await owner.reload()
    const alice = await chain.client(chain.key("alice"))
    expect(await numberAt(alice, "a")).toBe(1)
    owner.names({ b, a })
    await owner.reload()
    await until(() => alice.addressOf("b") !== undefined, "the new board")
    expect([alice.addressOf("a"), await numberAt(alice, "a")]).toEqual(["127.0.0.1", 1])
    expect([alice.addressOf("b"), await numberAt(alice, "b")]).toEqual(["127.0.0.2", 2])
  })

  test("that takes the first board away leaves nothing where it was, and gives its place to the same under another name", async () => {
    const [a, b, c] = [await marked(HOSTS[0]), await marked(HOSTS[1]), await marked(HOSTS[2])]
    const { chain, owner } = await start()
    await using _ = chain
    owner.names({ a, b })
    await owner.reload()
    const alice = await chain.client(chain.key("alice"))
    owner.names({ c, b })
    await owner.reload()
    await until(() => alice.addressOf("c") !== undefined, "the new board")
    using program = await Application.open(alice.settings.scpPort)
    program.send(readRequest(1, SDRAM, 4))
    expect(await program.next(50)).toBeUndefined()
    expect([alice.addressOf("c"), await numberAt(alice, "c")]).toEqual(["127.0.0.3", 3])
    expect([alice.addressOf("b"), await numberAt(alice, "b")]).toEqual(["127.0.0.2", 2])
    owner.names({ c, b, "a-again": a })
    await owner.reload()
    await until(() => alice.addressOf("a-again") !== undefined, "the first board")
    expect([alice.addressOf("a-again"), await numberAt(alice, "a-again")]).toEqual(["127.0.0.1", 1])
  })

  test("with a new session after it leaves what programs have open at the board that it was opened for", async () => {
    const [a, b] = [await marked(HOSTS[0]), await marked(HOSTS[1])]
    const { chain, owner } = await start()
    await using _ = chain
    owner.names({ a })
    await owner.reload()
    const alice = await chain.client(chain.key("alice"))
    using program = await Application.open(alice.settings.scpPort)
    program.send(readRequest(1, SDRAM, 4))
    expect(decodeScpReply((await program.next())!)?.body[0]).toBe(1)
    owner.names({ b, a })
    await owner.reload()
    // A session of which the server knows nothing any more is what a restarted server has.
    owner.control.kick("alice")
    await until(() => alice.observer.of("tunnel-up").length === 2, "the next session")
    program.send(readRequest(2, SDRAM, 4))
    expect(decodeScpReply((await program.next())!)?.body[0]).toBe(1)
  })

  test("that renames the only board leaves it where the client has it", async () => {
    const a = await marked(HOSTS[0])
    const { chain, owner } = await start()
    await using _ = chain
    owner.names({ a })
    await owner.reload()
    const alice = await chain.client(chain.key("alice"))
    owner.names({ "new-name": a })
    await owner.reload()
    await until(() => alice.addressOf("new-name") !== undefined, "the new name")
    expect([alice.addressOf("new-name"), await numberAt(alice, "new-name")]).toEqual(["127.0.0.1", 1])
  })
})

describe("the owner of a server", () => {
  test("kicks a user, whose client is back at once with the same key", async () => {
    const { chain, owner } = await start()
    await using _ = chain
    const alice = await chain.client(chain.key("alice"))
    const before = chain.server.tunnel.sessions[0]!.id
    expect(owner.control.kick("alice")).toEqual({ sessions: 1, boards: [] })
    await until(() => chain.server.tunnel.sessions.length === 1, "alice")
    expect(chain.server.tunnel.sessions[0]!.id).not.toBe(before)
    expect(alice.observer.of("connection-lost")[0]?.detail).toBe("kicked by the server's owner")
    using program = await Application.open(alice.client.ports.scp)
    await until(() => {
      program.send(verRequest(1))
      return program.received.length > 0
    }, "an answer")
    expect(() => owner.control.kick("alise")).toThrow(
      new ControlError("nobody called alise has a key: did you mean alice?"),
    )
  })

  test("sees boards, users, flows and refusals", async () => {
    const { chain, owner } = await start({ lease: { exclusive: true } })
    await using _ = chain
    const alice = await chain.client(chain.key("alice"))
    using program = await Application.open(alice.client.ports.scp)
    program.send(verRequest(1))
    expect(await program.next()).toBeDefined()
    const status = owner.control.status()
    expect(status).toMatchObject({ version: "1.2.3", pid: 77, name: "pi", strangers: 0, refusals: {}, drops: {} })
    expect(status.listening).toEqual([`127.0.0.1:${chain.server.port}`])
    expect(status.boards).toMatchObject([
      { name: "board-a", flows: 1, lease: { state: "held", user: "alice", waiting: [] } },
    ])
    expect(status.sessions).toMatchObject([{ user: "alice", device: "alice's laptop", flows: 1, reconnects: 0 }])
    const text = JSON.stringify(status)
    expect(text).not.toContain(chain.server.tunnel.sessions[0]!.id)
  })
})
