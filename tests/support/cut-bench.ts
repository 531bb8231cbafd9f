/**
 * A user's programs, the safe tunnel and a board, with a middle-man that cuts the network in every way: real sockets and
 * real TLS, on a clock that goes with the event loop.
 */
import { expect } from "bun:test"
import type { UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import type { Channel } from "../../src/observe/events.ts"
import { decodeScpReply, decodeScpRequest } from "../../src/protocol/scp.ts"
import type { Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { dialUdp } from "../../src/transport/udp-dial.ts"
import { Middleman } from "./middleman.ts"
import { RecordingObserver } from "./recording-observer.ts"
import { SafeChain, type SafeClient } from "./safe-chain.ts"
import { TurningClock } from "./turning-clock.ts"

/** A silent connection is found out in this time: asked after 2 s, dead 2 s later, looked at twice a second; then the next. */
const FOUND_OUT_MS = 5_600
/** A reset is answered by a new connection in this time. */
const AGAIN_MS = 800

/** A way to cut, and the longest that nothing passes. */
export interface Cut {
  readonly name: string
  readonly outageMs: number
  readonly make: (middleman: Middleman, clock: TurningClock) => void
}

function told(name: string, make: (middleman: Middleman) => void): Cut {
  return { name, outageMs: AGAIN_MS, make }
}

function untold(name: string, make: (middleman: Middleman) => void): Cut {
  return { name, outageMs: FOUND_OUT_MS, make }
}

/** Out of reach for `ms`: what is there is reset, what comes is refused. The next try may be a second after the end. */
function away(ms: number): Cut {
  return {
    name: `out of reach for ${ms / 1000} s`,
    outageMs: ms + 1_000 + AGAIN_MS,
    make(middleman, clock) {
      middleman.cut()
      middleman.refuse()
      clock.after(ms, () => middleman.pass())
    },
  }
}

/** Silent for `ms`, and then everything arrives late. */
function late(ms: number): Cut {
  return {
    name: `silent for ${ms / 1000} s`,
    outageMs: ms + AGAIN_MS,
    make(middleman, clock) {
      middleman.hold()
      clock.after(ms, () => middleman.release())
    },
  }
}

/** All of them. */
export const CUTS = {
  reset: told("reset", (middleman) => middleman.cut()),
  resetHere: told("reset on the client's side only", (middleman) => middleman.cutNear()),
  resetThere: untold("reset on the server's side only", (middleman) => middleman.cutFar()),
  blackhole: untold("swallowed both ways", (middleman) => middleman.blackhole()),
  muteClient: untold("half-open, the server hears nothing", (middleman) => middleman.mute("client")),
  muteServer: untold("half-open, the client hears nothing", (middleman) => middleman.mute("server")),
  // Not a multiple of what programs wait: what they repeat just as an answer comes is answered once more.
  late: late(1_300),
  veryLate: late(6_300),
  away: away(500),
  farAway: away(20_000),
} as const
export type CutName = keyof typeof CUTS

/** A request that has come to the board, which executes what comes. */
export interface Executed {
  readonly command: number
  readonly arg2: number
  readonly sequence: number
  /** Of the board's answer. */
  answer?: Uint8Array
}

/** One user of one board; `await using` ends it. */
export class CutBench implements AsyncDisposable {
  private constructor(
    readonly clock: TurningClock,
    readonly chain: SafeChain,
    readonly middleman: Middleman,
    readonly client: SafeClient,
    /** In order. */
    readonly executed: readonly Executed[],
  ) {}

  /** `delayMs`: one way, between client and server. */
  static async start(board: UdpBoardOptions, delayMs: number): Promise<CutBench> {
    const clock = new TurningClock()
    const executed: Executed[] = []
    const onDatagram: UdpBoardOptions["onDatagram"] = (_from, to, datagram) => {
      const arrives = to.port === chain.board.scp.port
      const request = arrives ? decodeScpRequest(datagram) : undefined
      if (request) executed.push(request)
      const reply = arrives ? undefined : decodeScpReply(datagram)
      const of = reply && executed.findLast(({ sequence }) => sequence === reply.sequence)
      if (of) of.answer ??= reply?.body.slice()
    }
    const chain: SafeChain = await SafeChain.start({ clock, boards: [{ ...board, onDatagram }] })
    const middleman = new Middleman(chain.server.port, clock)
    middleman.delayMs = delayMs
    let client: SafeClient | undefined
    void chain.client(chain.key("alice"), {}, { port: middleman.port }).then((started) => {
      client = started
    })
    await clock.until(() => client !== undefined, "the client", 10_000)
    return new CutBench(clock, chain, middleman, client!, executed)
  }

  /** A program's socket, connected to the board's port here. */
  socket(channel: Channel): Link {
    const common = { clock: this.clock, observer: new RecordingObserver(), random: seededRandom(1) }
    const resolver = new Resolver({ name: "127.0.0.1", ...common })
    return dialUdp({ ...common, resolver, port: this.client.client.ports[channel] })("a program")
  }

  /** What is expected of every run, whatever was cut. */
  expectOneSession(): void {
    const { chain, client } = this
    for (const { observer } of [chain, client]) expect(observer.of("internal-error")).toEqual([])
    for (const { retryMs } of client.observer.of("connect-failed")) expect(retryMs).toBeLessThanOrEqual(1_000)
    const ups = client.observer.of("tunnel-up").map(({ resumed }) => resumed)
    expect(ups).toEqual(ups.map((_, index) => index > 0))
    expect(chain.server.tunnel.sessions).toHaveLength(1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chain[Symbol.asyncDispose]()
    this.middleman[Symbol.dispose]()
  }
}
