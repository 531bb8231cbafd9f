/** Kicked for good measure: whose client is back at once, and whose program asks on, still stands behind the others. */
import { describe, expect, test } from "bun:test"
import { BoardWatch } from "../../src/observe/board-watch.ts"
import { readControlRequest } from "../../src/relay/control.ts"
import { serverControl } from "../../src/relay/server-control.ts"
import { peerHost } from "../../src/transport/address.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { Application } from "../support/application.ts"
import { SafeChain, type SafeChainOptions } from "../support/safe-chain.ts"
import { verRequest } from "../support/scp-requests.ts"
import { until } from "../support/until.ts"

async function start(options: SafeChainOptions = {}) {
  const chain = await SafeChain.start({ lease: { exclusive: true }, ...options })
  const control = serverControl({
    ...{ server: chain.server, keys: chain.keys, boards: new BoardWatch(chain.observer), clock: systemClock },
    ...{ version: "1.2.3", pid: 77, machineName: "machine", drops: chain.observer.dropped },
    own: () => ({ hostName: "machine", local: [] }),
    readConfig: undefined,
  })
  /** A user whose program asks on and on, as one that does not know what has happened. */
  const persistent = async (user: string) => {
    const { settings, observer } = await chain.client(chain.key(user))
    const program = await Application.open(settings.scpPort)
    let sequence = 0
    const timer = setInterval(() => program.send(verRequest(++sequence & 0xffff)), 25)
    const answers = () => program.received.length
    return {
      answers,
      observer,
      [Symbol.dispose]() {
        clearInterval(timer)
        program[Symbol.dispose]()
      },
    }
  }
  const lease = () => chain.server.leases.snapshot()[0]!
  return { chain, control, persistent, lease }
}

describe("a kicked user", () => {
  test("comes behind who waits, though he is back at once and asks on", async () => {
    const { chain, control, persistent, lease } = await start()
    await using _ = chain
    using alice = await persistent("alice")
    await until(() => alice.answers() > 3, "alice to be served")
    using bob = await persistent("bob")
    await until(() => lease().waiting.includes("bob"), "bob to wait")
    const before = alice.answers()
    expect(control.kick("alice")).toEqual({ sessions: 1, boards: ["board-a"] })
    await until(() => bob.answers() > 3, "bob to be served")
    await until(() => alice.observer.of("tunnel-up").length === 2, "alice to be back")
    await until(() => lease().waiting.includes("alice"), "alice to wait")
    expect(lease()).toMatchObject({ state: "held", user: "bob", waiting: ["alice"] })
    // One may have been on its way.
    expect(alice.answers() - before).toBeLessThanOrEqual(1)
    expect(chain.observer.of("lease-taken").map(({ user }) => user)).toEqual(["alice", "bob"])
  }, 20_000)

  test("who is alone gets the board back only after a moment in which anybody else could have it", async () => {
    const { chain, control, persistent, lease } = await start()
    await using _ = chain
    using alice = await persistent("alice")
    await until(() => alice.answers() > 3, "alice to be served")
    control.kick("alice")
    await until(() => alice.observer.of("tunnel-up").length === 2, "alice to be back")
    await until(() => lease().waiting.includes("alice"), "alice to wait")
    expect(lease()).toMatchObject({ state: "withheld", user: "alice" })
    using bob = await persistent("bob")
    await until(() => bob.answers() > 3, "bob to be served")
    expect(lease()).toMatchObject({ state: "held", user: "bob", waiting: ["alice"] })
  }, 20_000)

  test.each(["127.0.0.9", "[2001:db8::9]"])("of the old ports is kicked by his address: %s", async (host) => {
    const { chain, control } = await start()
    await using _ = chain
    // What a flow of the old ports brings: no session, and its host for a name.
    const lease = chain.server.leases.add("board-a", { ...chain.server.config.boards[0]!.lease })
    const flow = { id: 1, owner: peerHost(`${host}:4000`), application: `${host}:4000`, near: undefined as never }
    expect(lease.admits(flow, "to-board")).toBe(true)
    expect(readControlRequest({ command: "kick", name: host })).toEqual({ command: "kick", name: host })
    expect(control.kick(host)).toEqual({ sessions: 0, boards: ["board-a"] })
    expect(lease.state).toMatchObject({ kind: "withheld", user: host })
  })
})
