/** One chip of a booted machine: its memory, heaps, routing table, IP tags and cores. */
import { CoreState } from "./core-state.ts"
import { Heap } from "./heap.ts"
import { Memory, type PageBudget } from "./memory.ts"
import {
  ALLOC_TAGS,
  APP_DATA,
  ROUTER_COPY,
  SDRAM_HEAP,
  SV_BASE,
  Sv,
  SYSRAM_HEAP,
  VCPU_BASE,
  VCPU_BYTES,
  Vcpu,
} from "./memory-map.ts"
import type { Program } from "./programs/program.ts"
import { RouterTable } from "./router-table.ts"
import { TagTable } from "./tag-table.ts"

/** Bytes of an application's record in the table at sv.app_data: cores, clean, semaphore, lead, mask. */
const APP_RECORD = 8

/** What the chip is told when it is made. */
export interface ChipSetup {
  readonly x: number
  readonly y: number
  /** Number of the board that it sits on. */
  readonly board: number
  /** Address of its Ethernet port; undefined for chips without one. */
  readonly host: string | undefined
  readonly budget: PageBudget
}

/** A chip. What SC&MP keeps in memory is kept in `memory` here too, so that READ shows it. */
export class Chip {
  readonly x: number
  readonly y: number
  readonly board: number
  readonly host: string | undefined
  readonly memory: Memory
  readonly tags = new TagTable()
  readonly sdram: Heap
  readonly sysram: Heap
  readonly router: RouterTable
  /** Programs that run on application cores, by virtual core. */
  readonly programs = new Map<number, Program>()
  /** First link toward each chip that can be reached, by x << 8 | y. */
  routes: ReadonlyMap<number, number> = new Map()
  /** A COUNT is being collected. */
  counting = false
  /** State of the LEDs, two bits each as LED sets them: 2 off, 3 on. */
  leds = 0
  /** Memory that application cores have to themselves, by virtual core. */
  readonly #privateMemories = new Map<number, Memory>()
  /** Cores whose message box holds a message that nobody will fetch. */
  readonly #stuck = new Set<number>()
  readonly #budget: PageBudget

  constructor({ x, y, board, host, budget }: ChipSetup) {
    this.x = x
    this.y = y
    this.board = board
    this.host = host
    this.#budget = budget
    this.memory = new Memory(budget)
    const tags = {
      get: (appId: number, tag: number): number => this.memory.readU32(allocTag(appId, tag)),
      set: (appId: number, tag: number, pointer: number): void => this.memory.writeU32(allocTag(appId, tag), pointer),
    }
    this.sdram = new Heap(this.memory, SDRAM_HEAP, tags)
    this.sysram = new Heap(this.memory, SYSRAM_HEAP, tags)
    this.router = new RouterTable(this.memory, ROUTER_COPY)
  }

  /** x << 8 | y, as SDP headers and P2P packets have it. */
  get address(): number {
    return (this.x << 8) | this.y
  }

  /** Working cores, monitor included; virtual cores are 0 to this less one. */
  get cores(): number {
    return this.memory.readU8(SV_BASE + Sv.cores)
  }

  /** Physical number of a virtual core. */
  physicalCore(core: number): number {
    return this.memory.readU8(SV_BASE + Sv.virtualToPhysical + core)
  }

  coreState(core: number): number {
    return this.memory.readU8(vcpu(core) + Vcpu.state)
  }

  appId(core: number): number {
    return this.memory.readU8(vcpu(core) + Vcpu.appId)
  }

  /** Notes state and owner of a core in its vcpu block. */
  setCore(core: number, state: number, appId = this.appId(core)): void {
    this.memory.writeU8(vcpu(core) + Vcpu.state, state)
    this.memory.writeU8(vcpu(core) + Vcpu.appId, appId)
    if (state !== CoreState.powerDown) this.#stuck.delete(core)
  }

  /** Notes that an application begins on a core, by the chip's own clock. */
  stampStart(core: number): void {
    this.memory.writeU32(vcpu(core) + Vcpu.time, this.memory.readU32(SV_BASE + Sv.unixTime))
  }

  /** Writes a core's application name (15 characters and a NUL) into its vcpu block. */
  setAppName(core: number, name: string): void {
    const bytes = new Uint8Array(16)
    bytes.set(Buffer.from(name, "latin1").subarray(0, 15))
    this.memory.write(vcpu(core) + Vcpu.appName, bytes)
  }

  /** Memory below 16 MiB (instruction and data memory) is each core's own; the rest is the chip's. */
  memoryOf(core: number, address: number): Memory {
    if (core === 0 || address >= 0x100_0000) return this.memory
    const own = this.#privateMemories.get(core) ?? new Memory(this.#budget)
    this.#privateMemories.set(core, own)
    return own
  }

  /**
   * False if a message for `core` cannot be left because an earlier one was never fetched: cores that are powered
   * down or crashed take one message and then no more.
   */
  leaveMessage(core: number): boolean {
    if (this.#stuck.has(core)) return false
    if (this.coreState(core) < CoreState.initialising) this.#stuck.add(core)
    return true
  }

  /** Notes that `cores` (a mask) run `appId`. */
  noteApp(appId: number, cores: number): void {
    const record = APP_DATA + appId * APP_RECORD
    if (this.memory.readU8(record) === 0) this.memory.writeU8(record + 3, Math.max(0, 31 - Math.clz32(cores & -cores)))
    this.memory.writeU8(record, Math.min(255, this.memory.readU8(record) + bitCount(cores)))
    this.memory.writeU8(record + 1, 0)
    this.memory.writeU32(record + 4, this.memory.readU32(record + 4) | cores)
  }

  /** Takes back memory and routing entries of `appId`. */
  cleanApp(appId: number): void {
    const record = APP_DATA + appId * APP_RECORD
    if (this.memory.readU8(record + 1) !== 0) return
    this.sdram.freeApp(appId)
    this.sysram.freeApp(appId)
    this.router.freeApp(appId, true)
    this.memory.writeU8(record, 0)
    this.memory.writeU8(record + 1, 1)
  }

  /** ALLOC marks its application as having something to clean. */
  markUsed(appId: number): void {
    this.memory.writeU8(APP_DATA + appId * APP_RECORD + 1, 0)
  }

  /** Address of the block that `appId` allocated under `tag`, or 0. */
  tagged(appId: number, tag: number): number {
    return this.memory.readU32(allocTag(appId, tag))
  }

  /** Power-off: memory is gone, programs end. */
  release(): void {
    for (const program of this.programs.values()) program.stop()
    this.programs.clear()
    this.memory.clear()
    for (const memory of this.#privateMemories.values()) memory.clear()
    this.#privateMemories.clear()
  }
}

const vcpu = (core: number): number => VCPU_BASE + core * VCPU_BYTES
const allocTag = (appId: number, tag: number): number => ALLOC_TAGS + (((appId & 0xff) << 8) | (tag & 0xff)) * 4

function bitCount(mask: number): number {
  let count = 0
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++
  return count
}
