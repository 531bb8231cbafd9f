/** The boards of one server: each served for itself, all told to its clients, and beacons passed on by name. */
import type { Channel, Event } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { MuxNotice } from "../protocol/mux.ts"
import type { Timer } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { type BoardInfo, encodeBoardList, MAX_BOARDS } from "./board-list.ts"
import { type BoardService, type Lease, serveBoard } from "./board-service.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import { findBoards } from "./find-boards.ts"
import { LEASE_DEFAULTS } from "./lease-settings.ts"
import type { TellHost } from "./lease-teller.ts"
import { leasedBmp } from "./leased-bmp.ts"
import { Leases } from "./leases.ts"
import { UnbootedBoards } from "./unbooted-boards.ts"

/** Ways to the server's clients. */
export interface ServerTold {
  /** To every connection. */
  readonly all: (notice: Notice) => void
  /** To those from one host. */
  readonly host: TellHost
}

/** Time between two looks at the machine, milliseconds. */
const LOOK_GAP_MS = 1_000

/** The first two octets: the boards of a machine are in one 192.168.0.0/16. */
function networkOf(address: string): string {
  return address.split(".").slice(0, 2).join(".")
}

/** All boards that a server serves; the first is what plain UDP and Python's framing get. */
export class ServerBoards {
  readonly #settings: EndpointSettings
  readonly #context: EndpointContext
  readonly #services = new Map<string, BoardService>()
  readonly #unbooted = new UnbootedBoards()
  readonly #tell: (notice: Notice) => void
  readonly #tellHost: TellHost
  readonly #first: BoardService
  /** Whose the boards are. */
  readonly leases: Leases
  /** Boards that the machine told of and that are not served, as they have been told. */
  #ignored: ReadonlySet<string> = new Set()
  #looking = false
  #lookTimer: Timer | undefined
  #lookNotBefore = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(settings: EndpointSettings, context: EndpointContext, told: ServerTold) {
    this.#settings = settings
    this.#context = { ...context, observer: this.#watching(context.observer) }
    this.#tell = told.all
    this.#tellHost = told.host
    const { clock, powerCycle } = context
    this.leases = new Leases({ clock, observer: context.observer, tellHost: told.host, powerCycle })
    this.#first = this.#serve(settings.target, "board")
    if (Array.isArray(settings.boards)) for (const name of settings.boards) this.#serve(name, "board")
    if (settings.bmp !== undefined) this.#serve(settings.bmp, "bmp")
  }

  /** Flows now. */
  get flowCount(): number {
    return [...this.#services.values()].reduce((sum, service) => sum + service.flowCount, 0)
  }

  /** Takes a flow for the board of that name; empty: the first. */
  accept(link: Link, channel: Channel, board: string): void {
    const service = board === "" ? this.#first : this.#services.get(board)
    if (service) service.accept(link, channel)
    else link.close({ code: "refused", detail: `this server has no board ${board}` })
  }

  /** A client's notice. */
  noticed(notice: Notice, answer: (notice: Notice) => void): void {
    if (notice.kind !== MuxNotice.boardsWanted) return
    answer(this.#list())
    this.#lookSoon()
  }

  /** A beacon has come from `host`. */
  hello(host: string, datagram: Uint8Array): void {
    const service = this.#at(host)
    const { news, forward } = this.#unbooted.heard(host, this.#context.clock.now())
    if (news) this.#context.observer.event({ type: "board-unbooted", board: host, served: service !== undefined })
    if (forward && service) {
      this.#tell({ kind: MuxNotice.hello, board: service.info.name, payload: datagram })
    }
  }

  /** True if `host` is a board's own address. */
  has(host: string): boolean {
    return this.#at(host) !== undefined
  }

  close(): void {
    this.#closed = true
    this.#lookTimer?.cancel()
    // First: what ends with the server is nobody's release.
    this.leases.close()
    for (const service of this.#services.values()) service.close()
  }

  #serve(name: string, kind: BoardInfo["kind"]): BoardService {
    const existing = this.#services.get(name)
    if (existing) return existing
    const service = serveBoard(name, kind, this.#settings, this.#context, this.#leaseOf(name, kind))
    if (this.#services.size < MAX_BOARDS) this.#services.set(name, service)
    return service
  }

  /** None where the settings know of none: a stage less for every datagram. */
  #leaseOf(name: string, kind: BoardInfo["kind"]): Lease | undefined {
    const { leases, lease = LEASE_DEFAULTS } = this.#settings
    if (!leases && lease === LEASE_DEFAULTS) return undefined
    if (kind === "board") return this.leases.add(name, leases?.get(name) ?? lease)
    const { clock, observer } = this.#context
    return { stage: leasedBmp({ name, leases: this.leases, clock, observer, tellHost: this.#tellHost }) }
  }

  #at(host: string): BoardService | undefined {
    for (const service of this.#services.values()) {
      if (service.info.kind === "board" && service.info.host === host) return service
    }
    return undefined
  }

  #list(): Notice {
    const boards = [...this.#services.values()].map(({ info }) => info)
    return { kind: MuxNotice.boards, board: "", payload: encodeBoardList(boards) }
  }

  /** With --boards all: asks the machine for its boards, now or when the last time is a moment ago. */
  #lookSoon(): void {
    if (this.#settings.boards !== "all" || this.#lookTimer || this.#closed) return
    const { clock } = this.#context
    this.#lookTimer = clock.after(Math.max(0, this.#lookNotBefore - clock.now()), () => {
      this.#lookTimer = undefined
      this.#lookNotBefore = clock.now() + LOOK_GAP_MS
      if (this.#looking) this.#lookSoon()
      else void this.#look()
    })
  }

  async #look(): Promise<void> {
    this.#looking = true
    const found = await findBoards(this.#first.dialScp(), this.#context.clock)
    this.#looking = false
    const here = this.#first.info.host
    if (!found || this.#closed || here === undefined) return
    const others = found.filter((address) => !this.has(address))
    // Whoever booted the machine decides what it says: it must not aim the relay at other networks.
    const near = others.filter((address) => networkOf(address) === networkOf(here))
    const far = others.filter((address) => networkOf(address) !== networkOf(here))
    for (const address of near) if (this.#services.size < MAX_BOARDS) this.#serve(address, "board")
    if (near.length > 0 || far.some((address) => !this.#ignored.has(address))) {
      this.#context.observer.event({ type: "boards-found", board: this.#first.info.name, served: near, ignored: far })
    }
    this.#ignored = new Set(far)
    if (near.length > 0) this.#tell(this.#list())
  }

  /** A board that answers is booted: its next beacon is news again. */
  #watching(observer: Observer): Observer {
    return {
      event: (event: Event) => {
        if (event.type === "board-version" || event.type === "boot-answered") {
          const host = this.#services.get(event.board)?.info.host
          if (host !== undefined) this.#unbooted.booted(host)
        }
        observer.event(event)
        // A machine that has just been booted has other boards, perhaps.
        if (event.type === "boot-answered" || (event.type === "board-version" && !event.booting)) this.#lookSoon()
        // Clients know the boards by the addresses that the machine tells programs.
        if (event.type === "resolved" && this.#services.has(event.name)) this.#tell(this.#list())
      },
      drop: (reason, where, count) => observer.drop(reason, where, count),
    }
  }
}
