/** The boards of one server: each served for itself, all told to its clients, and beacons passed on by name. */
import { isDeepStrictEqual } from "node:util"
import type { Channel, Event } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { MuxNotice } from "../protocol/mux.ts"
import type { Timer } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { type BoardInfo, encodeBoardList, MAX_BOARDS } from "./board-list.ts"
import { type BoardService, type Lease, serveBoard } from "./board-service.ts"
import { type BoardSpec, specOf } from "./board-spec.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import { findBoards } from "./find-boards.ts"
import type { TellHost } from "./lease-teller.ts"
import { leasedBmp } from "./leased-bmp.ts"
import { Leases } from "./leases.ts"
import { UnbootedBoards } from "./unbooted-boards.ts"

/** Says whether somebody may use the board of that name. */
export type MayUse = (board: string) => boolean
/** For those who may use everything. */
export const everything: MayUse = () => true

/** Ways to the server's clients. */
export interface ServerTold {
  /** To every connection, what `of` has for somebody who may use what he may; nothing if that is undefined. */
  readonly all: (of: (mayUse: MayUse) => Notice | undefined) => void
  /** To those from one host. */
  readonly host: TellHost
}

/** Time between two looks at the machine, milliseconds. */
const LOOK_GAP_MS = 1_000

/** The first two octets: the boards of a machine are in one 192.168.0.0/16. */
function networkOf(address: string): string {
  return address.split(".").slice(0, 2).join(".")
}

/** A BMP that switches other boards than before is another: who had a flow to it may not have one now. */
function isSamePlace(a: BoardSpec, b: BoardSpec): boolean {
  const isSame = a.kind === b.kind && a.address === b.address && a.scpPort === b.scpPort && a.bootPort === b.bootPort
  return isSame && isDeepStrictEqual(a.switches, b.switches)
}

/** All boards that a server serves; the first is what plain UDP and Python's framing get. */
export class ServerBoards {
  readonly #settings: EndpointSettings
  readonly #context: EndpointContext
  /** In the order in which clients are told of them. */
  #services = new Map<string, BoardService>()
  readonly #specs = new Map<string, BoardSpec>()
  readonly #unbooted = new UnbootedBoards()
  readonly #tell: ServerTold["all"]
  readonly #tellHost: TellHost
  /** Whose the boards are. */
  readonly leases: Leases
  /** Boards that the machine told of and that are not served, as they have been told. */
  #ignored: ReadonlySet<string> = new Set()
  #looking = false
  #lookTimer: Timer | undefined
  #lookNotBefore = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(specs: readonly BoardSpec[], settings: EndpointSettings, context: EndpointContext, told: ServerTold) {
    this.#settings = settings
    this.#context = { ...context, observer: this.#watching(context.observer) }
    this.#tell = told.all
    this.#tellHost = told.host
    const { clock, powerCycle } = context
    this.leases = new Leases({ clock, observer: context.observer, tellHost: told.host, powerCycle })
    for (const spec of specs) this.#serve(spec)
  }

  /** Serves these boards from now on, and no others; flows to boards that stay where they are go on. */
  reconfigure(specs: readonly BoardSpec[]): void {
    const wanted = new Map(specs.map((spec) => [spec.name, spec]))
    for (const [name, service] of this.#services) {
      const before = this.#specs.get(name)!
      const after = wanted.get(name)
      if (after && isSamePlace(before, after)) {
        if (after.lease) this.leases.reconfigure(name, after.lease)
        this.#specs.set(name, after)
        continue
      }
      this.#services.delete(name)
      this.#specs.delete(name)
      service.close()
      if (before.lease) this.leases.remove(name)
    }
    for (const spec of specs) this.#serve(spec)
    const sorted = [...wanted.keys()].flatMap((name) => {
      const service = this.#services.get(name)
      return service ? [[name, service] as const] : []
    })
    this.#services = new Map(sorted)
    this.#tell((mayUse) => this.#list(mayUse))
  }

  /** Names and kinds of the boards now, and where they are. */
  get infos(): readonly BoardInfo[] {
    return [...this.#services.values()].map(({ info }) => {
      const type = this.#specs.get(info.name)?.type
      return type ? { ...info, type } : info
    })
  }

  /** Flows to the board of that name now. */
  flowsOf(board: string): number {
    return this.#services.get(board)?.flowCount ?? 0
  }

  /** Flows now. */
  get flowCount(): number {
    return [...this.#services.values()].reduce((sum, service) => sum + service.flowCount, 0)
  }

  /** Takes a flow for the board of that name; empty: the first that may be used. */
  accept(link: Link, channel: Channel, board: string, mayUse: MayUse = everything): void {
    const service = board === "" ? this.#first(mayUse) : this.#services.get(board)
    // The same words for a board that is not there and one that is others': which it is, is not told.
    if (service && mayUse(service.info.name)) service.accept(link, channel)
    else link.close({ code: "refused", detail: `this server has no board ${board || "for you"}` })
  }

  /** A client's notice. */
  noticed(notice: Notice, answer: (notice: Notice) => void, mayUse: MayUse = everything): void {
    if (notice.kind !== MuxNotice.boardsWanted) return
    answer(this.#list(mayUse))
    this.#lookSoon()
  }

  /** A beacon has come from `host`. */
  hello(host: string, datagram: Uint8Array): void {
    const service = this.#at(host)
    const { news, forward } = this.#unbooted.heard(host, this.#context.clock.now())
    if (news) this.#context.observer.event({ type: "board-unbooted", board: host, served: service !== undefined })
    if (forward && service) {
      const { name } = service.info
      this.#tell((mayUse) => (mayUse(name) ? { kind: MuxNotice.hello, board: name, payload: datagram } : undefined))
    }
  }

  /** True if `host` is a board's own address. */
  has(host: string): boolean {
    return this.#at(host) !== undefined
  }

  close(): void {
    this.#closed = true
    this.#lookTimer?.cancel()
    this.leases.close()
    for (const service of this.#services.values()) service.close()
  }

  #serve(spec: BoardSpec): void {
    if (this.#services.has(spec.name) || this.#services.size >= MAX_BOARDS) return
    this.#specs.set(spec.name, spec)
    this.#services.set(spec.name, serveBoard(spec, this.#settings, this.#context, this.#leaseOf(spec)))
  }

  #first(mayUse: MayUse): BoardService | undefined {
    for (const service of this.#services.values()) {
      if (service.info.kind === "board" && mayUse(service.info.name)) return service
    }
    return undefined
  }

  /** None where its spec knows of none: a stage less for every datagram. */
  #leaseOf({ name, kind, lease }: BoardSpec): Lease | undefined {
    if (!lease) return undefined
    if (kind === "board") return this.leases.add(name, lease)
    const { clock, observer } = this.#context
    return { stage: leasedBmp({ name, leases: this.leases, clock, observer, tellHost: this.#tellHost }) }
  }

  #at(host: string): BoardService | undefined {
    for (const service of this.#services.values()) {
      if (service.info.kind === "board" && service.info.host === host) return service
    }
    return undefined
  }

  #list(mayUse: MayUse): Notice {
    const boards = this.infos.filter(({ name }) => mayUse(name))
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
    const first = this.#first(everything)
    if (!first) return
    this.#looking = true
    const found = await findBoards(first.dialScp(), this.#context.clock)
    this.#looking = false
    const here = first.info.host
    if (!found || this.#closed || here === undefined) return
    const others = found.filter((address) => !this.has(address))
    // Whoever booted the machine decides what it says: it must not aim the relay at other networks.
    const near = others.filter((address) => networkOf(address) === networkOf(here))
    const far = others.filter((address) => networkOf(address) !== networkOf(here))
    for (const address of near) this.#serve(specOf(address, "board", this.#settings))
    if (near.length > 0 || far.some((address) => !this.#ignored.has(address))) {
      this.#context.observer.event({ type: "boards-found", board: first.info.name, served: near, ignored: far })
    }
    this.#ignored = new Set(far)
    if (near.length > 0) this.#tell((mayUse) => this.#list(mayUse))
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
        if (event.type === "resolved" && [...this.#specs.values()].some(({ address }) => address === event.name)) {
          this.#tell((mayUse) => this.#list(mayUse))
        }
      },
      drop: (reason, where, count) => observer.drop(reason, where, count),
    }
  }
}
