/** The boards of one server: each served for itself, all told to its clients, and beacons passed on by name. */
import type { Channel, Event } from "../observe/events.ts"
import type { Observer } from "../observe/observer.ts"
import { MuxNotice } from "../protocol/mux.ts"
import type { Link } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { type BoardInfo, encodeBoardList, MAX_BOARDS } from "./board-list.ts"
import { type BoardService, serveBoard } from "./board-service.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import { UnbootedBoards } from "./unbooted-boards.ts"

/** All boards that a server serves; the first is what plain UDP and Python's framing get. */
export class ServerBoards {
  readonly #settings: EndpointSettings
  readonly #context: EndpointContext
  readonly #services = new Map<string, BoardService>()
  readonly #unbooted = new UnbootedBoards()
  readonly #tell: (notice: Notice) => void
  readonly #first: BoardService

  constructor(settings: EndpointSettings, context: EndpointContext, tell: (notice: Notice) => void) {
    this.#settings = settings
    this.#context = { ...context, observer: this.#watching(context.observer) }
    this.#tell = tell
    this.#first = this.#serve(settings.target, "board")
    for (const name of settings.boards ?? []) this.#serve(name, "board")
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
    if (notice.kind === MuxNotice.boardsWanted) answer(this.#list())
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
    for (const service of this.#services.values()) service.close()
  }

  #serve(name: string, kind: BoardInfo["kind"]): BoardService {
    const existing = this.#services.get(name)
    if (existing) return existing
    const service = serveBoard(name, kind, this.#settings, this.#context)
    if (this.#services.size < MAX_BOARDS) this.#services.set(name, service)
    return service
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

  /** A board that answers is booted: its next beacon is news again. */
  #watching(observer: Observer): Observer {
    return {
      event: (event: Event) => {
        if (event.type === "board-version" || event.type === "boot-answered") {
          const host = this.#services.get(event.board)?.info.host
          if (host !== undefined) this.#unbooted.booted(host)
        }
        observer.event(event)
        // Clients know the boards by the addresses that the machine tells programs.
        if (event.type === "resolved" && this.#services.has(event.name)) this.#tell(this.#list())
      },
      drop: (reason, where, count) => observer.drop(reason, where, count),
    }
  }
}
