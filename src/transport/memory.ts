/**
 * Links without sockets, on an injected clock and with seeded faults: what the long fault tests run on. A line
 * delivers in later clock turns, as a network does, never inside send().
 */
import type { Drops } from "../observe/observer.ts"
import type { Address } from "./address.ts"
import type { Clock } from "./clock.ts"
import { BaseLink, type CloseReason, type Link, type Listener } from "./link.ts"
import type { Random } from "./random.ts"

/** What a line does to each datagram. Chances are 0..1. */
export interface LineFaults {
  drop?: number
  duplicate?: number
  delayMs?: number
  /** Added to the delay, uniformly 0..jitterMs; datagrams may overtake each other. */
  jitterMs?: number
}

/** What a memory line needs from outside. */
export interface LineContext {
  clock: Clock
  random: Random
  drops: Drops
}

class MemoryLink extends BaseLink {
  other: MemoryLink | undefined

  constructor(
    readonly peer: string,
    private readonly context: LineContext,
    private readonly faults: LineFaults,
  ) {
    super(context.drops)
  }

  protected override transmit(datagram: Uint8Array): void {
    const { clock, random } = this.context
    const { drop = 0, duplicate = 0, delayMs = 0, jitterMs = 0 } = this.faults
    const copies = random() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (random() < drop) {
        this.drops.drop("fault", this.peer)
        continue
      }
      const bytes = new Uint8Array(datagram)
      clock.after(delayMs + random() * jitterMs, () => this.other?.deliver(bytes))
    }
  }

  protected override release(): void {
    const { other } = this
    this.context.clock.after(0, () => other?.finish({ code: "peer-closed" }))
  }

  override deliver(datagram: Uint8Array): void {
    super.deliver(datagram)
  }

  override finish(reason: CloseReason): void {
    super.finish(reason)
  }
}

/** Two ends of one line; `out` are the faults from the first to the second, `back` the other way. */
export function memoryPair(
  context: LineContext,
  names: { first: string; second: string },
  out: LineFaults = {},
  back: LineFaults = out,
): [Link, Link] {
  const first = new MemoryLink(names.second, context, out)
  const second = new MemoryLink(names.first, context, back)
  first.other = second
  second.other = first
  return [first, second]
}

/** A listener that links are dialled to by calling `dial`. */
export class MemoryListener implements Listener {
  readonly address: Address
  #onLink: ((link: Link) => void) | undefined
  #waiting: Link[] = []
  #links = new Set<Link>()
  #count = 0

  constructor(
    name: string,
    private readonly context: LineContext,
  ) {
    this.address = { host: name, port: 1 }
  }

  set onLink(handler: (link: Link) => void) {
    this.#onLink = handler
    for (const link of this.#waiting.splice(0)) handler(link)
  }

  /** A new line to this listener; the returned end is the caller's. */
  dial(application = `${this.address.host}-${++this.#count}:1`, out: LineFaults = {}, back: LineFaults = out): Link {
    const [near, far] = memoryPair(this.context, { first: application, second: this.address.host }, out, back)
    this.#links.add(far)
    if (this.#onLink) this.#onLink(far)
    else this.#waiting.push(far)
    return near
  }

  close(): void {
    for (const link of this.#links) link.close({ code: "shutdown" })
    this.#links.clear()
  }
}
