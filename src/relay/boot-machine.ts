/**
 * The boot of one board as a pure state machine: events and the time in, actions out.
 *
 * The ROM gives no answer of any kind, takes the first copy of each block, ignores END until no block is missing and
 * keeps what it has. So what a client sends is passed on as it comes, and once the image is whole it is sent again and
 * again, START to END, until the board answers VER: a repeat can only fill holes. What the ROM must never get is parts
 * of two images. Source: wire facts §5, §11.
 */
import type { Event } from "../observe/events.ts"
import type { DropReason } from "../observe/observer.ts"
import { BootImage, type BootPart, bootPart } from "./boot-image.ts"
import {
  BOARD_GONE_MS,
  BOOT_AFTERMATH_MS,
  BOOT_GIVEN_UP_MS,
  BOOT_OVERTAKEN_MS,
  BOOT_PATIENCE_MS,
  BOOT_REMEMBERED_MS,
  BOOT_STALLED_MS,
  type BootAction,
  type BootEvent,
  type Booter,
  type BootState,
  type Collecting,
  type Delivering,
  newAttempt,
  QUICK_PASSES,
  REFUSALS_TOLD,
  SLOW_GAPS,
  type Starting,
} from "./boot-state.ts"

type Part<K extends BootPart["kind"]> = Extract<BootPart, { kind: K }>

function deadlineOf(state: BootState): number {
  switch (state.kind) {
    case "idle":
      return Number.POSITIVE_INFINITY
    case "collecting": {
      const waits = state.attempt.held.length > 0 || state.attempt.end !== undefined
      return state.lastAt + (waits ? BOOT_OVERTAKEN_MS : BOOT_STALLED_MS)
    }
    case "delivering":
    case "starting":
      return state.endsAt
  }
}

/** One board's boot. */
export class BootMachine {
  #state: BootState = { kind: "idle" }
  /** What may be in the ROM, and when something was last added. */
  #image: BootImage | undefined
  #imageAt = 0
  #answeredAt = Number.NEGATIVE_INFINITY
  readonly #refused = new Set<number>()
  #actions: BootAction[] = []

  /** `gapMs` is the ordinary time between two datagrams. */
  constructor(
    private readonly board: string,
    private readonly gapMs: number,
  ) {}

  get state(): BootState {
    return this.#state
  }

  /** Takes an event in; returns what is to be done, in order. */
  step(event: BootEvent, now: number): BootAction[] {
    this.#actions = []
    switch (event.type) {
      case "datagram":
        this.#datagram(event.from, event.datagram, now)
        break
      case "closed":
        if (this.#state.kind === "collecting" && this.#state.owner.id === event.from.id) this.#state.gone = true
        break
      case "sent":
        this.#sent(now)
        break
      case "version":
        this.#version(event.version, event.booting, now)
        break
      case "time":
        if (now >= this.deadline) this.#time(now)
        break
    }
    return this.#actions
  }

  /** When a "time" event is due; Infinity if none is. */
  get deadline(): number {
    return deadlineOf(this.#state)
  }

  /** Nobody boots any more, and nothing is known of the ROM. */
  reset(): void {
    this.#state = { kind: "idle" }
    this.#image = undefined
  }

  #datagram(from: Booter, datagram: Uint8Array, now: number): void {
    const part = bootPart(datagram)
    if (!part) {
      this.#drop("malformed")
      return
    }
    const state = this.#state
    switch (state.kind) {
      case "idle":
        if (part.kind !== "start" && now - this.#answeredAt < BOOT_AFTERMATH_MS) this.#drop("boot-repeat")
        else this.#take(this.#begin(from, now), part, now)
        return
      case "collecting":
        if (state.owner.id === from.id) this.#take(state, part, now)
        else if (state.gone || now - state.lastAt >= BOOT_GIVEN_UP_MS) this.#take(this.#begin(from, now), part, now)
        else this.#refuse(from, state.owner)
        return
      case "delivering":
        this.#takeAgain(state, from, part, now)
        return
      case "starting":
        if (part.kind === "start" && now - state.answeredAt >= BOARD_GONE_MS) {
          this.#do({ do: "probe", on: false })
          this.#take(this.#begin(from, now), part, now)
        } else if (state.owner.id === from.id) this.#drop("boot-repeat")
        else this.#refuse(from, state.owner)
        return
    }
  }

  #begin(owner: Booter, now: number): Collecting {
    if (this.#image && now - this.#imageAt > BOOT_REMEMBERED_MS) this.#image = undefined
    this.#refused.clear()
    const state: Collecting = { kind: "collecting", owner, attempt: newAttempt(now), lastAt: now, gone: false }
    this.#state = state
    return state
  }

  /** A part from the client whose boot this is. */
  #take(state: Collecting, part: BootPart, now: number): void {
    state.lastAt = now
    this.#imageAt = now
    const announced = state.attempt.start === "passed" ? this.#image?.total : undefined
    if (part.kind === "block" && announced !== undefined && part.number >= announced) {
      this.#drop("malformed")
      return
    }
    const image = this.#imageOf(part, state)
    switch (part.kind) {
      case "start":
        this.#takeStart(state, image, part, now)
        return
      case "block":
        this.#takeBlock(state, image, part, now)
        return
      case "end":
        image.add(part)
        state.attempt.end = part
        if (image.complete) this.#deliver(state, now)
        return
    }
  }

  /** The image that `part` belongs to: the present one, or a new one if the client has begun something else. */
  #imageOf(part: BootPart, { owner, attempt }: Collecting): BootImage {
    const old = this.#image
    if (old?.agrees(part)) return old
    if (part.kind === "block") attempt.seen.delete(part.number)
    const image = part.kind === "start" || !old ? new BootImage() : old.only(attempt.seen)
    this.#image = image
    if (old && old.done > 0) {
      this.#do({ do: "clear" })
      this.#tell({ type: "boot-mixed", board: this.board, application: owner.application })
      for (const datagram of image.sequence()) this.#do({ do: "queue", datagram, gapMs: this.gapMs })
    }
    return image
  }

  #takeStart(state: Collecting, image: BootImage, part: Part<"start">, now: number): void {
    const { attempt } = state
    const { application } = state.owner
    // The network's duplicate, unless this attempt has had its END or is old: then the client begins anew.
    const young = !attempt.end && now - attempt.begunAt < BOOT_GIVEN_UP_MS
    if (attempt.start === "passed" && young && image.has(part)) {
      this.#drop("boot-repeat")
      return
    }
    image.add(part)
    this.#tell({ type: "boot-begun", board: this.board, application, blocks: part.blocks })
    this.#do({ do: "queue", datagram: part.datagram, gapMs: this.gapMs })
    state.attempt = newAttempt(now, "passed")
    for (const held of attempt.held) this.#take(state, held, now)
  }

  #takeBlock(state: Collecting, image: BootImage, part: Part<"block">, now: number): void {
    const { attempt } = state
    const { application } = state.owner
    if (attempt.seen.has(part.number)) {
      this.#drop("boot-repeat")
      return
    }
    attempt.seen.add(part.number)
    image.add(part)
    if (attempt.start === "awaited") {
      attempt.held.push(part)
      return
    }
    const { done, total = done } = image
    const event: Event = { type: "boot-progress", board: this.board, application, done, total }
    this.#do({ do: "queue", datagram: part.datagram, gapMs: this.gapMs, event })
    if (attempt.end && image.complete) this.#deliver(state, now)
  }

  /** The image is whole: END goes out, and with it ends the client's own pass. */
  #deliver({ owner, attempt }: Collecting, now: number): void {
    const endsAt = now + BOOT_PATIENCE_MS
    const { begunAt } = attempt
    this.#state = { kind: "delivering", owner, begunAt, again: newAttempt(now), pass: 1, passes: 1, endsAt }
    if (attempt.end) this.#do({ do: "queue", datagram: attempt.end.datagram, gapMs: this.gapMs })
  }

  /** Somebody sends boot datagrams while an image is being delivered. */
  #takeAgain(state: Delivering, from: Booter, part: BootPart, now: number): void {
    const mine = state.owner.id === from.id
    if (this.#image?.has(part)) {
      // The same image: it is on its way already, and whoever sends it now has begun to wait anew.
      if (mine && part.kind === "start") state.again = newAttempt(now)
      if (mine && part.kind === "block") state.again.seen.add(part.number)
      if (part.kind === "end") {
        state.endsAt = now + BOOT_PATIENCE_MS
        if (state.pass > QUICK_PASSES) state.pass = 1
      }
      this.#drop("boot-repeat")
    } else if (!mine) this.#refuse(from, state.owner)
    else if (part.kind === "block" && part.number >= (this.#image?.total ?? 0)) this.#drop("malformed")
    else {
      // The client has changed its mind: its START and the blocks that both images share count as sent.
      this.#do({ do: "probe", on: false })
      const begun = this.#begin(state.owner, now)
      if (part.kind !== "start") begun.attempt = newAttempt(now, "passed", state.again.seen)
      this.#take(begun, part, now)
    }
  }

  /** The queue is empty: the next pass, while there is to be one. */
  #sent(now: number): void {
    const state = this.#state
    const image = this.#image
    if (state.kind !== "delivering" || !image) return
    if (state.passes === 1) {
      const { application } = state.owner
      const { done: blocks, bytes } = image
      const durationMs = now - state.begunAt
      this.#tell({ type: "boot-sent", board: this.board, application, blocks, bytes, durationMs })
      this.#do({ do: "probe", on: true })
    }
    state.pass++
    state.passes++
    const slow = state.pass - QUICK_PASSES
    const gapMs = this.gapMs * (slow <= 0 ? 1 : SLOW_GAPS[Math.min(slow, SLOW_GAPS.length) - 1]!)
    this.#tell({ type: "boot-repeated", board: this.board, pass: state.passes, gapMs })
    for (const datagram of image.sequence()) this.#do({ do: "queue", datagram, gapMs })
  }

  #version(version: string, booting: boolean, now: number): void {
    const state = this.#state
    if (state.kind !== "delivering" && state.kind !== "starting") return
    const { owner, passes, begunAt } = state
    this.#do({ do: "clear" })
    // The ROM has handed over; whatever was in it is gone.
    this.#image = undefined
    this.#answeredAt = now
    if (!booting) {
      const { application } = owner
      const durationMs = now - begunAt
      this.#tell({ type: "boot-answered", board: this.board, application, version, passes, durationMs })
      this.#end()
    } else if (state.kind === "starting") state.answeredAt = now
    else this.#state = { kind: "starting", owner, passes, begunAt, endsAt: now + BOOT_PATIENCE_MS, answeredAt: now }
  }

  #time(now: number): void {
    const state = this.#state
    switch (state.kind) {
      case "idle":
        return
      case "collecting":
        this.#waited(state, now)
        return
      case "delivering":
      case "starting":
        this.#fail(state, now)
        return
    }
  }

  /** A client in mid-boot has been silent: what was held goes out; later its boot is over. */
  #waited(state: Collecting, now: number): void {
    const { attempt, owner } = state
    const { held, end } = attempt
    if (held.length > 0) {
      // START is lost; its blocks may still fill the holes of an earlier attempt.
      const gapMs = this.gapMs
      for (const { datagram } of held.splice(0)) this.#do({ do: "queue", datagram, gapMs })
      attempt.start = "missed"
    } else if (end) {
      this.#do({ do: "queue", datagram: end.datagram, gapMs: this.gapMs })
      this.#tellMissing(owner)
      // Not over: the client's own next attempt must find its first.
      state.attempt = newAttempt(now)
      state.lastAt = now
    } else {
      if (attempt.seen.size > 0 || attempt.start === "passed") this.#tellMissing(owner)
      this.#end()
    }
  }

  #tellMissing({ application }: Booter): void {
    const { board } = this
    const { missing = [], total = 0, done: blocks = 0 } = this.#image ?? {}
    if (missing.length > 0) this.#tell({ type: "boot-incomplete", board, application, missing, total })
    else this.#tell({ type: "boot-unfinished", board, application, blocks, lost: total > 0 ? "END" : "START" })
  }

  #fail({ kind, owner, passes, begunAt }: Delivering | Starting, now: number): void {
    const { application } = owner
    const durationMs = now - begunAt
    const answered = kind === "starting"
    this.#do({ do: "clear" })
    this.#tell({ type: "boot-failed", board: this.board, application, passes, durationMs, answered })
    this.#end()
  }

  #refuse({ id, application }: Booter, owner: Booter): void {
    this.#drop("boot-refused")
    if (this.#refused.has(id) || this.#refused.size >= REFUSALS_TOLD) return
    this.#refused.add(id)
    this.#tell({ type: "boot-refused", board: this.board, application, owner: owner.application })
  }

  #end(): void {
    this.#state = { kind: "idle" }
    this.#refused.clear()
    this.#do({ do: "probe", on: false })
  }

  #do(action: BootAction): void {
    this.#actions.push(action)
  }

  #drop(reason: DropReason): void {
    this.#do({ do: "drop", reason })
  }

  #tell(event: Event): void {
    this.#do({ do: "tell", event })
  }
}
