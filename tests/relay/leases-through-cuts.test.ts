/** An exclusive board behind the safe tunnel while its user's connection is cut, on a clock that goes with the event loop. */
import { describe, expect, setDefaultTimeout, test } from "bun:test"
import { BoardCounters } from "../../src/fake-board/events.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { ipToWord } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { SERVER_LIMITS } from "../../src/relay/server-config.ts"
import { Application } from "../support/application.ts"
import { CUTS } from "../support/cut-bench.ts"
import { Middleman } from "../support/middleman.ts"
import { SafeChain, type SafeClient } from "../support/safe-chain.ts"
import { verRequest } from "../support/scp-requests.ts"
import { sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { TurningClock } from "../support/turning-clock.ts"

setDefaultTimeout(30_000)

/** Longer than an idle client needs to find out, and not the usual. */
const RESUME_MS = 40_000
/** Silence alone releases nothing here. */
const LEASE = { exclusive: true, sessionTimeoutMs: 3_600_000 }

/** Alice behind a middle-man, Bob straight at the server, and a board with a program that echoes by tag 1. */
async function start() {
  const clock = new TurningClock()
  const counters = new BoardCounters()
  /** Time goes on until `promise` is settled. */
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false
    const end = (): void => {
      over = true
    }
    promise.then(end, end)
    await clock.until(() => over, "the other side", 600_000)
    return promise
  }
  const board = { booted: true, programs: [parsePlacedProgram("0,0,5=echo")], onEvent: counters.watch }
  const config = { limits: { ...SERVER_LIMITS, resumeMs: RESUME_MS } }
  const chain = await SafeChain.start({ clock, boards: [board], lease: LEASE, config })
  const middleman = new Middleman(chain.server.port, clock)
  const alice = await during(chain.client(chain.key("alice"), {}, { port: middleman.port }))
  const bob = await during(chain.client(chain.key("bob")))
  const lost = (): Promise<void> => clock.until(() => chain.observer.of("user-lost").length === 1, "the loss", 60_000)
  return {
    ...{ clock, counters, during, chain, middleman, alice, bob, lost },
    state: () => chain.server.leases.snapshot()[0]!,
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]()
      middleman[Symbol.dispose]()
    },
  }
}

/** The board's answer to a program of this client's, if it comes. */
async function ask({ client }: SafeClient, sequence: number): Promise<number | undefined> {
  using program = await Application.open(client.ports.scp)
  program.send(verRequest(sequence))
  const answer = await program.next(300)
  return answer && decodeScpReply(answer)?.sequence
}

describe("a connection that is lost", () => {
  test.each([
    ["reset", (middleman: Middleman) => middleman.cut()],
    ["swallowed", (middleman: Middleman) => middleman.blackhole()],
  ])("and %s releases the board when the time to resume is over, and not before", async (_, cut) => {
    await using all = await start()
    const { clock, during, chain, middleman, alice, bob } = all
    expect(await during(ask(alice, 1))).toBe(1)
    cut(middleman)
    middleman.refuse()
    await all.lost()
    const lostAt = clock.now()
    await clock.pass(RESUME_MS - 200)
    expect(all.state()).toMatchObject({ state: "held", user: "alice" })
    expect(chain.observer.of("lease-released")).toEqual([])
    await clock.until(() => all.state().state === "free", "the release", 1_000)
    expect(clock.now() - lostAt).toBeGreaterThanOrEqual(RESUME_MS - 2)
    expect(chain.observer.of("lease-released")).toMatchObject([{ board: "board-a", user: "alice", cause: "lost" }])
    expect(await during(ask(bob, 2))).toBe(2)
    expect(all.state()).toMatchObject({ state: "held", user: "bob" })
  })
})

describe("a cut shorter than the time to resume", () => {
  test.each([CUTS.reset, CUTS.resetThere, CUTS.blackhole, CUTS.muteClient])(
    "($name) leaves the lease and an IP tag as they were: what the board sends arrives, and the board sees no command",
    async (cut) => {
      await using all = await start()
      const { clock, during, chain, middleman, alice, bob, counters } = all
      using program = await TagProgram.open(alice.client.ports.scp)
      const { port } = program.receiver
      const set = await during(program.ask({ tag: 1, address: ipToWord("127.0.0.1"), port, strip: true }))
      expect(set?.result).toBe(Result.OK)
      using near = await Application.open(chain.board.scp.port, chain.board.scp.host)
      near.send(sdpToEcho("before"))
      expect(await during(program.receiver.next())).toMatchObject({ text: "before" })
      const tags = counters.count(Command.IPTAG)
      cut.make(middleman, clock)
      await clock.until(() => chain.observer.of("user-back").length === 1, "alice to be back", 60_000)
      await clock.pass(RESUME_MS + 1_000)
      expect(all.state()).toMatchObject({ state: "held", user: "alice" })
      expect(await during(ask(bob, 3))).toBeUndefined()
      near.send(sdpToEcho("after"))
      expect(await during(program.receiver.next())).toMatchObject({ text: "after" })
      expect(counters.count(Command.IPTAG)).toBe(tags)
      expect(chain.observer.of("lease-released")).toEqual([])
      expect(await during(ask(alice, 4))).toBe(4)
    },
  )
})
