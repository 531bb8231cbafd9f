/** A board with a lease behind a relay, in memory on a fake clock; users and the board are worked by hand. */
import { decodeLeaseNews, type LeaseNews } from "../../src/protocol/lease-news.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "../../src/relay/lease-settings.ts"
import type { BoardLease, PowerCycle } from "../../src/relay/leased.ts"
import { Leases } from "../../src/relay/leases.ts"
import { RELAY_LIMITS, Relay } from "../../src/relay/relay.ts"
import type { CloseReason, Link } from "../../src/transport/link.ts"
import { MemoryListener, memoryPair } from "../../src/transport/memory.ts"
import type { Notice } from "../../src/transport/mux-connection.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "./fake-clock.ts"
import { RecordingObserver } from "./recording-observer.ts"

/** A user's connection to the server, as a client of ours has. */
export class Connection {
  readonly news: LeaseNews[] = []

  notify({ payload }: Notice): void {
    this.news.push(decodeLeaseNews(payload)!)
  }
}

/** One program of a user. */
export interface Program {
  say(text: string): void
  readonly got: string[]
  readonly ended: CloseReason[]
}

/** All boards of one server. */
export class LeasedBoards {
  readonly clock = new FakeClock()
  readonly observer = new RecordingObserver()
  /** Hosts that were told news, with the news. */
  readonly hosts: [host: string, news: LeaseNews][] = []
  readonly leases: Leases
  readonly #context = { clock: this.clock, random: seededRandom(1), drops: this.observer }

  constructor(powerCycle?: PowerCycle) {
    const tellHost = (host: string, { payload }: Notice): void =>
      void this.hosts.push([host, decodeLeaseNews(payload)!])
    this.leases = new Leases({ clock: this.clock, observer: this.observer, tellHost, powerCycle })
  }

  board(name = "board-a", change: Partial<LeaseSettings> = {}): LeasedBoard {
    return new LeasedBoard(this, this.leases.add(name, { ...LEASE_DEFAULTS, exclusive: true, ...change }))
  }

  /** Two ends of a line. */
  pair(first: string, second: string): [Link, Link] {
    return memoryPair(this.#context, { first, second })
  }

  listener(name: string): MemoryListener {
    return new MemoryListener(name, this.#context)
  }

  text(datagram: Uint8Array): string {
    return new TextDecoder().decode(datagram)
  }
}

/** One board, both channels of it. */
export class LeasedBoard {
  /** What has come to the board, in order. */
  readonly got: string[] = []
  readonly #lines: Link[] = []
  readonly #relays: Record<"scp" | "boot", Relay>
  #programs = 0

  constructor(
    private readonly all: LeasedBoards,
    readonly lease: BoardLease,
  ) {
    const listener = all.listener("board")
    listener.onLink = (line) => {
      this.#lines.push(line)
      line.onDatagram = (datagram) => this.got.push(all.text(datagram))
      line.onClose = () => this.#lines.splice(this.#lines.indexOf(line), 1)
    }
    const { clock, observer } = all
    const common = { dial: () => listener.dial(), stages: [lease.stage], clock, observer, limits: RELAY_LIMITS }
    this.#relays = { scp: new Relay({ channel: "scp", ...common }), boot: new Relay({ channel: "boot", ...common }) }
  }

  /** A program of `user`; through `connection`, where he has one of ours. */
  program(user: string, connection?: Connection, channel: "scp" | "boot" = "scp"): Program {
    const { all } = this
    const [own, near] = all.pair(`192.0.2.1:${4000 + ++this.#programs}`, "server")
    Object.assign(near, { owner: user, ...(connection && { notices: connection }) })
    const [got, ended]: [string[], CloseReason[]] = [[], []]
    own.onDatagram = (datagram) => got.push(all.text(datagram))
    this.#relays[channel].accept(near)
    own.onClose = (reason) => ended.push(reason)
    return {
      got,
      ended,
      say(text) {
        own.send(new TextEncoder().encode(text))
        all.clock.advance(0)
      },
    }
  }

  /** The board says something on all its lines. */
  say(text: string): void {
    for (const line of this.#lines) line.send(new TextEncoder().encode(text))
    this.all.clock.advance(0)
  }
}
