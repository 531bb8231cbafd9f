/**
 * A board that isn't there: boot ROM, then SC&MP, with seeded faults. It opens no socket: it is given datagrams with
 * their addresses and hands out others, so that the same board runs over UDP (udp-board.ts) and on a test's own lines
 * and clock (line-board.ts).
 */

import { BOOT_PORT, BootOpcode, encodeBoot } from "../protocol/boot.ts"
import { SCP_PORT } from "../protocol/scp.ts"
import { type Address, formatAddress, isLoopback } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { type Random, seededRandom } from "../transport/random.ts"
import { type BootImage, BootRom } from "./boot-rom.ts"
import { Chip } from "./chip.ts"
import {
  BoardCounters,
  type BoardDropReason,
  type BoardEvent,
  type BoardPhase,
  type BoardWatcher,
  type FaultPathName,
} from "./events.ts"
import { FaultPath, type FaultSpec } from "./faults.ts"
import { Scamp } from "./scamp.ts"

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
/** Default milliseconds from END to SC&MP's first answer. Real boards need 1 to 2 s; the captures were made with 0.8 s. */
export const DEFAULT_SILENT_MS = 800
/** Default milliseconds during which VER then says 255,255; the captures were made with 1.5 s. */
export const DEFAULT_BOOTING_MS = 1500

/** Sends a datagram from one of the board's own addresses. Must not throw. */
export type BoardSend = (from: Address, to: Address, datagram: Uint8Array) => void

/** What a fake board is made from. */
export interface FakeBoardOptions {
  readonly clock: Clock
  readonly send: BoardSend
  readonly onEvent?: BoardWatcher
  /** The board's IPv4 address; default 127.0.0.1. */
  readonly host?: string
  /** Default 17893. */
  readonly scpPort?: number
  /** Default 54321. */
  readonly bootPort?: number
  /** Start as a booted machine. */
  readonly booted?: boolean
  readonly silentMs?: number
  readonly bootingMs?: number
  /** Seed of all faults; each path has its own stream, so that more SCP traffic does not change what boot loses. */
  readonly seed?: number
  readonly faults?: Partial<Record<FaultPathName, FaultSpec>>
  /** The ROM misses datagrams that arrive sooner than this after the last one that it took. */
  readonly bootGapMs?: number
  /** Where hellos go until a host is known; undefined for none. Default: the broadcast address of the host's network. */
  readonly helloBroadcast?: string | undefined
}

/** One fake board. */
export class FakeBoard {
  /** Counts of everything that was executed or lost. */
  readonly counters = new BoardCounters()
  /** SC&MP and boot ROM addresses. */
  readonly scp: Address
  readonly boot: Address
  readonly #options: FakeBoardOptions
  readonly #clock: Clock
  readonly #rom = new BootRom()
  readonly #paths: Record<FaultPathName, FaultPath>
  #phase: BoardPhase = "off"
  #chip: Chip
  #scamp: Scamp | undefined
  #image: BootImage | undefined
  #bootHost: string | undefined
  #lastBootAt = Number.NEGATIVE_INFINITY
  #hello: Timer | undefined
  #phaseTimer: Timer | undefined

  constructor(options: FakeBoardOptions) {
    this.#options = options
    this.#clock = options.clock
    const host = options.host ?? "127.0.0.1"
    this.scp = { host, port: options.scpPort ?? SCP_PORT }
    this.boot = { host, port: options.bootPort ?? BOOT_PORT }
    this.#chip = new Chip(0, 0)
    const seed = options.seed ?? 1
    this.#paths = {
      boot: this.#path("boot", seededRandom(seed)),
      scp: this.#path("scp", seededRandom(seed + 1)),
      reply: this.#path("reply", seededRandom(seed + 2)),
    }
    if (options.booted) this.#startScamp("up")
    else this.#startRom()
  }

  get phase(): BoardPhase {
    return this.#phase
  }

  /** What the ROM last ran. */
  get image(): BootImage | undefined {
    return this.#image
  }

  /** The running SC&MP, for tests that look inside. */
  get scamp(): Scamp | undefined {
    return this.#scamp
  }

  /** The Ethernet chip. */
  get chip(): Chip {
    return this.#chip
  }

  /** A datagram for one of the board's addresses has arrived; any content, never throws. */
  receive(to: Address, from: Address, datagram: Uint8Array): void {
    if (to.port === this.boot.port) this.#paths.boot.pass(() => this.#receiveBoot(from, datagram))
    else this.#paths.scp.pass(() => this.#receiveScp(from, datagram))
  }

  /** Power off and on again: the only thing that clears a half-filled ROM. */
  powerCycle(): void {
    this.powerOff()
    this.#startRom()
  }

  /** Cuts the power; nothing answers until `powerCycle`. */
  powerOff(): void {
    this.#stopTimers()
    this.#rom.reset()
    this.#scamp = undefined
    this.#image = undefined
    this.#chip.memory.clear()
    this.#enter("off")
  }

  /** Stops all timers for good. */
  close(): void {
    this.#stopTimers()
  }

  #path(name: FaultPathName, random: Random): FaultPath {
    const lost = (reason: BoardDropReason, ordinal: number): void =>
      this.#tell({ type: "lost", path: name, reason, ordinal })
    return new FaultPath(this.#options.faults?.[name] ?? {}, this.#clock, random, lost)
  }

  #tell(event: BoardEvent): void {
    this.counters.watch(event)
    this.#options.onEvent?.(event)
  }

  #enter(phase: BoardPhase): void {
    this.#phase = phase
    this.#tell({ type: "phase", phase, host: this.scp.host })
  }

  #lose(path: FaultPathName, reason: BoardDropReason): void {
    this.#tell({ type: "lost", path, reason, ordinal: this.#paths[path].count })
  }

  #startRom(): void {
    this.#bootHost = undefined
    this.#lastBootAt = Number.NEGATIVE_INFINITY
    this.#enter("rom")
    this.#hello = every(this.#clock, HELLO_PERIOD_MS, () => this.#sendHello())
  }

  #sendHello(): void {
    const { host } = this.scp
    const { helloBroadcast = isLoopback(host) ? "127.255.255.255" : "255.255.255.255" } = this.#options
    const silent = "helloBroadcast" in this.#options && this.#options.helloBroadcast === undefined
    const to = this.#bootHost ?? (silent ? undefined : helloBroadcast)
    if (to === undefined) return
    this.#tell({ type: "hello", to })
    this.#send({ host: to, port: BOOT_PORT }, HELLO, this.boot.port)
  }

  #receiveBoot(from: Address, datagram: Uint8Array): void {
    if (this.#phase === "off") {
      this.#lose("boot", "off")
      return
    }
    const now = this.#clock.now()
    if (this.#phase === "rom" && now - this.#lastBootAt < (this.#options.bootGapMs ?? 0)) {
      this.#lose("boot", "boot-gap")
      return
    }
    this.#lastBootAt = now
    const sender = formatAddress(from)
    const outcome = this.#rom.feed(datagram)
    // Any datagram that the ROM understands teaches it who its host is; hellos go there from now on.
    if (outcome.type !== "ignored" || outcome.why !== "malformed") this.#bootHost = from.host
    switch (outcome.type) {
      case "started":
        this.#tell({ type: "boot-started", blocks: outcome.blocks, from: sender })
        break
      case "block":
        this.#tell({ ...outcome, type: "boot-block", from: sender })
        break
      case "incomplete":
        this.#tell({ type: "boot-incomplete", missing: outcome.missing, from: sender })
        break
      case "ignored":
        this.#tell({ type: "boot-ignored", why: outcome.why, from: sender })
        break
      case "run":
        this.#image = outcome.image
        this.#tell({ type: "booted", image: outcome.image, from: sender })
        this.#runImage()
        break
    }
  }

  #runImage(): void {
    this.#stopTimers()
    this.#startScamp("silent")
    this.#phaseTimer = this.#clock.after(this.#options.silentMs ?? DEFAULT_SILENT_MS, () => {
      this.#enter("booting")
      this.#phaseTimer = this.#clock.after(this.#options.bootingMs ?? DEFAULT_BOOTING_MS, () => this.#enter("up"))
    })
  }

  #startScamp(phase: BoardPhase): void {
    this.#scamp = new Scamp(this.#chip, {
      now: () => this.#clock.now(),
      networkUp: () => this.#phase === "up",
      send: (to, datagram, fromPort) => this.#send(to, datagram, fromPort ?? this.scp.port),
      lost: (reason) => this.#lose("scp", reason),
      executed: (chip, cpu, { command, sequence }, result, from) =>
        this.#tell({
          type: "command",
          command,
          result,
          sequence,
          x: chip.x,
          y: chip.y,
          cpu,
          from: formatAddress(from),
        }),
    })
    this.#enter(phase)
  }

  #receiveScp(from: Address, datagram: Uint8Array): void {
    switch (this.#phase) {
      case "off":
        this.#lose("scp", "off")
        break
      case "rom":
      case "silent":
        this.#lose("scp", "not-up")
        break
      case "booting":
      case "up":
        this.#scamp?.receive(from, datagram)
        break
    }
  }

  #send(to: Address, datagram: Uint8Array, fromPort: number): void {
    const from = { host: this.scp.host, port: fromPort }
    this.#paths.reply.pass(() => this.#options.send(from, to, datagram))
  }

  #stopTimers(): void {
    this.#hello?.cancel()
    this.#phaseTimer?.cancel()
    this.#hello = undefined
    this.#phaseTimer = undefined
  }
}
