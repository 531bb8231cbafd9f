/**
 * Nearest-neighbour broadcasts as far as hosts use them: signals, and the flood fill that loads applications. The
 * fake machine's links lose nothing, so every chip hears everything at once.
 * Source: spinnaker_tools 4.0.0, scamp-nn.c, cmd_nnp and cmd_ffd.
 */
import { APLX_ADDRESS } from "./applications.ts"
import type { Chip } from "./chip.ts"
import type { Machine } from "./machine.ts"
import { regionHas } from "./regions.ts"

/** Commands in bits 27:24 of a key. */
const Nn = { signal: 0, memory: 4, fillStart: 6, coreSelect: 7, fillEnd: 15 } as const
/** Operations in the top four bits of a signal's data. */
const SIGNAL_APP = 5
/** Identifiers that are remembered, so that a repeated broadcast is not executed twice: half of the 127 there are. */
const REMEMBERED_IDS = 64
/** Blocks of a flood fill; the number is one byte. */
const MAX_BLOCKS = 256

/** A flood fill between its start and its end. */
interface FloodFill {
  readonly id: number
  readonly blocks: number
  readonly seen: Set<number>
  /** Selected cores by chip. */
  readonly cores: Map<Chip, number>
  /** Region named by the start itself, as clients before core select did; 0 for none. */
  readonly region: number
}

/** All broadcasts of one machine. */
export class NearestNeighbour {
  #fill: FloodFill | undefined
  #nextId = 0
  readonly #recent: number[] = []

  constructor(private readonly machine: Machine) {}

  /** NNP: `generate` makes the machine choose the identifier. */
  broadcast(key: number, data: number, generate: boolean): void {
    const command = (key >>> 24) & 15
    if (generate) {
      this.#nextId = (this.#nextId % 127) + 1
      key = (key | (this.#nextId << 1)) >>> 0
    }
    const id = (key >>> 1) & 127
    if (command < Nn.coreSelect && id !== 0 && !generate && this.#repeated((command << 7) | id)) return
    switch (command) {
      case Nn.signal:
        if (data >>> 28 === SIGNAL_APP) this.machine.applications.signal(data)
        break
      case Nn.fillStart:
        this.#start((key >>> 17) & 127, (key >>> 8) & 0xff, data)
        break
      case Nn.coreSelect:
        this.#select(data, key & 0x3ffff)
        break
      case Nn.fillEnd:
        this.#end(id, data)
        break
    }
  }

  /** FFD: one block of `words` words for `address` of every chip that the fill selected. */
  data(id: number, block: number, words: number, address: number, data: Uint8Array): void {
    const fill = this.#fill
    if (!fill || fill.id !== id || fill.seen.has(block) || fill.seen.size >= MAX_BLOCKS) return
    fill.seen.add(block)
    const bytes = new Uint8Array(words * 4)
    bytes.set(data.subarray(0, bytes.length))
    for (const chip of this.#targets(fill)) chip.memory.write(address, bytes)
  }

  /** A start with an identifier that was used lately is the echo of one that was carried out. */
  #repeated(entry: number): boolean {
    if (this.#recent.includes(entry)) return true
    this.#recent.push(entry)
    if (this.#recent.length > REMEMBERED_IDS) this.#recent.shift()
    return false
  }

  #start(id: number, blocks: number, region: number): void {
    this.#fill = { id, blocks, seen: new Set(), cores: new Map(), region }
  }

  #select(region: number, cores: number): void {
    const fill = this.#fill
    if (!fill) return
    for (const chip of this.machine.chips()) {
      if (regionHas(region, chip.x, chip.y)) fill.cores.set(chip, (fill.cores.get(chip) ?? 0) | cores)
    }
  }

  *#targets(fill: FloodFill): Generator<Chip> {
    for (const chip of this.machine.chips()) {
      if (fill.cores.has(chip) || (fill.region !== 0 && regionHas(fill.region, chip.x, chip.y))) yield chip
    }
  }

  #end(id: number, idFlagsMask: number): void {
    const fill = this.#fill
    if (!fill || fill.id !== id) return
    this.#fill = undefined
    // A chip that missed a block does not start; here all miss the same ones.
    if (fill.seen.size !== fill.blocks) return
    for (const chip of [...this.#targets(fill)]) {
      this.machine.applications.start(chip, APLX_ADDRESS, (idFlagsMask | (fill.cores.get(chip) ?? 0)) >>> 0)
    }
  }
}
