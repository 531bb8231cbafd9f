/**
 * Beside the board: IP tags that programs far away set. Each tag gets a port of the server's own, which the board is
 * told in place of the program's, and what the board sends there goes to the program's flow. The rules are in
 * tag-router.ts; this file joins them to links and sockets.
 *
 * It stands nearest to the board, inside the guard: the guard compares what programs sent, and every answer passes
 * here once.
 */
import type { Observer } from "../observe/observer.ts"
import { Result } from "../protocol/scp.ts"
import type { BoardPath, OpenBoardPath } from "../transport/board-path.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { CloseReason, Link } from "../transport/link.ts"
import type { RxPorts } from "../transport/rx-ports.ts"
import { asidePathOf, taggedPathOf } from "../transport/tagged-path.ts"
import type { Flow, Stage } from "./flow.ts"
import type { Admits } from "./leased.ts"
import { StageLink } from "./stage-link.ts"
import { TagClearing } from "./tag-clearing.ts"
import { clientOutlet, type IntoTag, LocalOutlet, type TagOutlet } from "./tag-outlet.ts"
import {
  type Asker,
  isTagRequest,
  refusal,
  type TagRequest,
  tagInReply,
  tagReplyOf,
  tagRequestOf,
  towardRelay,
  withAsked,
} from "./tag-request.ts"
import { type TagAction, TagRouter } from "./tag-router.ts"

/** What routing the tags of one board needs. */
export interface TagRoutingOptions {
  /** The board's name, for the log. */
  readonly board: string
  /** The port that the board sends from by itself. */
  readonly scpPort: number
  readonly clock: Clock
  readonly observer: Observer
  readonly openPath: OpenBoardPath
  /** A link to the board's SCP port, for the relay's own requests. */
  readonly dialScp: () => Link
  /** Ports of this machine that stand for reverse tags, for programs that come without a client. */
  readonly rxPorts: RxPorts
  /** Asked about what goes by a tag of a flow, either way: false if its user must wait for the board. */
  readonly admits?: Admits
}

/** The tags of one board. */
export interface TagRouting {
  readonly stage: Stage
  /** True for a flow that must not end for want of requests: its tags are in use. */
  readonly keeps: (flow: Flow, idleMs: number) => boolean
  close(): void
}

/** Paths at once, those that wait for the board to forget them included: sixteen tags, over and over. */
export const PATH_LIMIT = 256

/** A path and what waits for it. */
interface PathState {
  path: BoardPath | undefined
  /** By sequence number: sends the request, or (undefined) refuses it. */
  readonly waiting: Map<number, (path: BoardPath | undefined) => void>
}

class Routing implements TagRouting {
  readonly #options: TagRoutingOptions
  readonly #router = new TagRouter()
  readonly #clearing: TagClearing
  readonly #paths = new Map<number, PathState>()
  readonly #flows = new Map<number, RoutedLink>()
  #timer: Timer | undefined
  #told = false

  constructor(options: TagRoutingOptions) {
    this.#options = options
    this.#clearing = new TagClearing({ clock: options.clock, dial: options.dialScp })
  }

  readonly stage: Stage = (link, flow) => new RoutedLink(link, flow, this, this.#options)

  readonly keeps = (flow: Flow, idleMs: number): boolean => {
    const link = this.#flows.get(flow.id)
    if (!link || this.#router.heldBy(flow.id).length === 0) return false
    // A client of ours knows whether its program is still there; a program that comes straight is alive while it is
    // sent something.
    return taggedPathOf(flow.near) !== undefined || this.#options.clock.now() - link.lastTagged < idleMs
  }

  close(): void {
    this.#timer?.cancel()
    this.#clearing.close()
    for (const { path } of this.#paths.values()) path?.close()
    this.#paths.clear()
  }

  /** A tag request of `link`; what goes to the board goes through `link.toBoard`. */
  request(link: RoutedLink, datagram: Uint8Array): void {
    const request = tagRequestOf(datagram)
    const { outlet, flow } = link
    if (!request) {
      link.toBoard(datagram)
      return
    }
    if (!outlet) {
      this.#tellNoWay(request, flow)
      link.toBoard(datagram)
      return
    }
    this.#flows.set(flow.id, link)
    const opening = request.kind === "set" ? outlet.listen(request.tag, request.asked) : undefined
    if (!opening) {
      this.#ask(link, request, datagram)
      return
    }
    opening.then((code) => {
      if (link.closed) return
      if (code === undefined) {
        this.#ask(link, request, datagram)
        return
      }
      const { port } = request.asked
      this.#options.observer.event({
        type: "reverse-port-taken",
        port,
        application: flow.application,
        detail: code,
      })
      link.toProgram(refusal(datagram))
    })
  }

  #ask(link: RoutedLink, request: TagRequest, datagram: Uint8Array): void {
    const { flow } = link
    const { path, actions } = this.#router.ask(flow.id, request, this.#options.clock.now())
    this.#do(actions)
    if (path === undefined) {
      link.toBoard(datagram)
      return
    }
    this.#clearing.prepare()
    const send = (open: BoardPath | undefined): void => {
      if (open) link.toBoard(towardRelay(datagram, open.port))
      else this.#refuse(link, request, datagram)
    }
    const state = this.#paths.get(path)
    if (!state) send(undefined)
    else if (state.path) send(state.path)
    else state.waiting.set(request.sequence, send)
  }

  /** A reply on its way to `link`'s program; what it is to be told. */
  reply(link: RoutedLink, datagram: Uint8Array): Uint8Array {
    const { flow } = link
    if (!this.#router.awaits(flow.id)) return datagram
    const reply = tagReplyOf(datagram)
    if (!reply) return datagram
    const ok = reply.result === Result.OK
    const now = this.#options.clock.now()
    const { actions, request } = this.#router.answered(flow.id, reply.sequence, ok, tagInReply(reply), now)
    this.#do(actions)
    const unlistened = request?.kind === "clear" ? ok : request?.kind === "set" && !(ok && request.asked.reverse)
    if (request && unlistened) link.outlet?.unlisten(request.tag)
    if (request?.kind !== "get" || !ok) return datagram
    return withAsked(datagram, request.tag, link.asker, (tag) => this.#router.askedBy(flow.id, tag))
  }

  /** A datagram for the reverse tag `tag` of `flow`. */
  into(flow: Flow, tag: number, datagram: Uint8Array): void {
    const path = this.#router.pathInto(flow.id, tag)
    const open = path === undefined ? undefined : this.#paths.get(path)?.path
    if (!open) this.#options.observer.drop("tag-stray", this.#options.board)
    else if (this.#options.admits?.(flow, "to-board") ?? true) open.send(datagram)
  }

  /** The flow is over. */
  closed(link: RoutedLink): void {
    if (!this.#flows.delete(link.flow.id)) return
    this.#do(this.#router.closed(link.flow.id))
  }

  #do(actions: readonly TagAction[]): void {
    for (const action of actions) this.#act(action)
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#timer = undefined
    const at = this.#router.deadline
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(at - clock.now(), () => this.#do(this.#router.expire(clock.now())))
  }

  #act(action: TagAction): void {
    switch (action.type) {
      case "open":
        this.#open(action.path, action.port)
        return
      case "close":
        this.#close(action.path)
        return
      case "clear":
        this.#clearing.clear(action.tag, action.chip, () => this.#close(action.path))
        return
      case "linger":
        this.#clearing.linger(() => this.#close(action.path))
        return
      case "taken":
        this.#clearing.taken(action.tag)
        this.#tellTaken(action.tag, action.by, action.from)
        return
      case "cleared":
        this.#tellLost(action.tag, action.by, action.from)
        return
    }
  }

  async #open(id: number, port: number): Promise<void> {
    // Without a state its request is refused.
    if (this.#paths.size >= PATH_LIMIT) return
    const state: PathState = { path: undefined, waiting: new Map() }
    this.#paths.set(id, state)
    let path: BoardPath | undefined
    try {
      const fromPort = port || this.#options.scpPort
      path = await this.#options.openPath(fromPort, (datagram) => this.#arrived(id, fromPort, datagram))
    } catch {
      // Out of sockets: the program is told that its request has failed, and the log in #refuse.
    }
    if (this.#paths.get(id) !== state) {
      path?.close()
      return
    }
    state.path = path
    const waiting = [...state.waiting.values()]
    state.waiting.clear()
    if (!path) this.#paths.delete(id)
    for (const send of waiting) send(path)
  }

  #close(id: number): void {
    this.#paths.get(id)?.path?.close()
    this.#paths.delete(id)
  }

  #arrived(path: number, port: number, datagram: Uint8Array): void {
    const owner = this.#router.ownerOf(path)
    const link = owner && this.#flows.get(owner.flow)
    if (!link?.outlet || owner?.tag === undefined) {
      this.#options.observer.drop("tag-stray", this.#options.board)
      return
    }
    if (!(this.#options.admits?.(link.flow, "from-board") ?? true)) return
    link.lastTagged = this.#options.clock.now()
    link.outlet.out(owner.tag, port, datagram, owner.asked)
  }

  #refuse(link: RoutedLink, request: TagRequest, datagram: Uint8Array): void {
    const { observer, clock, board } = this.#options
    const { application } = link.flow
    const detail = this.#paths.size >= PATH_LIMIT ? "too many tags in a minute" : "this machine has no more sockets"
    observer.event({ type: "tag-refused", board, application, tag: request.tag, detail })
    this.#do(this.#router.answered(link.flow.id, request.sequence, false, undefined, clock.now()).actions)
    link.toProgram(refusal(datagram))
  }

  #tellTaken(tag: number, by: number, from: number | undefined): void {
    const { observer, board } = this.#options
    const taker = this.#flows.get(by)
    const loser = from === undefined ? undefined : this.#flows.get(from)
    if (from !== undefined) loser?.outlet?.unlisten(tag)
    const application = taker?.flow.application ?? ""
    const asked = this.#router.askedBy(by, tag)
    if (loser) observer.event({ type: "tag-taken", board, tag, from: loser.flow.application, by: application })
    else if (asked) observer.event({ type: "tag-set", board, tag, application, reverse: asked.reverse })
  }

  #tellLost(tag: number, by: number, from: number): void {
    const { observer, board } = this.#options
    const loser = this.#flows.get(from)
    const application = this.#flows.get(by)?.flow.application ?? ""
    loser?.outlet?.unlisten(tag)
    if (loser) observer.event({ type: "tag-taken", board, tag, from: loser.flow.application, by: application })
  }

  #tellNoWay(request: TagRequest, flow: Flow): void {
    if (this.#told || request.kind === "get" || request.kind === "clear") return
    this.#told = true
    this.#options.observer.event({ type: "tags-not-passing", peer: flow.application, side: "client" })
  }
}

/** One flow: passes everything on but tag requests and, while one is unanswered, replies. */
class RoutedLink extends StageLink {
  readonly outlet: TagOutlet | undefined
  /** The application as its own tags would show it. */
  readonly asker: Asker
  /** When the board last sent something by a tag of this flow. */
  lastTagged = Number.NEGATIVE_INFINITY

  constructor(
    inner: Link,
    readonly flow: Flow,
    private readonly routing: Routing,
    { observer: drops, rxPorts }: TagRoutingOptions,
  ) {
    super(inner, drops)
    const tagged = taggedPathOf(flow.near)
    const aside = asidePathOf(flow.near)
    const into: IntoTag = (tag, _port, datagram) => routing.into(flow, tag, datagram)
    if (tagged) this.outlet = clientOutlet(tagged, into, drops)
    else if (aside) {
      // To whoever asks and to nobody else: nobody aims a stream at a third party.
      const admits = (host: string): boolean => host === aside.host
      this.outlet = new LocalOutlet({ aside, rxPorts, drops, into, admits, hostOf: () => aside.host })
    }
    this.asker = askerOf(flow)
  }

  protected override outward(datagram: Uint8Array): void {
    if (isTagRequest(datagram)) this.routing.request(this, datagram)
    else this.inner.send(datagram)
  }

  protected override inward(datagram: Uint8Array): void {
    this.deliver(this.routing.reply(this, datagram))
  }

  protected override release(reason: CloseReason): void {
    this.outlet?.close()
    this.routing.closed(this)
    super.release(reason)
  }

  toBoard(datagram: Uint8Array): void {
    if (!this.closed) this.inner.send(datagram)
  }

  toProgram(datagram: Uint8Array): void {
    if (!this.closed) this.deliver(datagram)
  }
}

/** `127.0.0.1:4000 via 192.0.2.7:5000` is 127.0.0.1, port 4000. */
function askerOf({ application }: Flow): Asker {
  const own = application.split(" ", 1)[0]!
  const colon = own.lastIndexOf(":")
  return { host: own.slice(0, Math.max(0, colon)), port: Number(own.slice(colon + 1)) || 0 }
}

/** The tags of one board, as a stage for the flows to it. */
export function routeTags(options: TagRoutingOptions): TagRouting {
  return new Routing(options)
}
