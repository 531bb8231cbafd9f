import { describe, expect, test } from "bun:test"
import type { Flow, Stage } from "../../src/relay/flow.ts"
import { RELAY_LIMITS, Relay, type RelayLimits } from "../../src/relay/relay.ts"
import { StageLink } from "../../src/relay/stage-link.ts"
import type { CloseReason, Link } from "../../src/transport/link.ts"
import { MemoryListener, memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** One end of a line and what came to it. */
interface End {
  link: Link
  got: string[]
  reasons: CloseReason[]
}

function listen(link: Link): End {
  const end: End = { link, got: [], reasons: [] }
  link.onDatagram = (datagram) => end.got.push(Buffer.from(datagram).toString())
  link.onClose = (reason) => end.reasons.push(reason)
  return end
}

/** A relay between two memory listeners: `application()` arrives at one, `boards` are what it dials at the other. */
function setup(
  limits: Partial<RelayLimits> = {},
  stages: readonly Stage[] = [],
  keeps?: (flow: Flow) => boolean | Promise<boolean>,
) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const context = { clock, random: seededRandom(1), drops: observer }
  const near = new MemoryListener("relay", context)
  const far = new MemoryListener("board", context)
  const dialledFor: string[] = []
  const boards: End[] = []
  far.onLink = (link) => boards.push(listen(link))
  const relay = new Relay({
    channel: "scp",
    dial(application) {
      dialledFor.push(application)
      return far.dial(application)
    },
    stages,
    clock,
    observer,
    limits: { ...RELAY_LIMITS, ...limits },
    ...(keeps && { keeps }),
  })
  near.onLink = relay.accept
  return {
    clock,
    observer,
    relay,
    dialledFor,
    boards,
    application: (name: string) => listen(near.dial(name)),
    say(end: End, text: string) {
      end.link.send(new Uint8Array(Buffer.from(text)))
      clock.advance(0)
    },
    /** Whose flows the relay has ended, with the reason, in order. */
    ended: () => observer.of("flow-closed").map(({ application, code }) => `${application} ${code}`),
  }
}

describe("Relay", () => {
  test("a flow is its proven user's, or else its host's", () => {
    const owners: string[] = []
    const { relay, clock, observer } = setup({}, [
      (link, { owner }) => {
        owners.push(owner)
        return link
      },
    ])
    const context = { clock, random: seededRandom(1), drops: observer }
    const [proven, unproven] = ["192.0.2.1:4000", "127.0.0.1:9 via 192.0.2.2:5000"].map(
      (first) => memoryPair(context, { first, second: "relay" })[1],
    ) as [Link, Link]
    relay.accept(Object.assign(proven, { owner: "alice" }))
    relay.accept(unproven)
    expect(owners).toEqual(["alice", "192.0.2.2"])
  })

  test("dials once for each application, in its name, and keeps them apart both ways", () => {
    const { application, boards, dialledFor, say, relay, observer } = setup()
    const [a, b] = [application("a:1"), application("b:1")]
    say(a, "from a")
    say(b, "from b")
    say(a, "more from a")
    say(boards[1]!, "to b")
    say(boards[0]!, "to a")
    expect(dialledFor).toEqual(["a:1", "b:1"])
    expect(boards.map(({ got }) => got)).toEqual([["from a", "more from a"], ["from b"]])
    expect([a.got, b.got]).toEqual([["to a"], ["to b"]])
    expect(relay.flowCount).toBe(2)
    expect(observer.of("flow-opened").map(({ application, flows }) => [application, flows])).toEqual([
      ["a:1", 1],
      ["b:1", 2],
    ])
  })

  test("passes on what an application sent before it was accepted", () => {
    const { clock, observer, relay, boards } = setup()
    const line = new MemoryListener("elsewhere", { clock, random: seededRandom(2), drops: observer })
    line.dial("early:1").send(Uint8Array.of(65))
    clock.advance(1)
    line.onLink = relay.accept
    clock.advance(1)
    expect(boards[0]!.got).toEqual(["A"])
  })

  test("an end on either side ends the other, once, and is told with its reason", () => {
    for (const side of ["application", "board"] as const) {
      const { application, boards, clock, relay, ended } = setup()
      const a = application("a:1")
      clock.advance(1)
      const [closing, other] = side === "application" ? [a, boards[0]!] : [boards[0]!, a]
      closing.link.close()
      clock.advance(1)
      expect(closing.reasons).toEqual([{ code: "closed" }])
      expect(other.reasons).toEqual([{ code: "peer-closed" }])
      expect(relay.flowCount).toBe(0)
      expect(ended()).toEqual(["a:1 peer-closed"])
    }
  })

  test("ends a flow after the idle time without traffic, and not before", () => {
    const { application, boards, say, clock, ended } = setup({ idleTimeoutMs: 100_000 })
    say(application("quiet:1"), "hello")
    clock.advance(99_000)
    expect(ended()).toEqual([])
    clock.advance(6_000)
    expect(ended()).toEqual(["quiet:1 idle"])
    expect(boards[0]!.reasons).toHaveLength(1)
  })

  test("traffic in either direction alone keeps a flow alive", () => {
    const { application, boards, say, clock, ended } = setup({ idleTimeoutMs: 100_000 })
    const asks = application("asks:1")
    application("listens:1")
    application("silent:1")
    for (let minute = 0; minute < 10; minute++) {
      clock.advance(60_000)
      say(asks, "?")
      say(boards[1]!, "!")
    }
    expect(ended()).toEqual(["silent:1 idle"])
  })

  test("0 means never idle, and sets no timer", () => {
    const { application, clock, relay } = setup({ idleTimeoutMs: 0 })
    application("patient:1")
    clock.advance(0)
    expect(clock.pending).toBe(0)
    clock.advance(365 * 24 * 3600 * 1000)
    expect(relay.flowCount).toBe(1)
  })

  test("a very short idle time is kept to within its own length", () => {
    const { application, clock, relay } = setup({ idleTimeoutMs: 200 })
    application("brief:1")
    clock.advance(199)
    expect(relay.flowCount).toBe(1)
    clock.advance(51)
    expect(relay.flowCount).toBe(0)
  })

  test("at its limit, a user who opens many flows loses his own, however busy they are", () => {
    const { application, boards, say, clock, ended } = setup({ maxFlows: 4 })
    const quiet = application("alice:1")
    say(quiet, "?")
    say(boards[0]!, "!")
    for (let port = 1; port <= 8; port++) {
      clock.advance(1_000)
      say(application(`mallory:${port}`), "?")
      say(boards.at(-1)!, "!")
    }
    expect(quiet.reasons).toEqual([])
    expect(ended()).toEqual([1, 2, 3, 4, 5].map((port) => `mallory:${port} evicted`))
  })

  test("at its limit, flows that the board never answered go first, then the least recently used", () => {
    const { application, boards, say, clock, ended, relay, observer } = setup({ maxFlows: 4 })
    const names = ["old-answered", "unanswered", "new-answered", "newer-unanswered"]
    const ends = names.map((name) => {
      clock.advance(1_000)
      const end = application(`${name}:1`)
      say(end, "?")
      return end
    })
    for (const index of [2, 0]) say(boards[index]!, "!")
    clock.advance(1_000)
    // Used last, but never answered: that counts first.
    say(ends[1]!, "?")
    clock.advance(1_000)
    say(ends[0]!, "?")
    for (const name of ["w:1", "x:1", "y:1", "z:1"]) {
      clock.advance(1_000)
      say(application(name), "?")
      say(boards.at(-1)!, "!")
      expect(relay.flowCount).toBe(4)
    }
    expect(ended()).toEqual([
      "newer-unanswered:1 evicted",
      "unanswered:1 evicted",
      "new-answered:1 evicted",
      "old-answered:1 evicted",
    ])
    expect(ends.map(({ reasons }) => reasons.map(({ code }) => code))).toEqual(Array(4).fill(["peer-closed"]))
    expect(observer.dropped.get("flow-limit")).toBe(4)
  })

  test("takes 256 flows and counts every one that must go, with one warning a minute", () => {
    const { application, clock, relay, observer } = setup()
    for (let i = 0; i < 256; i++) application(`a:${i + 1}`)
    expect(observer.of("flow-limit")).toEqual([])
    for (let i = 0; i < 100; i++) application(`b:${i + 1}`)
    expect(relay.flowCount).toBe(256)
    expect(observer.dropped.get("flow-limit")).toBe(100)
    expect(observer.of("flow-limit")).toEqual([{ type: "flow-limit", channel: "scp", limit: 256 }])
    clock.advance(59_999)
    application("c:1")
    expect(observer.of("flow-limit")).toHaveLength(1)
    clock.advance(1)
    application("c:2")
    expect(observer.of("flow-limit")).toHaveLength(2)
  })

  test("close() ends every flow as a shutdown, takes no more and leaves no timer", () => {
    const { application, boards, clock, relay, ended } = setup()
    const ends = [application("a:1"), application("b:1")]
    clock.advance(1)
    relay.close()
    clock.advance(1)
    expect(ended()).toEqual(["a:1 shutdown", "b:1 shutdown"])
    expect([...ends, ...boards].map(({ reasons }) => reasons.length)).toEqual([1, 1, 1, 1])
    const late = application("late:1")
    clock.advance(1)
    expect(late.reasons).toHaveLength(1)
    expect(boards).toHaveLength(2)
    expect(clock.pending).toBe(0)
  })

  test("a dial whose link is over already costs the application its flow and nothing else", () => {
    const clock = new FakeClock()
    const observer = new RecordingObserver()
    const context = { clock, random: seededRandom(1), drops: observer }
    const board = new MemoryListener("board", context)
    const near = new MemoryListener("relay", context)
    const dial = () => {
      const link = board.dial()
      link.close({ code: "failed" })
      return link
    }
    const relay = new Relay({ channel: "boot", dial, stages: [], clock, observer, limits: RELAY_LIMITS })
    near.onLink = relay.accept
    const end = listen(near.dial("a:1"))
    clock.advance(1)
    expect(end.reasons).toEqual([{ code: "peer-closed" }])
    expect(relay.flowCount).toBe(0)
    expect(observer.of("flow-closed")).toEqual([
      { type: "flow-closed", channel: "boot", application: "a:1", code: "failed", flows: 0 },
    ])
  })

  test("wraps the board's end in its stages, the first nearest to the application, and tells them whose flow it is", () => {
    const flows: string[] = []
    const stage =
      (mark: string): Stage =>
      (link, flow) => {
        flows.push(`${mark} ${flow.id} ${flow.application} ${flow.owner}`)
        return new (class extends StageLink {
          protected override outward(datagram: Uint8Array): void {
            super.outward(new Uint8Array(Buffer.concat([datagram, Buffer.from(mark)])))
          }
          protected override inward(datagram: Uint8Array): void {
            super.inward(new Uint8Array(Buffer.concat([datagram, Buffer.from(mark)])))
          }
        })(link, new RecordingObserver())
      }
    const { application, boards, say } = setup({}, [stage("1"), stage("2")])
    const a = application("127.0.0.1:4000 via 192.0.2.7:5000")
    say(a, ">")
    say(boards[0]!, "<")
    expect(boards[0]!.got).toEqual([">12"])
    expect(a.got).toEqual(["<21"])
    // The owner is the host that the network vouches for, not the one that the peer names.
    expect(flows.toSorted()).toEqual([
      "1 1 127.0.0.1:4000 via 192.0.2.7:5000 192.0.2.7",
      "2 1 127.0.0.1:4000 via 192.0.2.7:5000 192.0.2.7",
    ])
  })
})

describe("a flow that is kept", () => {
  test("outlives its idle time for as long as somebody says so", () => {
    let wanted = true
    const { clock, application, say, ended } = setup({ idleTimeoutMs: 1_000 }, [], () => wanted)
    say(application("a:1"), "hello")
    clock.advance(10_000)
    expect(ended()).toEqual([])
    wanted = false
    clock.advance(1_200)
    expect(ended()).toEqual(["a:1 idle"])
  })

  test("is asked about once at a time where the answer takes a while, and ends if it is no", async () => {
    const asked: PromiseWithResolvers<boolean>[] = []
    const keeps = (): Promise<boolean> => {
      const answer = Promise.withResolvers<boolean>()
      asked.push(answer)
      return answer.promise
    }
    const { clock, application, say, ended } = setup({ idleTimeoutMs: 1_000 }, [], keeps)
    say(application("a:1"), "hello")
    clock.advance(1_500)
    expect(asked).toHaveLength(1)
    asked[0]!.resolve(true)
    await asked[0]!.promise
    clock.advance(1_000)
    expect(asked).toHaveLength(2)
    expect(ended()).toEqual([])
    asked[1]!.resolve(false)
    await asked[1]!.promise
    await Promise.resolve()
    expect(ended()).toEqual(["a:1 idle"])
  })
})
