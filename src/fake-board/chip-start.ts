/** Brings a chip up as SC&MP does: `sv` struct, core maps, vcpu blocks, P2P table, heaps, router. */
import { BOOT_SV_LENGTH, BOOT_SV_OFFSET } from "../protocol/boot.ts"
import { Chip } from "./chip.ts"
import { CoreState } from "./core-state.ts"
import { Heap } from "./heap.ts"
import { CORES_PER_CHIP, LINKS, type MachineShape } from "./machine-shape.ts"
import type { PageBudget } from "./memory.ts"
import {
  ALLOC_TAGS,
  APP_DATA,
  HOP_TABLE,
  P2P_TABLE,
  ROUTER_COPY,
  SDRAM_BASE,
  SDRAM_BYTES,
  SDRAM_HEAP,
  SDRAM_SYSTEM,
  SDRAM_USER,
  SHARED_MESSAGES_BYTES,
  SV_BASE,
  Sv,
  SYSRAM_HEAP,
  SYSRAM_HEAP_TOP,
  SYSRAM_USER,
  SYSTEM_HEAP,
  SYSTEM_TABLES,
  VCPU_BASE,
  VCPU_BYTES,
  Vcpu,
} from "./memory-map.ts"
import { firstLinks, P2P_NONE } from "./p2p-routes.ts"

/** What a chip of a machine knows about the rest. */
export interface MachineFacts {
  readonly shape: MachineShape
  /** Ethernet chip from which the machine was booted. */
  readonly root: { readonly x: number; readonly y: number }
  /** Hosts of the boards, by board number. */
  readonly hosts: readonly string[]
  /** The image that was booted; its `sv` values are taken over. Undefined for a machine that was booted from the start. */
  readonly image: Uint8Array | undefined
  readonly softwareVersion: number
  readonly unixTime: number
  readonly budget: PageBudget
}

/** `sv` values of a machine that was not booted from an image. Source: sark.struct of spinnaker_tools. */
const DEFAULT_SV: readonly (readonly [number, number, 1 | 2 | 4])[] = [
  [0x0c, 4, 1],
  [0x0d, 4, 1],
  [0x0e, 0x33, 1],
  [0x24, 200, 2],
  [0x26, 130, 2],
  [0x28, 0x3f, 1],
  [0x2a, 100, 1],
  [0x2b, 1, 1],
  [0x2c, 50, 1],
  [Sv.led0, 1, 4],
  [0x41, 7, 1],
  [0x42, 20, 1],
  [0x43, 3, 1],
  [Sv.iobufBytes, 16_384, 4],
  [Sv.systemBufferWords, 32_768, 4],
]

/** A chip that has just been started. */
export function startChip(facts: MachineFacts, x: number, y: number): Chip {
  const { shape, hosts, budget } = facts
  const board = shape.boardOf(x, y)!
  const ethernet = shape.ethernetChips[board]!
  const isEthernet = ethernet.x === x && ethernet.y === y
  const chip = new Chip({ x, y, board, host: isEthernet ? hosts[board] : undefined, budget })
  chip.routes = firstLinks(x, y, (atX, atY, link) => shape.neighbour(atX, atY, link))
  writeSystemVariables(chip, facts, ethernet)
  writeCores(chip, facts)
  writeP2pTable(chip, shape)
  chip.sdram.initialise(SDRAM_SYSTEM)
  chip.sysram.initialise(SYSRAM_HEAP_TOP)
  const system = new Heap(chip.memory, SYSTEM_HEAP)
  system.initialise(SDRAM_BASE + SDRAM_BYTES)
  for (const bytes of SYSTEM_TABLES) system.allocate(bytes, 0, 0, false)
  const sharedMessages = chip.sysram.allocate(SHARED_MESSAGES_BYTES, 0, 0, false)
  chip.memory.writeU32(SV_BASE + Sv.sharedBuffers, sharedMessages)
  chip.router.initialise(0)
  return chip
}

function writeSystemVariables(chip: Chip, facts: MachineFacts, ethernet: { x: number; y: number }): void {
  const { memory } = chip
  const { shape, root, image } = facts
  if (image && image.length >= BOOT_SV_OFFSET + BOOT_SV_LENGTH) {
    memory.write(SV_BASE, image.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_LENGTH))
  } else {
    for (const [offset, value, bytes] of DEFAULT_SV) {
      if (bytes === 1) memory.writeU8(SV_BASE + offset, value)
      else if (bytes === 2) memory.writeU16(SV_BASE + offset, value)
      else memory.writeU32(SV_BASE + offset, value)
    }
    memory.writeU32(SV_BASE + Sv.unixTime, facts.unixTime)
  }
  const byte = (offset: number, value: number): void => memory.writeU8(SV_BASE + offset, value)
  const half = (offset: number, value: number): void => memory.writeU16(SV_BASE + offset, value)
  const word = (offset: number, value: number): void => memory.writeU32(SV_BASE + offset, value)
  half(Sv.p2pAddress, chip.address)
  half(Sv.p2pDimensions, (shape.width << 8) | shape.height)
  byte(Sv.p2pUp, 1)
  half(Sv.ethernetAddress, (ethernet.x << 8) | ethernet.y)
  if (memory.readU8(SV_BASE + Sv.hardwareVersion) === 0) byte(Sv.hardwareVersion, shape.type === "spin3" ? 3 : 5)
  byte(Sv.ethernetUp, chip.host === undefined ? 0 : 1)
  half(Sv.p2pRoot, (root.x << 8) | root.y)
  byte(Sv.rootChip, root.x === chip.x && root.y === chip.y ? 1 : 0)
  byte(Sv.linkEnable, workingLinks(chip, shape))
  half(Sv.p2pActive, shape.chips.length)
  word(Sv.sysramHeap, SYSRAM_HEAP)
  word(Sv.sdramHeap, SDRAM_HEAP)
  word(Sv.sdramBuffers, SDRAM_BASE)
  word(Sv.sdramBase, SDRAM_USER)
  word(Sv.sysramBase, SYSRAM_USER)
  word(Sv.sdramSystem, SDRAM_SYSTEM)
  word(Sv.vcpuBase, VCPU_BASE)
  word(Sv.systemHeap, SYSTEM_HEAP)
  word(Sv.routerCopy, ROUTER_COPY)
  word(Sv.hopTable, HOP_TABLE)
  word(Sv.allocTags, ALLOC_TAGS)
  word(Sv.appData, APP_DATA)
  word(Sv.softwareVersion, facts.softwareVersion)
  if (chip.host !== undefined) memory.write(SV_BASE + Sv.ipAddress, Uint8Array.from(chip.host.split("."), Number))
}

/** Bit map of the links that lead to a living chip. */
export function workingLinks(chip: Pick<Chip, "x" | "y">, shape: MachineShape): number {
  let links = 0
  for (let link = 0; link < LINKS; link++) if (shape.neighbour(chip.x, chip.y, link)) links |= 1 << link
  return links
}

function writeCores(chip: Chip, facts: MachineFacts): void {
  assignCores(chip, facts.shape.workingCores(chip.x, chip.y))
  chip.setAppName(0, "scamp-3")
  chip.memory.writeU32(VCPU_BASE + Vcpu.time, chip.memory.readU32(SV_BASE + Sv.unixTime))
  for (let core = 0; core < chip.cores; core++) {
    chip.memory.writeU32(VCPU_BASE + core * VCPU_BYTES + Vcpu.softwareVersion, facts.softwareVersion)
  }
}

/** Numbers the working cores: the monitor is virtual core 0, the others follow in physical order, all idle. */
export function assignCores(chip: Chip, physical: readonly number[]): void {
  const { memory } = chip
  for (let core = 0; core < 20; core++) {
    memory.writeU8(SV_BASE + Sv.physicalToVirtual + core, 255)
    memory.writeU8(SV_BASE + Sv.virtualToPhysical + core, 255)
  }
  memory.writeU8(SV_BASE + Sv.cores, physical.length)
  memory.writeU8(SV_BASE + Sv.romCores, physical.length)
  for (let core = 0; core < CORES_PER_CHIP; core++) chip.setCore(core, CoreState.dead, 0)
  for (const [virtual, core] of physical.entries()) {
    memory.writeU8(SV_BASE + Sv.physicalToVirtual + core, virtual)
    memory.writeU8(SV_BASE + Sv.virtualToPhysical + virtual, core)
    memory.writeU8(VCPU_BASE + virtual * VCPU_BYTES + Vcpu.physicalCore, core)
    chip.setCore(virtual, virtual === 0 ? CoreState.running : CoreState.idle, 0)
    if (virtual > 0) chip.setAppName(virtual, "sark")
  }
}

function writeP2pTable(chip: Chip, shape: MachineShape): void {
  // One column of 256 chips takes 32 words; the table of a real chip goes on to x = 255, entries beyond hold "none".
  const words = new Uint32Array(shape.width * 32).fill(0o66666666)
  for (const [address, link] of chip.routes) {
    const shift = (address & 7) * 3
    words[address >> 3] = (words[address >> 3]! & ~(7 << shift)) | (link << shift)
  }
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word, true)
  chip.memory.write(P2P_TABLE, bytes)
}

/** P2P table entry of `chip` for an address x << 8 | y. */
export function p2pEntry(chip: Chip, address: number): number {
  return chip.routes.get(address) ?? P2P_NONE
}
