/**
 * Beside the board: a boot is delivered as the boot ROM can take it, and until the board answers. The rules are in
 * boot-machine.ts and boot-queue.ts; this file joins them to links, to time and to the probe.
 */
import { describeVersion } from "../protocol/version.ts"
import type { Timer } from "../transport/clock.ts"
import type { CloseReason, Link } from "../transport/link.ts"
import type { Board } from "./board.ts"
import { BootMachine } from "./boot-machine.ts"
import { BootProbe } from "./boot-probe.ts"
import { BootQueue } from "./boot-queue.ts"
import type { BootAction, BootEvent } from "./boot-state.ts"
import type { Flow, Stage } from "./flow.ts"
import { StageLink } from "./stage-link.ts"

/** Milliseconds between two boot datagrams unless told otherwise: ybug's gap, the shortest that boots real boards. */
export const DEFAULT_BOOT_GAP_MS = 10

/** What the boots of one board need. */
export interface PaceBootOptions {
  readonly board: Board
  /** A new link to the board's SCP port, for the relay's own VER. */
  readonly dialScp: () => Link
  /** `--boot-gap`: at least so many milliseconds between two boot datagrams; default 10. */
  readonly bootGapMs?: number
}

/** The stage of one board's boots. */
export interface BootStage extends Stage {
  /** Ends whatever boot is under way, and the relay's own link to the board with it. */
  close(): void
}

/** What all boot flows of one board share. */
class BootStation {
  readonly board: Board
  readonly #machine: BootMachine
  readonly #queue = new BootQueue()
  readonly #probe: BootProbe
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** The link that leads to the board from the flow that sent last. */
  #carrier: Link | undefined
  /** That link, if its flow is over: the boot outlives its client. */
  #lingering: Link | undefined

  constructor(options: PaceBootOptions) {
    const { board, dialScp, bootGapMs = DEFAULT_BOOT_GAP_MS } = options
    this.board = board
    // Without any gap one pass would follow another without end.
    this.#machine = new BootMachine(board.name, Math.max(1, bootGapMs))
    this.#probe = new BootProbe({
      clock: board.clock,
      dialScp,
      onVersion: (version, booting) => this.#step({ type: "version", version: describeVersion(version), booting }),
    })
  }

  /** A datagram from an application; `link` leads to the board. */
  receive(flow: Flow, link: Link, datagram: Uint8Array): void {
    this.#step({ type: "datagram", from: flow, datagram }, link)
  }

  /** A flow is over; returns true if its link must stay open until the boot is through. */
  leave(flow: Flow, link: Link): boolean {
    this.#step({ type: "closed", from: flow })
    if (this.#carrier !== link || this.#idle) return false
    this.#lingering = link
    return true
  }

  /** Ends whatever is under way. */
  close(): void {
    this.#machine.reset()
    this.#queue.clear()
    this.#probe.stop()
    this.#wakeAt(Number.POSITIVE_INFINITY)
    this.#letGo()
  }

  get #idle(): boolean {
    return this.#machine.state.kind === "idle" && this.#queue.size === 0
  }

  #carry(link: Link): void {
    if (this.#carrier === link) return
    this.#carrier = link
    this.#letGo()
  }

  #letGo(): void {
    const link = this.#lingering
    this.#lingering = undefined
    link?.close()
  }

  #step(event: BootEvent, link?: Link): void {
    const where = event.type === "datagram" ? event.from.application : this.board.name
    for (const action of this.#machine.step(event, this.board.clock.now())) {
      if (link && action.do === "queue") this.#carry(link)
      this.#act(action, where)
    }
    this.#run()
  }

  #act(action: BootAction, where: string): void {
    const { observer } = this.board
    switch (action.do) {
      case "queue": {
        const dropped = this.#queue.push(action)
        if (dropped > 0) observer.drop("queue-full", where, dropped)
        return
      }
      case "clear":
        this.#queue.clear()
        return
      case "drop":
        observer.drop(action.reason, where)
        return
      case "tell":
        observer.event(action.event)
        return
      case "probe":
        if (action.on) this.#probe.start()
        else this.#probe.stop()
    }
  }

  /** Sends what is due and sets the timer for what is not. */
  #run(): void {
    const { clock, observer, name } = this.board
    const now = clock.now()
    for (let next = this.#queue.take(now); next; next = this.#queue.take(now)) {
      this.#carrier?.send(next.datagram)
      if (next.event) observer.event(next.event)
      if (this.#queue.size > 0) continue
      for (const action of this.#machine.step({ type: "sent" }, now)) this.#act(action, name)
    }
    if (this.#idle) this.#letGo()
    this.#wakeAt(Math.min(this.#queue.dueAt, this.#machine.deadline))
  }

  #wakeAt(at: number): void {
    if (at === this.#timerAt) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    const { clock } = this.board
    this.#timer = clock.after(Math.max(0, at - clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#step({ type: "time" })
    })
  }
}

class PacedBoot extends StageLink {
  constructor(
    inner: Link,
    private readonly flow: Flow,
    private readonly station: BootStation,
  ) {
    super(inner, station.board.observer)
  }

  protected override outward(datagram: Uint8Array): void {
    this.station.receive(this.flow, this.inner, datagram)
  }

  protected override release(reason: CloseReason): void {
    const stays = this.station.leave(this.flow, this.inner)
    if (!stays || reason.code === "shutdown") this.inner.close(reason)
  }
}

/** The stage for one board's boots; `--no-boot-repair` leaves it out. Make it once a board. */
export function paceBoot(options: PaceBootOptions): BootStage {
  const station = new BootStation(options)
  const stage: Stage = (link, flow) => new PacedBoot(link, flow, station)
  return Object.assign(stage, { close: () => station.close() })
}
