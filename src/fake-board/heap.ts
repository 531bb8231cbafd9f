/**
 * SARK's memory allocator, working on the same linked lists in the chip's own memory as on the chip, so that programs
 * that walk the heap see what they would see there. Source: spinnaker_tools 4.0.0, sark_alloc.c.
 *
 * A heap begins with four words (first free block, first block, last block, free bytes); each block with two (next
 * block, next free block; in an allocated one the second is 0xffff0000 + app << 8 + tag).
 */
import type { Memory } from "./memory.ts"

const HEADER_BYTES = 16
const BLOCK_BYTES = 8
/** Bytes of the block that ends a heap: SC&MP 3.4.1 keeps one word, as the largest free block that it reports shows. */
const LAST_BLOCK_BYTES = 4
/** Blocks looked at in one call: whoever overwrites the lists can make circles of them. */
const STEP_LIMIT = 50_000

/** Where allocations with a tag are noted, shared by all heaps of a chip. */
export interface TagNotes {
  get(appId: number, tag: number): number
  set(appId: number, tag: number, pointer: number): void
}

/** One heap. Pointers are addresses, 0 where C has NULL. */
export class Heap {
  #steps = 0

  constructor(
    private readonly memory: Memory,
    readonly base: number,
    private readonly tags?: TagNotes,
  ) {}

  /** Makes one free block of everything from `base` to `top`. */
  initialise(top: number): void {
    const first = this.base + HEADER_BYTES
    const last = top - LAST_BLOCK_BYTES
    this.#write(0, first)
    this.#write(4, first)
    this.#write(8, last)
    this.#write(12, last - first - BLOCK_BYTES)
    this.memory.writeU32(first, last)
    this.memory.writeU32(first + 4, 0)
    this.memory.writeU32(last, 0)
  }

  get freeBytes(): number {
    return this.memory.readU32(this.base + 12)
  }

  /**
   * Address of a new block of `bytes`, or 0: no room, nothing asked for, a tag beyond 255, or one in use (unless
   * `again` and the block that has it is of just that size: then that block, which makes repeats of a request safe).
   */
  allocate(bytes: number, appId: number, tag: number, again: boolean): number {
    if (bytes === 0 || tag > 255) return 0
    const held = tag === 0 ? 0 : (this.tags?.get(appId, tag) ?? 0)
    if (held !== 0) {
      const size = this.memory.readU32(held - BLOCK_BYTES) - held
      return again && size === bytes ? held : 0
    }
    const size = Math.ceil(bytes / 4) * 4 + BLOCK_BYTES
    this.#steps = 0
    let previous = 0
    let free = this.memory.readU32(this.base)
    while (free !== 0 && this.#step()) {
      const next = this.memory.readU32(free)
      const rest = free + size
      if (rest > next) {
        previous = free
        free = this.memory.readU32(free + 4)
        continue
      }
      this.#take(previous, free, rest, next)
      // Where no rest was split off the block is larger than this, and freeing it will count more: SARK's sum drifts so.
      this.#write(12, this.freeBytes - size)
      this.memory.writeU32(free + 4, 0xffff0000 + ((appId & 0xff) << 8) + tag)
      const pointer = free + BLOCK_BYTES
      if (tag !== 0) this.tags?.set(appId, tag, pointer)
      return pointer
    }
    return 0
  }

  /** Gives a block back; a pointer outside the heap is ignored (SC&MP would crash). */
  free(pointer: number): void {
    this.#steps = 0
    this.#free(pointer)
  }

  /** Gives back every block of `appId`; how many there were. */
  freeApp(appId: number): number {
    this.#steps = 0
    let count = 0
    let block = this.memory.readU32(this.base + 4)
    for (let next = this.memory.readU32(block); next !== 0 && this.#step(); next = this.memory.readU32(block)) {
      const owner = this.memory.readU32(block + 4)
      // SARK compares the application only; blocks of the free list carry addresses there, whose top half differs.
      if (owner >>> 16 === 0xffff && ((owner >>> 8) & 0xff) === appId) {
        this.#free(block + BLOCK_BYTES)
        count++
      }
      block = next
    }
    return count
  }

  /** Bytes of the largest free block. */
  largest(): number {
    this.#steps = 0
    let largest = 0
    for (
      let block = this.memory.readU32(this.base);
      block !== 0 && this.#step();
      block = this.memory.readU32(block + 4)
    ) {
      const next = this.memory.readU32(block)
      if (next !== 0) largest = Math.max(largest, next - block - BLOCK_BYTES)
    }
    return largest
  }

  #take(previous: number, free: number, rest: number, next: number): void {
    const nextFree = this.memory.readU32(free + 4)
    let follower = nextFree
    // Too big: split, but leave no block without room for a word.
    if (rest + BLOCK_BYTES < next) {
      this.memory.writeU32(rest, next)
      this.memory.writeU32(rest + 4, nextFree)
      this.memory.writeU32(free, rest)
      follower = rest
    }
    if (previous === 0) this.#write(0, follower)
    else this.memory.writeU32(previous + 4, follower)
  }

  #free(pointer: number): void {
    const block = pointer - BLOCK_BYTES
    const last = this.memory.readU32(this.base + 8)
    if (block < this.base + HEADER_BYTES || block >= last) return
    const entry = this.memory.readU32(block + 4)
    if ((entry & 0xff) !== 0) this.tags?.set((entry >>> 8) & 0xff, entry & 0xff, 0)
    this.#write(12, this.freeBytes + this.memory.readU32(block) - block)
    let previous = 0
    let next = this.memory.readU32(this.base)
    while (next !== 0 && block >= next && this.#step()) {
      previous = next
      next = this.memory.readU32(next + 4)
    }
    this.memory.writeU32(block + 4, next)
    if (previous === 0) this.#write(0, block)
    else this.memory.writeU32(previous + 4, block)
    if (next !== 0 && this.memory.readU32(block) === next) this.#merge(block, next)
    if (previous !== 0 && this.memory.readU32(previous) === block) this.#merge(previous, block)
  }

  #merge(block: number, swallowed: number): void {
    this.memory.writeU32(block, this.memory.readU32(swallowed))
    this.memory.writeU32(block + 4, this.memory.readU32(swallowed + 4))
  }

  #step(): boolean {
    return ++this.#steps < STEP_LIMIT
  }

  #write(offset: number, value: number): void {
    this.memory.writeU32(this.base + offset, value)
  }
}
