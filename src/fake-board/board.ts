/**
 * A machine that isn't there: one board or many, each with boot ROM and Ethernet, SC&MP once booted, a BMP if wanted,
 * and seeded faults. It opens no socket: it is given datagrams with their addresses and hands out others, so that the
 * same board runs over UDP (udp-board.ts) and on a test's own lines and clock (line-board.ts).
 */
import { BOOT_PORT } from "../protocol/boot.ts"
import { SCP_PORT } from "../protocol/scp.ts"
import { type Address, formatAddress, isLoopback } from "../transport/address.ts"
import type { Clock, Timer } from "../transport/clock.ts"
import { type Random, seededRandom } from "../transport/random.ts"
import { Bmp, type BmpOptions } from "./bmp.ts"
import { BoardNode } from "./board-node.ts"
import { boardHosts, DEFAULT_BOOTING_MS, DEFAULT_SILENT_MS, type FakeBoardOptions } from "./board-options.ts"
import type { BootImage } from "./boot-rom.ts"
import type { Chip } from "./chip.ts"
import { BoardCounters, type BoardDropReason, type BoardEvent, type BoardPhase, type FaultPathName } from "./events.ts"
import { FaultPath } from "./faults.ts"
import { CAPTURED_VERSION, type Execution, Machine } from "./machine.ts"
import { MachineShape } from "./machine-shape.ts"
import { PageBudget } from "./memory.ts"

export { HELLO, HELLO_PERIOD_MS } from "./board-node.ts"
export type { BoardSend, FakeBoardOptions } from "./board-options.ts"

/** A fake machine. */
export class FakeBoard {
  /** Counts of everything that was executed or lost. */
  readonly counters = new BoardCounters()
  /** SC&MP and boot ROM addresses of board 0. */
  readonly scp: Address
  readonly boot: Address
  /** Address of the BMP, if there is one. */
  readonly bmpAddress: Address | undefined
  readonly #options: FakeBoardOptions
  readonly #clock: Clock
  readonly #shape: MachineShape
  readonly #budget = new PageBudget()
  readonly #nodes: readonly BoardNode[]
  readonly #nodeAt = new Map<string, number>()
  readonly #bmp: Bmp | undefined
  readonly #paths: Record<FaultPathName, FaultPath>
  #machine: Machine | undefined
  #image: BootImage | undefined
  #phaseTimer: Timer | undefined

  constructor(options: FakeBoardOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#shape = options.shape ?? new MachineShape()
    const count = this.#shape.ethernetChips.length
    const hosts = options.hosts ?? boardHosts(options.host ?? "127.0.0.1", count)
    if (hosts.length !== count) throw new RangeError(`${count} boards need ${count} addresses, not ${hosts.length}`)
    this.scp = { host: hosts[0]!, port: options.scpPort ?? SCP_PORT }
    this.boot = { host: hosts[0]!, port: options.bootPort ?? BOOT_PORT }
    const seed = options.seed ?? 1
    this.#paths = {
      boot: this.#path("boot", seededRandom(seed)),
      scp: this.#path("scp", seededRandom(seed + 1)),
      reply: this.#path("reply", seededRandom(seed + 2)),
    }
    this.#nodes = hosts.map((host, board) => this.#makeNode(host, board))
    for (const [board, host] of hosts.entries()) this.#nodeAt.set(host, board)
    if (options.bmp) {
      this.#bmp = this.#makeBmp(options.bmp)
      this.bmpAddress = { host: options.bmp.host, port: this.scp.port }
    }
    if (options.poweredOff) return
    if (options.booted) this.#startMachine(0, undefined)
    for (const node of this.#nodes) {
      if (options.booted) node.enter("up")
      else node.startRom()
    }
  }

  /** Where board 0 stands. */
  get phase(): BoardPhase {
    return this.phaseOf(0)
  }

  /** Where a board stands. */
  phaseOf(board: number): BoardPhase {
    return this.#nodes[board]?.phase ?? "off"
  }

  /** What a ROM last ran. */
  get image(): BootImage | undefined {
    return this.#image
  }

  /** The machine that runs, for tests that look inside. */
  get machine(): Machine | undefined {
    return this.#machine
  }

  /** Addresses of the boards, by board number. */
  get hosts(): readonly string[] {
    return this.#nodes.map(({ host }) => host)
  }

  /** A chip of the machine that runs. */
  chipAt(x: number, y: number): Chip | undefined {
    return this.#machine?.chipAt(x, y)
  }

  /** A datagram for one of the machine's addresses has arrived; any content, never throws. */
  receive(to: Address, from: Address, datagram: Uint8Array): void {
    if (this.#bmp && to.host === this.bmpAddress?.host) {
      const bmp = this.#bmp
      this.#paths.scp.pass(() => bmp.receive(from, datagram))
      return
    }
    const board = this.#nodeAt.get(to.host)
    if (board === undefined) return
    if (to.port === this.boot.port) this.#paths.boot.pass(() => this.#nodes[board]!.receive(from, datagram))
    else this.#paths.scp.pass(() => this.#receiveSdp(board, to.port, from, datagram))
  }

  /** All power off and on again: the only thing that clears a half-filled ROM. */
  powerCycle(): void {
    for (let board = 0; board < this.#nodes.length; board++) {
      this.powerOff(board)
      this.powerOn(board)
    }
  }

  /** Cuts a board's power; nothing answers until it is on again. */
  powerOff(board = 0): void {
    const node = this.#nodes[board]
    if (!node) return
    node.enter("off")
    this.#machine?.loseBoard(board)
    this.#options.listen?.(node.host, new Set())
    if (this.#nodes.every(({ phase }) => phase === "off" || phase === "rom")) this.#stopMachine()
  }

  /** Switches a board on, or resets it: its ROM waits for an image. */
  powerOn(board = 0): void {
    const node = this.#nodes[board]
    if (!node) return
    if (node.phase !== "off") this.powerOff(board)
    node.startRom()
  }

  /** Stops all timers for good. */
  close(): void {
    this.#stopMachine()
    for (const node of this.#nodes) node.stop()
  }

  #path(name: FaultPathName, random: Random): FaultPath {
    const lost = (reason: BoardDropReason, ordinal: number): void =>
      this.#tell({ type: "lost", path: name, reason, ordinal })
    return new FaultPath(this.#options.faults?.[name] ?? {}, this.#clock, random, lost)
  }

  #makeNode(host: string, board: number): BoardNode {
    const options = this.#options
    const broadcast = isLoopback(host) ? "127.255.255.255" : "255.255.255.255"
    return new BoardNode(host, {
      clock: this.#clock,
      bootGapMs: options.bootGapMs ?? 0,
      helloBroadcast: "helloBroadcast" in options ? options.helloBroadcast : broadcast,
      tell: (event) => this.#tell(event),
      lost: (reason) => this.#lose("boot", reason),
      send: (to, datagram) => this.#send(host, this.boot.port, to, datagram),
      booted: (image) => this.#runImage(board, image),
    })
  }

  #makeBmp(options: BmpOptions): Bmp {
    const address = { host: options.host, port: this.scp.port }
    return new Bmp(options, this.#nodes.length, address, {
      clock: this.#clock,
      send: (to, datagram) => this.#send(options.host, this.scp.port, to, datagram),
      power: (board, on) => (on ? this.powerOn(board) : this.powerOff(board)),
      executed: (execution, from) => this.#executed(execution, from),
      lost: (reason) => this.#lose("scp", reason),
    })
  }

  #tell(event: BoardEvent): void {
    this.counters.watch(event)
    this.#options.onEvent?.(event)
  }

  #lose(path: FaultPathName, reason: BoardDropReason): void {
    this.#tell({ type: "lost", path, reason, ordinal: this.#paths[path].count })
  }

  #executed(execution: Execution, from: Address | undefined): void {
    this.#tell({ type: "command", ...execution, from: from ? formatAddress(from) : "" })
  }

  /** An image on one board starts the whole machine: every board with power is booted over the links. */
  #runImage(board: number, image: BootImage): void {
    this.#stopMachine()
    this.#image = image
    this.#startMachine(board, image.bytes)
    const { silentMs = DEFAULT_SILENT_MS, bootingMs = DEFAULT_BOOTING_MS } = this.#options
    this.#enterAll("silent")
    this.#phaseTimer = this.#clock.after(silentMs, () => {
      this.#enterAll("booting")
      this.#phaseTimer = this.#clock.after(bootingMs, () => this.#enterAll("up"))
    })
  }

  #enterAll(phase: "silent" | "booting" | "up"): void {
    for (const node of this.#nodes) {
      // A board that was switched off and on meanwhile waits in its ROM for the next boot.
      if (phase === "silent" ? node.phase !== "off" : node.phase === "silent" || node.phase === "booting")
        node.enter(phase)
    }
  }

  #startMachine(board: number, image: Uint8Array | undefined): void {
    const version = this.#options.version ?? CAPTURED_VERSION
    const root = this.#shape.ethernetChips[board]!
    // Boards without power at the time of a boot are no part of the machine that it makes.
    const dark = image ? this.#nodes.flatMap(({ phase }, number) => (phase === "off" ? [number] : [])) : []
    const facts = {
      shape: this.#shape.withoutBoards(new Set(dark)),
      root,
      hosts: this.hosts,
      image,
      softwareVersion: versionNumber(version.version),
      unixTime: this.#options.unixTime ?? version.buildTime,
      budget: this.#budget,
    }
    const outside = {
      clock: this.#clock,
      send: (from: number, to: Address, datagram: Uint8Array, fromPort: number | undefined) =>
        this.#send(this.#nodes[from]!.host, fromPort ?? this.scp.port, to, datagram),
      listen: (from: number, ports: ReadonlySet<number>) => this.#options.listen?.(this.#nodes[from]!.host, ports),
      executed: (execution: Execution, from: Address | undefined) => this.#executed(execution, from),
      lost: (reason: BoardDropReason) => this.#lose("scp", reason),
      networkUp: () => this.#nodes[board]!.phase === "up",
    }
    this.#machine = new Machine(facts, version, outside, this.#options.programs)
  }

  #receiveSdp(board: number, port: number, from: Address, datagram: Uint8Array): void {
    switch (this.phaseOf(board)) {
      case "off":
        this.#lose("scp", "off")
        return
      case "rom":
      case "silent":
        this.#lose("scp", "not-up")
        return
      case "booting":
      case "up":
        if (port === this.scp.port) this.#machine?.router.receive(board, from, datagram)
        else this.#machine?.router.receiveReverse(board, port, from, datagram)
    }
  }

  #send(host: string, port: number, to: Address, datagram: Uint8Array): void {
    this.#paths.reply.pass(() => this.#options.send({ host, port }, to, datagram))
  }

  #stopMachine(): void {
    this.#phaseTimer?.cancel()
    this.#phaseTimer = undefined
    this.#machine?.stop()
    this.#machine = undefined
  }
}

/** "3.4.1" as 0x030401, as sv.sw_ver has it. */
function versionNumber(version: string | number): number {
  if (typeof version === "number") return version
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part, 10) || 0)
  return ((major & 0xff) << 16) | ((minor & 0xff) << 8) | (patch & 0xff)
}
