/**
 * The boards of a client: the first at the address that was asked for, and as many more as its server has, each at a
 * 127.0.0.x of its own, because programs know no other ports than the usual.
 */
import { isIPv4 } from "node:net"
import type { Channel } from "../observe/events.ts"
import { MuxNotice } from "../protocol/mux.ts"
import { formatAddress } from "../transport/address.ts"
import type { Dial } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { errorCode, openSocket } from "../transport/udp-socket.ts"
import { type AddressBook, type AddressStore, candidates, withAddress } from "./address-book.ts"
import { type BoardInfo, decodeBoardList, MAX_BOARDS } from "./board-list.ts"
import type { TagDelivery } from "./deliver-tags.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import { LeaseLines } from "./lease-lines.ts"
import { LocalBoard } from "./local-board.ts"
import { AddressMap } from "./rewrite-addresses.ts"
import { CHANNELS, PortNeededError } from "./services.ts"

/** What the boards need from their client. */
export interface ClientBoardsOptions {
  readonly settings: EndpointSettings
  readonly context: EndpointContext
  /** A dial to the server's board of that name; empty: the first. */
  readonly dial: (board: string, channel: Channel) => Dial
  /** Gives programs what that board sends by IP tag. */
  readonly tags: (board: string) => TagDelivery
}

/** Unknown boards that are told of, each once. */
const MAX_TOLD = MAX_BOARDS

/** All boards that programs on this machine can reach. */
export class ClientBoards {
  readonly #options: ClientBoardsOptions
  readonly #addresses = new AddressMap()
  readonly #boards = new Map<string, { board: LocalBoard; address: string }>()
  readonly #refused = new Set<string>()
  readonly #told = new Set<string>()
  readonly #leases = new LeaseLines()
  #first!: LocalBoard
  /** What stands at the first board's address; undefined before the first list. */
  #firstInfo: BoardInfo | undefined
  /** How often that was a board of another name. */
  #successions = 0
  /** Boards with an address here of which the last list did not tell. */
  readonly #gone = new Set<string>()
  /** How often that was told. */
  #goneTold = 0
  /** Lists are taken in one after the other. */
  #work: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(options: ClientBoardsOptions) {
    this.#options = options
  }

  /** Opens the first board's ports; rejects with PortNeededError when one is taken. */
  static async open(options: ClientBoardsOptions): Promise<ClientBoards> {
    const boards = new ClientBoards(options)
    boards.#first = await boards.#open("", options.settings.target, options.settings.bind, "board")
    return boards
  }

  /** The first board's ports. */
  port(channel: Channel): number | undefined {
    return this.#first.ports.get(channel)
  }

  /** The server's name for the board at the first address; empty, for the server's first, before it has told. */
  get firstName(): string {
    return this.#firstInfo?.name ?? ""
  }

  /** Flows now. */
  get flowCount(): number {
    return this.#all().reduce((sum, board) => sum + board.flowCount, 0)
  }

  /** Lets programs through to the first board. */
  start(): void {
    this.#first.start()
  }

  /** The server has told some news. */
  noticed(notice: Notice): void {
    if (notice.kind === MuxNotice.hello) this.#boards.get(notice.board)?.board.hello(notice.payload)
    if (notice.kind === MuxNotice.inUse) this.#inUse(notice)
    if (notice.kind !== MuxNotice.boards) return
    const list = decodeBoardList(notice.payload)
    if (!list) {
      this.#options.context.observer.drop("malformed", "list of boards")
      return
    }
    this.#work = this.#work.then(() => this.#take(list)).catch((error) => this.#fault(error))
  }

  /** Resolves when all lists that have come are taken in. */
  settled(): Promise<void> {
    return this.#work
  }

  close(): void {
    this.#closed = true
    for (const board of this.#all()) board.close()
  }

  #inUse({ board, payload }: Notice): void {
    const { clock, observer } = this.#options.context
    const news = this.#leases.heard(board, payload, clock.now())
    if (news === "malformed") observer.drop("malformed", "news of a lease")
    else if (news) observer.event({ type: "board-in-use", board, news })
  }

  #all(): LocalBoard[] {
    return [...new Set([this.#first, ...[...this.#boards.values()].map(({ board }) => board)])]
  }

  async #take(list: readonly BoardInfo[]): Promise<void> {
    const first = this.#firstOf(list)
    // A server that calls its first board something else each time must not fill the log.
    if (first && this.#successions++ >= MAX_BOARDS) return
    if (first) this.#meetFirst(first)
    this.#tellGone(list)
    for (const info of list) {
      if (this.#closed) return
      if (!this.#boards.has(info.name) && this.#boards.size < MAX_BOARDS) await this.#meet(info)
      if (info.name === this.firstName) this.#firstInfo = info
      this.#map(info)
    }
  }

  /**
   * What is to be at the first address from now on; undefined: what is there. Programs that are under way must not find
   * another board where theirs was, so the place is for the server's first board as it was first told, for the same
   * under another name, and for one that is the server's only board.
   */
  #firstOf(list: readonly BoardInfo[]): BoardInfo | undefined {
    const now = this.#firstInfo
    if (!now) return list[0]
    if (list.some(({ name }) => name === now.name)) return undefined
    const boards = list.filter(({ kind }) => kind === "board")
    const successor =
      boards.length === 1 ? boards[0] : boards.find(({ host }) => host !== undefined && host === now.host)
    return successor && !this.#boards.has(successor.name) ? successor : undefined
  }

  #meetFirst(info: BoardInfo): void {
    const { bind } = this.#options.settings
    const address = bind[0] !== undefined && isIPv4(bind[0]) && bind[0] !== "0.0.0.0" ? bind[0] : "127.0.0.1"
    if (this.#firstInfo) this.#forget(this.#firstInfo.name)
    this.#firstInfo = info
    this.#boards.set(info.name, { board: this.#first, address })
    this.#tell(info, address)
  }

  #forget(name: string): void {
    this.#boards.delete(name)
    this.#gone.delete(name)
  }

  /** Says which boards are not served any more, and which are again. */
  #tellGone(list: readonly BoardInfo[]): void {
    for (const [board, { address }] of this.#boards) {
      const info = list.find(({ name }) => name === board)
      if (info && this.#gone.delete(board)) this.#tell(info, address)
      if (info || this.#gone.has(board) || this.#goneTold >= MAX_TOLD) continue
      this.#gone.add(board)
      this.#goneTold++
      this.#options.context.observer.event({ type: "board-gone", board, address })
    }
  }

  async #meet(info: BoardInfo): Promise<void> {
    const { settings, context } = this.#options
    const relay = formatAddress({ host: settings.target, port: settings.scpTunnelPort })
    const store = context.addresses ?? NO_STORE
    const book = store.load()
    const fixed = settings.addresses?.get(info.name)
    for (const address of fixed !== undefined ? [fixed] : this.#candidates(book, relay, info.name)) {
      const opened = await this.#try(info, address)
      if (opened === "next") continue
      if (opened === "stop") return
      if (this.#closed) {
        opened.close()
        return
      }
      this.#boards.set(info.name, { board: opened, address })
      opened.start()
      if (fixed === undefined && book[relay]?.[info.name] !== address) {
        store.save(withAddress(book, relay, info.name, address))
      }
      this.#tell(info, address)
      return
    }
    this.#complain(info, fixed ?? "127.0.0.x", "its ports are taken by another program")
  }

  #candidates(book: AddressBook, relay: string, board: string): string[] {
    const { settings } = this.#options
    const taken = new Set([...this.#boards.values()].map(({ address }) => address))
    for (const address of settings.addresses?.values() ?? []) taken.add(address)
    for (const address of settings.bind) taken.add(address)
    return candidates(book, relay, board, settings.bind[0] ?? "", taken)
  }

  /** The board at `address`; or, "next": try another, or "stop": this has been told. */
  async #try(info: BoardInfo, address: string): Promise<LocalBoard | "next" | "stop"> {
    const missing = await missingAddress(address)
    if (missing !== undefined) {
      this.#complain(info, address, missing)
      return "stop"
    }
    try {
      return await this.#open(info.name, info.name, [address], info.kind)
    } catch (error) {
      if (error instanceof PortNeededError) return "next"
      throw error
    }
  }

  #open(board: string, name: string, bind: readonly string[], kind: BoardInfo["kind"]): Promise<LocalBoard> {
    const { settings, context, dial, tags } = this.#options
    const boots = kind === "board" && settings.bootListener !== false
    return LocalBoard.open({
      name,
      settings,
      context,
      bind,
      channels: boots ? CHANNELS : CHANNELS.filter((channel) => channel === "scp"),
      dial: (channel) => dial(board, channel),
      tags: kind === "board" ? tags(board) : undefined,
      addresses: kind === "board" ? this.#addresses : undefined,
      onUnknownAddress: (address) => this.#unknown(address),
    })
  }

  #map(info: BoardInfo): void {
    const known = this.#boards.get(info.name)
    if (known && info.kind === "board" && info.host !== undefined) this.#addresses.set(info.host, known.address)
  }

  #tell(info: BoardInfo, address: string): void {
    const { name: board, kind, type: boardType } = info
    const { observer } = this.#options.context
    observer.event({ type: "board-address", board, kind, address, ...(boardType && { boardType }) })
  }

  #complain(info: BoardInfo, address: string, detail: string): void {
    if (this.#refused.has(info.name) || this.#refused.size >= MAX_TOLD) return
    this.#refused.add(info.name)
    this.#options.context.observer.event({ type: "board-no-address", board: info.name, address, detail })
  }

  #unknown(address: string): void {
    if (this.#told.has(address) || this.#told.size >= MAX_TOLD) return
    this.#told.add(address)
    this.#options.context.observer.event({ type: "board-elsewhere", address })
  }

  #fault(error: unknown): void {
    const { observer } = this.#options.context
    observer.event({ type: "internal-error", where: "the list of boards", detail: String(error) })
  }
}

const NO_STORE: AddressStore = { load: () => ({}), save() {} }

/** Why nothing can be bound to `address` on this machine; undefined if it can. */
async function missingAddress(address: string): Promise<string | undefined> {
  try {
    const socket = await openSocket({ host: address, port: 0 }, { onDatagram() {}, onError() {}, onDrain() {} })
    socket.close()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}
