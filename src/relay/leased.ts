/**
 * One user at a time: a stage around all flows to one board, outermost, so that what is held back reaches no other
 * stage. The rules are in lease.ts; this file joins them to links and to time.
 */
import type { Observer } from "../observe/observer.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import type { CloseReason, Link } from "../transport/link.ts"
import type { Flow, Stage } from "./flow.ts"
import { Lease, type LeaseAction, type LeaseEvent, type LeaseState } from "./lease.ts"
import type { LeaseSettings } from "./lease-settings.ts"
import { LeaseTeller, type TellHost } from "./lease-teller.ts"
import { StageLink } from "./stage-link.ts"

/** Switches a board off and on; rejects with what a person can read. */
export type PowerCycle = (board: string) => Promise<void>

/** What the leases of a server's boards share. */
export interface LeaseContext {
  readonly clock: Clock
  readonly observer: Observer
  /** Has `user` a session now? */
  readonly hasSession: (user: string) => boolean
  readonly tellHost: TellHost
  /** Undefined where there is no BMP to ask. */
  readonly powerCycle: PowerCycle | undefined
}

/** May a datagram of `flow` pass? Asking counts as its user's traffic. */
export type Admits = (flow: Flow, way: "to-board" | "from-board") => boolean

class LeasedLink extends StageLink {
  /** Something of this flow has gone to the board. */
  used = false

  constructor(
    inner: Link,
    readonly flow: Flow,
    private readonly board: BoardLease,
    drops: Observer,
  ) {
    super(inner, drops)
  }

  protected override outward(datagram: Uint8Array): void {
    if (!this.board.admits(this.flow, "to-board")) return
    this.used = true
    this.inner.send(datagram)
  }

  protected override inward(datagram: Uint8Array): void {
    if (this.board.admits(this.flow, "from-board")) this.deliver(datagram)
  }

  protected override release(reason: CloseReason): void {
    this.board.forget(this)
    super.release(reason)
  }
}

/** The lease of one board, and all flows to it. */
export class BoardLease {
  readonly name: string
  readonly #context: LeaseContext
  readonly #lease: Lease
  readonly #teller: LeaseTeller
  readonly #links = new Set<LeasedLink>()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(name: string, settings: LeaseSettings, context: LeaseContext) {
    this.name = name
    this.#context = context
    this.#lease = new Lease({ board: name, settings, hasSession: context.hasSession })
    this.#teller = new LeaseTeller(name, context.clock, context.tellHost)
  }

  /** The stage for every channel of the board. */
  readonly stage: Stage = (link, flow) => {
    const leased = new LeasedLink(link, flow, this, this.#context.observer)
    this.#links.add(leased)
    return leased
  }

  get state(): LeaseState {
    return this.#lease.state
  }

  get settings(): LeaseSettings {
    return this.#lease.settings
  }

  /** Users who wait, the first in turn first. */
  get waiting(): string[] {
    return this.#lease.waiting(this.#context.clock.now())
  }

  /**
   * A datagram of `flow`, either way, is traffic of its user: true if it may pass. What may not is counted, and a user
   * who has sent it waits and is told.
   */
  readonly admits: Admits = (flow, way) => {
    if (this.#closed) return true
    const passed = this.#lease.passes(flow.owner, this.#context.clock.now())
    if (passed !== undefined) return passed
    if (way === "to-board" || this.state.kind === "free") return this.#step({ type: "traffic", user: flow.owner }, flow)
    this.#context.observer.drop("board-in-use", flow.application)
    return false
  }

  /** One thing that has happened, but traffic. */
  tell(event: Exclude<LeaseEvent, { type: "traffic" }>): void {
    if (!this.#closed) this.#step(event)
  }

  /** No more leases: the process ends, or the board is no longer served. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** A flow is over. */
  forget(link: LeasedLink): void {
    this.#links.delete(link)
  }

  /** True if the datagram of `flow` may pass. */
  #step(event: LeaseEvent, flow?: Flow): boolean {
    let passed = false
    for (const action of this.#lease.step(event, this.#context.clock.now())) passed = this.#act(action, flow) || passed
    this.#wakeAt(this.#lease.deadline)
    return passed
  }

  #act(action: LeaseAction, flow: Flow | undefined): boolean {
    switch (action.do) {
      case "pass":
        return true
      case "hold-back":
        if (!flow) return false
        this.#context.observer.drop("board-in-use", flow.application)
        this.#teller.heldBack(flow, action.news)
        return false
      case "end-others":
        this.#end((link) => link.used && link.flow.owner !== action.user, action.reason)
        return false
      case "end-flows":
        this.#end((link) => link.used && link.flow.owner === action.user, action.reason)
        return false
      case "power-cycle":
        void this.#powerCycle(action.reset)
        return false
      case "offer":
        this.#teller.offer(action.user)
        return false
      case "log":
        this.#context.observer.event(action.event)
        return false
    }
  }

  #end(which: (link: LeasedLink) => boolean, reason: CloseReason): void {
    for (const link of [...this.#links]) if (which(link)) link.close(reason)
  }

  async #powerCycle(reset: number): Promise<void> {
    const { powerCycle } = this.#context
    let failed: string | undefined
    try {
      if (powerCycle) await powerCycle(this.name)
      else failed = "no BMP is known that could do it"
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error)
    }
    this.tell({ type: "reset-over", reset, ...(failed !== undefined && { failed }) })
  }

  #wakeAt(at: number): void {
    // A holder's traffic only puts the time off: the timer then looks again.
    if (at >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = at
    const { clock } = this.#context
    this.#timer = clock.after(Math.max(0, at - clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.tell({ type: "time" })
    })
  }
}
