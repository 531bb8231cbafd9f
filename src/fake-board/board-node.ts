/** One board of a fake machine as its boot ROM sees it: power, ROM, hello, and the phase it is in. */
import { BOOT_PORT, BootOpcode, encodeBoot } from "../protocol/boot.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { type BootImage, BootRom } from "./boot-rom.ts"
import type { BoardEvent, BoardPhase } from "./events.ts"

/** Milliseconds between two hello beacons of an unbooted board. Source: spinnaker_bootROM. */
export const HELLO_PERIOD_MS = 4096
/** The 18 bytes of a hello: ROM version 2.1, id "CPTS". Source: tests/captures/rig-discover-hello. */
export const HELLO: Uint8Array = encodeBoot({
  opcode: BootOpcode.hello,
  op1: 0x02010000,
  op2: 0,
  op3: 0x43505453,
  data: new Uint8Array(0),
})

/** What a node needs from the fake board. */
export interface BoardNodeOutside {
  readonly clock: Clock
  readonly bootGapMs: number
  /** Where hellos go until a host is known; undefined for no hellos at all. */
  readonly helloBroadcast: string | undefined
  tell(event: BoardEvent): void
  lost(reason: "off" | "boot-gap"): void
  /** Sends from the boot port. */
  send(to: Address, datagram: Uint8Array): void
  /** The ROM runs `image`. */
  booted(image: BootImage): void
}

/** One board. */
export class BoardNode {
  #phase: BoardPhase = "off"
  readonly #rom = new BootRom()
  #bootHost: string | undefined
  #lastTakenAt = Number.NEGATIVE_INFINITY
  #hello: Timer | undefined

  constructor(
    readonly host: string,
    private readonly outside: BoardNodeOutside,
  ) {}

  get phase(): BoardPhase {
    return this.#phase
  }

  /** Enters a phase of a machine that runs, or `off`. */
  enter(phase: Exclude<BoardPhase, "rom">): void {
    this.#hello?.cancel()
    this.#hello = undefined
    if (phase === "off") this.#rom.reset()
    this.#become(phase)
  }

  /** Stops the hellos for good, without a word. */
  stop(): void {
    this.#hello?.cancel()
  }

  /** Power-on or reset: the ROM waits for an image. */
  startRom(): void {
    this.#rom.reset()
    this.#bootHost = undefined
    this.#lastTakenAt = Number.NEGATIVE_INFINITY
    this.#hello?.cancel()
    const { clock, helloBroadcast } = this.outside
    if (helloBroadcast !== undefined) {
      this.#hello = every(clock, HELLO_PERIOD_MS, () => this.#sendHello(this.#bootHost ?? helloBroadcast))
    }
    this.#become("rom")
  }

  /** A datagram at the boot port. */
  receive(from: Address, datagram: Uint8Array): void {
    const { outside } = this
    if (this.#phase === "off") {
      outside.lost("off")
      return
    }
    const sender = formatAddress(from)
    // Once SC&MP runs nobody listens here, whether the ROM was left by its own END or by a neighbour's.
    if (this.#phase !== "rom") {
      outside.tell({ type: "boot-ignored", why: "running", from: sender })
      return
    }
    const now = outside.clock.now()
    if (now - this.#lastTakenAt < outside.bootGapMs) {
      outside.lost("boot-gap")
      return
    }
    this.#lastTakenAt = now
    const outcome = this.#rom.feed(datagram)
    // Any datagram that the ROM understands teaches it who its host is; hellos go there from now on.
    if (outcome.type !== "ignored" || outcome.why !== "malformed") this.#bootHost = from.host
    switch (outcome.type) {
      case "started":
        outside.tell({ type: "boot-started", blocks: outcome.blocks, from: sender })
        return
      case "block":
        outside.tell({ ...outcome, type: "boot-block", from: sender })
        return
      case "incomplete":
        outside.tell({ type: "boot-incomplete", missing: outcome.missing, from: sender })
        return
      case "ignored":
        outside.tell({ type: "boot-ignored", why: outcome.why, from: sender })
        return
      case "run":
        outside.tell({ type: "booted", image: outcome.image, from: sender })
        outside.booted(outcome.image)
        return
    }
  }

  #become(phase: BoardPhase): void {
    this.#phase = phase
    this.outside.tell({ type: "phase", phase, host: this.host })
  }

  #sendHello(to: string): void {
    this.outside.tell({ type: "hello", to })
    this.outside.send({ host: to, port: BOOT_PORT }, HELLO)
  }
}
