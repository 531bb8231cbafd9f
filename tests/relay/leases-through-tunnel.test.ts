/** Exclusive boards behind the safe tunnel, over real sockets: a user is who has proved his key, with sessions. */
import { describe, expect, test } from "bun:test"
import { randomBytes } from "node:crypto"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { BoardCounters } from "../../src/fake-board/events.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { ipToWord } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply } from "../../src/protocol/scp.ts"
import { KeyBook } from "../../src/relay/key-book.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "../../src/relay/lease-settings.ts"
import { startSafeServer } from "../../src/relay/safe-server.ts"
import { SERVER_LIMITS, type ServerConfig } from "../../src/relay/server-config.ts"
import { startTunnelClient } from "../../src/relay/tunnel-client.ts"
import { Application } from "../support/application.ts"
import { testContext, testSettings } from "../support/chain.ts"
import { MemoryStore } from "../support/memory-store.ts"
import { SDRAM, verRequest, writeRequest } from "../support/scp-requests.ts"
import { TagProgram } from "../support/tag-program.ts"
import { until } from "../support/until.ts"

const HOUR = 3_600_000

/** A board called board-a behind a server, and a client for each of the users. */
async function start(change: Partial<LeaseSettings> = {}) {
  const counters = new BoardCounters()
  const board = await UdpBoard.open({
    ...{ scpPort: 0, bootPort: 0, helloBroadcast: undefined, booted: true },
    onEvent: counters.watch,
  })
  const config: ServerConfig = {
    ...{ name: "pi", listen: ["127.0.0.1"], port: 0, allow: [], limits: SERVER_LIMITS },
    boards: [
      {
        ...{ name: "board-a", address: "127.0.0.1", type: "auto", bmp: undefined },
        ...{ scpPort: board.scp.port, bootPort: board.boot.port },
        lease: { ...LEASE_DEFAULTS, exclusive: true, ...change },
      },
    ],
  }
  const keys = KeyBook.open(new MemoryStore(), { now: Date.now, randomBytes: (length) => randomBytes(length) })
  const cycled: string[] = []
  const context = { ...testContext(), powerCycle: async (name: string) => void cycled.push(name) }
  const usual = testSettings({ bootListener: false })
  const newId = () => randomBytes(16).toString("hex")
  const options = { config, machineName: "pi", keys, newId, legacy: undefined, usual }
  const server = await startSafeServer(options, context)
  const clients: { close(): void }[] = []
  const join = async (user: string) => {
    const secret = new Uint8Array(randomBytes(32))
    const id = keys.redeem(keys.invite(user, "all", HOUR).id, { name: "laptop", secret })
    const [scpPort, bootPort] = (await freePorts(2)) as [number, number]
    const own = testContext()
    const target = { name: "pi", addresses: [{ host: "127.0.0.1", port: server.port }], key: { id, secret } }
    const client = await startTunnelClient(target, testSettings({ scpPort, bootPort }), own)
    clients.push(client)
    await client.ready
    return { client, scpPort, told: () => own.observer.of("board-in-use").map(({ news }) => news) }
  }
  return {
    ...{ board, server, counters, cycled, join, config, observer: context.observer },
    state: () => server.leases.snapshot()[0]!,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close()
      server.close()
      board.close()
    },
  }
}

const say = async (scpPort: number, sequence: number): Promise<number | undefined> => {
  using program = await Application.open(scpPort)
  for (let tries = 0; tries < 5; tries++) {
    program.send(verRequest(sequence))
    const answer = await program.next(500)
    if (answer) return decodeScpReply(answer)?.sequence
  }
  return undefined
}

describe("an exclusive board behind the tunnel", () => {
  test("is its first user's by name, from all his devices; others are told, and get it when his last session ends", async () => {
    await using all = await start()
    const [laptop, desktop, bob] = [await all.join("alice"), await all.join("alice"), await all.join("bob")]
    expect(await say(laptop.scpPort, 1)).toBe(1)
    expect(await say(desktop.scpPort, 2)).toBe(2)
    using program = await Application.open(bob.scpPort)
    program.send(writeRequest(3, SDRAM, Uint8Array.of(1, 2, 3, 4)))
    await until(() => bob.told().length === 1, "the news")
    expect(bob.told()[0]).toMatchObject({ state: "held", by: "alice", waitingAhead: 0 })
    expect([laptop.told(), desktop.told()]).toEqual([[], []])
    expect([all.counters.count(Command.WRITE), all.state().waiting]).toEqual([0, ["bob"]])
    laptop.client.close()
    await until(() => all.observer.of("user-left").length === 1, "the first session's end")
    expect(all.state()).toMatchObject({ state: "held", user: "alice" })
    desktop.client.close()
    await until(() => bob.told().length === 2, "bob's turn")
    expect(bob.told()[1]).toEqual({ state: "yours" })
    expect(await say(bob.scpPort, 4)).toBe(4)
    expect(all.observer.of("lease-released")).toMatchObject([{ user: "alice", cause: "left" }])
  })

  test("is taken from who is kicked, with his tags, and reset for the next one", async () => {
    await using all = await start({ onRelease: "power-cycle" })
    const [alice, bob] = [await all.join("alice"), await all.join("bob")]
    using program = await TagProgram.open(alice.scpPort)
    await program.ask({ tag: 1, address: ipToWord("127.0.0.1"), port: program.receiver.port })
    const flags = () => all.board.board.chipAt(0, 0)!.tags.at(1, performance.now()).flags
    expect(flags()).not.toBe(0)
    expect(all.server.leases.kick("alice")).toEqual(["board-a"])
    await until(() => flags() === 0, "the board to forget the tag")
    await until(() => all.observer.of("lease-reset").length === 1, "the reset")
    expect(all.cycled).toEqual(["board-a"])
    expect(await say(bob.scpPort, 5)).toBe(5)
    expect(all.state()).toMatchObject({ state: "held", user: "bob" })
  })

  test("goes by settings that a reload brings", async () => {
    await using all = await start({ exclusive: false })
    const [alice, bob] = [await all.join("alice"), await all.join("bob")]
    expect([await say(alice.scpPort, 1), await say(bob.scpPort, 2)]).toEqual([1, 2])
    const [board] = all.config.boards
    all.server.reconfigure({ ...all.config, boards: [{ ...board!, lease: { ...board!.lease, exclusive: true } }] })
    expect(await say(bob.scpPort, 3)).toBe(3)
    using program = await Application.open(alice.scpPort)
    program.send(verRequest(4))
    await until(() => alice.told().length === 1, "the news")
    expect(alice.told()[0]).toMatchObject({ state: "held", by: "bob" })
  })

  test("is neither released nor reset because the server ends", async () => {
    await using all = await start({ onRelease: "power-cycle" })
    const alice = await all.join("alice")
    await say(alice.scpPort, 1)
    all.server.close()
    expect([all.cycled, all.observer.of("lease-released")]).toEqual([[], []])
  })
})
