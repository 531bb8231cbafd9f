/**
 * Beside the program: remembers what it asks of a board's IP tags, gives it what the board sends by them from the very
 * port that it takes for the board's, and opens the ports of its reverse tags. The rules are in tag-book.ts.
 *
 * It stands nearest to the server: what it needs is the connection itself.
 */
import type { Observer } from "../observe/observer.ts"
import { Result } from "../protocol/scp.ts"
import { isLoopback } from "../transport/address.ts"
import type { AllowList } from "../transport/allow.ts"
import type { Clock } from "../transport/clock.ts"
import type { CloseReason, Link } from "../transport/link.ts"
import { portInUse } from "../transport/port-in-use.ts"
import type { RxPorts } from "../transport/rx-ports.ts"
import { asidePathOf, type TaggedPath, taggedPathOf } from "../transport/tagged-path.ts"
import type { Flow, Stage } from "./flow.ts"
import { StageLink } from "./stage-link.ts"
import { meantHost, TagBook } from "./tag-book.ts"
import { LocalOutlet, type TagOutlet } from "./tag-outlet.ts"
import { TagPace } from "./tag-pace.ts"
import {
  type Asker,
  isTagRequest,
  NO_TAG,
  refusal,
  type TagRequest,
  tagInReply,
  tagReplyOf,
  tagRequestOf,
} from "./tag-request.ts"

/** What the stage needs. */
export interface TagDeliveryOptions {
  readonly clock: Clock
  readonly observer: Observer
  readonly rxPorts: RxPorts
  /** Who may send to the ports of reverse tags; undefined for everybody who reaches them. */
  readonly allow: AllowList | undefined
  /** In UDP mode, the connection beside; over TCP the flow's own link carries tags. */
  readonly dialAside?: (application: string) => (Link & TaggedPath) | undefined
}

/** The tags of one client's programs. */
export interface TagDelivery {
  readonly stage: Stage
  /** True for a flow that must not end for want of requests: its program, or whoever its tags lead to, is there. */
  readonly keeps: (flow: Flow) => boolean | Promise<boolean>
}

/** Numbers of the client's own requests, far from where programs begin to count. */
const FIRST_OWN_SEQUENCE = 0xe000

class DeliveringLink extends StageLink {
  readonly #book = new TagBook()
  readonly #options: TagDeliveryOptions
  readonly #flow: Flow
  readonly #asker: Asker
  readonly #outlet: TagOutlet | undefined
  readonly #pace: TagPace
  /** What carries tags: the flow's own link, or one beside it. */
  #path: (Link & TaggedPath) | undefined
  /** Numbers of own requests whose answers concern nobody else. */
  readonly #own = new Set<number>()
  #nextOwn = FIRST_OWN_SEQUENCE

  constructor(inner: Link, flow: Flow, options: TagDeliveryOptions) {
    super(inner, options.observer)
    this.#options = options
    this.#flow = flow
    this.#pace = new TagPace(options.clock, options.observer, flow.application)
    const aside = asidePathOf(flow.near)
    this.#asker = aside ?? { host: "", port: 0 }
    if (aside) {
      const { rxPorts, observer, allow } = options
      this.#outlet = new LocalOutlet({
        aside,
        rxPorts,
        drops: observer,
        into: (tag, port, datagram) => this.#path?.sendTagged({ tag, direction: "in", port, datagram }),
        hostOf: (asked) => meantHost(asked, aside),
        admits: (host) => !allow || allow.allows(host),
      })
    }
    if (!options.dialAside) {
      this.#path = taggedPathOf(inner)
      if (this.#path) this.#listenTo(this.#path)
    }
  }

  /** True while the program, or whoever one of its tags leads to, has its port open. */
  async keeps(): Promise<boolean> {
    const live = this.#book.live(this.#options.clock.now())
    if (live.length === 0) return false
    // Of other machines' programs nothing is known.
    if (!isLoopback(this.#asker.host)) return true
    if (await portInUse(this.#asker.host, this.#asker.port)) return true
    for (const { asked } of live) {
      if (asked.reverse || asked.useSender || asked.port === 0) continue
      const host = meantHost(asked, this.#asker)
      if (isLoopback(host) && (await portInUse(host, asked.port))) return true
    }
    return false
  }

  protected override outward(datagram: Uint8Array): void {
    const request = isTagRequest(datagram) ? tagRequestOf(datagram) : undefined
    if (request) this.#request(request, datagram)
    else this.inner.send(datagram)
  }

  protected override inward(datagram: Uint8Array): void {
    if (this.#book.awaits || this.#own.size > 0) this.#answer(datagram)
    else this.deliver(datagram)
  }

  protected override release(reason: CloseReason): void {
    this.#pace.close()
    this.#outlet?.close()
    this.#book.clear()
    const path = this.#path
    this.#path = undefined
    if (path !== this.inner) path?.close(reason)
    super.release(reason)
  }

  #request(request: TagRequest, datagram: Uint8Array): void {
    const opening = request.kind === "set" ? this.#outlet?.listen(request.tag, request.asked) : undefined
    if (!opening) {
      this.#pass(request, datagram)
      return
    }
    opening.then((detail) => {
      if (this.closed) return
      if (detail === undefined) {
        this.#pass(request, datagram)
        return
      }
      const { observer } = this.#options
      const { application } = this.#flow
      observer.event({ type: "reverse-port-taken", port: request.asked.port, application, detail })
      this.deliver(refusal(datagram))
    })
  }

  #pass(request: TagRequest, datagram: Uint8Array): void {
    const { dialAside } = this.#options
    this.#book.ask(request, datagram)
    const sets = request.kind === "set" || request.kind === "new"
    // Only who sets a tag needs the connection; who only looks or clears is told the same without.
    if (!this.#path && dialAside && sets) {
      this.#path = dialAside(this.#flow.application)
      if (this.#path) this.#join(this.#path)
    }
    const way = this.#path ?? this.inner
    way.send(datagram)
  }

  /** A link beside the flow's own, for its tag requests and their answers. */
  #join(path: Link & TaggedPath): void {
    this.#listenTo(path)
    path.onClose = () => {
      if (this.#path !== path) return
      this.#path = undefined
      if (this.closed) return
      // The server has ended it, and cleared its tags at the board.
      for (const tag of this.#book.lose()) this.#outlet?.unlisten(tag)
      // No way for tags: what has no answer yet is asked as everything else is.
      for (const datagram of this.#book.unanswered) this.inner.send(datagram)
    }
    path.onDatagram = (datagram) => this.inward(datagram)
  }

  #listenTo(path: TaggedPath): void {
    path.onTagged = ({ tag, direction, port, datagram }) => {
      const asked = direction === "out" ? this.#book.asked(tag) : undefined
      const outlet = this.#outlet
      if (asked && outlet) this.#pace.push(datagram.length, () => outlet.out(tag, port, datagram, asked))
      else this.drops.drop("tag-stray", this.#flow.application)
    }
    path.onRenewed = () => this.#renew()
  }

  /** The server has lost this flow with its connection, and cleared its tags. */
  #renew(): void {
    const renewals = this.#book.renewals(this.#options.clock.now(), () => {
      this.#nextOwn = this.#nextOwn === 0xffff ? FIRST_OWN_SEQUENCE : this.#nextOwn + 1
      this.#own.add(this.#nextOwn)
      return this.#nextOwn
    })
    for (const renewal of renewals) this.#path?.send(renewal)
  }

  #answer(datagram: Uint8Array): void {
    const reply = tagReplyOf(datagram)
    if (reply && this.#own.delete(reply.sequence)) return
    if (reply) {
      const ok = reply.result === Result.OK
      const tag = tagInReply(reply)
      const request = this.#book.answered(reply.sequence, ok, tag, this.#options.clock.now())
      if (request) this.#settle(request, ok, tag)
    }
    this.deliver(datagram)
  }

  /** A reverse tag that is no more, or never was, needs no port. */
  #settle({ kind, tag, asked }: TagRequest, ok: boolean, named: number | undefined): void {
    if (kind === "clear" ? ok : kind === "set" && !(ok && asked.reverse)) this.#outlet?.unlisten(tag)
    // NEW learns its number only now, and a pool tag's port a moment later.
    if (kind === "new" && ok && named !== undefined && named < NO_TAG) void this.#outlet?.listen(named, asked)
  }
}

/** The stage of a client. */
export function deliverTags(options: TagDeliveryOptions): TagDelivery {
  const links = new WeakMap<Flow, DeliveringLink>()
  return {
    stage: (link, flow) => {
      const delivering = new DeliveringLink(link, flow, options)
      links.set(flow, delivering)
      return delivering
    },
    keeps: (flow) => links.get(flow)?.keeps() ?? false,
  }
}
