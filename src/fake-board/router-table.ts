/**
 * The copy of the multicast routing table that SC&MP keeps in SDRAM, with the allocator that lives in the same records
 * (next block u16, free chain or owner u16, route, key, mask). Source: spinnaker_tools 4.0.0, sark_alloc.c, sark_hw.c.
 */
import type { Memory } from "./memory.ts"
import { SV_BASE, Sv } from "./memory-map.ts"

/** Entries of the table; one record more holds the end mark. */
export const ROUTER_ENTRIES = 1024
/** Bytes of one record. */
export const ROUTER_RECORD = 16
/** Index 0 is never given out, so that 0 can mean failure. */
const FIRST = 1
const LAST = ROUTER_ENTRIES
/** Marks a record's owner field as "taken by the application in the low byte". */
const TAKEN = 0x8000
/** Bits of the owner field that are compared. */
const OWNER_MASK = 0xe0ff
/** Route (0xff000000), key (0xffffffff) and mask (0) of an unused entry. */
const UNUSED_BYTES = Uint8Array.of(0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/** One chip's multicast table. Indices are 0..1023. */
export class RouterTable {
  constructor(
    private readonly memory: Memory,
    private readonly base: number,
  ) {}

  /** RTR 0: clears entries from 1 on and makes them one free block. */
  initialise(from = FIRST): void {
    this.clear(from, ROUTER_ENTRIES - from)
    this.memory.writeU16(SV_BASE + Sv.routerFree, FIRST)
    this.#link(FIRST, LAST, 0)
    this.#link(LAST, 0, 0)
    this.memory.write(this.#at(LAST) + 4, UNUSED_BYTES.subarray(0, 4))
  }

  /** Puts `count` entries from `start` out of use; false if they go beyond the table. */
  clear(start: number, count: number): boolean {
    if (start + count > ROUTER_ENTRIES) return false
    for (let entry = start; entry < start + count; entry++) this.memory.write(this.#at(entry) + 4, UNUSED_BYTES)
    return true
  }

  /**
   * Loads `count` records from `address` (0: as many as the first record's second field says) to the index in each
   * record plus `offset`. False if one goes beyond the table; those before it are loaded.
   */
  load(address: number, count: number, offset: number, appId: number): boolean {
    const records = count === 0 ? this.memory.readU16(address + 2) : count
    if (records > ROUTER_ENTRIES) return false
    for (let record = 0; record < records; record++) {
      const at = address + record * ROUTER_RECORD
      const entry = this.memory.readU16(at) + offset
      if (entry >= ROUTER_ENTRIES) return false
      const route = (this.memory.readU32(at + 4) + appId * 0x1000000) % 0x1_0000_0000
      this.#setEntry(entry, { route, key: this.memory.readU32(at + 8), mask: this.memory.readU32(at + 12) })
    }
    return true
  }

  /** First index of a block of `count` entries for `appId`, or 0. */
  allocate(count: number, appId: number): number {
    if (count === 0) return 0
    let previous = 0
    let free = this.memory.readU16(SV_BASE + Sv.routerFree)
    for (let step = 0; free !== 0 && step < ROUTER_ENTRIES; step++) {
      const next = this.#next(free)
      const rest = free + count
      if (rest > next) {
        previous = free
        free = this.#owner(free)
        continue
      }
      let follower = this.#owner(free)
      if (rest < next) {
        this.#link(rest, next, follower)
        this.#setNext(free, rest)
        follower = rest
      }
      this.#setFree(previous, follower)
      this.#setOwner(free, (appId & 0xff) | TAKEN)
      return free
    }
    return 0
  }

  /** Gives the block that begins at `entry` back; `clear` also puts its entries out of use. */
  free(entry: number, clear: boolean): void {
    if (entry < FIRST || entry >= LAST) return
    const size = this.#next(entry) - entry
    if (clear && size > 0) this.clear(entry, size)
    let previous = 0
    let next = this.memory.readU16(SV_BASE + Sv.routerFree)
    for (let step = 0; next !== 0 && entry >= next && step < ROUTER_ENTRIES; step++) {
      previous = next
      next = this.#owner(next)
    }
    this.#setOwner(entry, next)
    this.#setFree(previous, entry)
    if (next !== 0 && this.#next(entry) === next) this.#link(entry, this.#next(next), this.#owner(next))
    if (previous !== 0 && this.#next(previous) === entry) {
      this.#link(previous, this.#next(entry), this.#owner(entry))
    }
  }

  /** Gives back every block of `appId`; how many there were. */
  freeApp(appId: number, clear: boolean): number {
    let count = 0
    let block = FIRST
    for (let step = 0; step < ROUTER_ENTRIES; step++) {
      const next = this.#next(block)
      if (next === 0) break
      if ((this.#owner(block) & OWNER_MASK) === (appId | TAKEN)) {
        this.free(block, clear)
        count++
      }
      block = next
    }
    return count
  }

  /** Entries of the largest free block. */
  largest(): number {
    let largest = 0
    let block = this.memory.readU16(SV_BASE + Sv.routerFree)
    for (let step = 0; block !== 0 && step < ROUTER_ENTRIES; step++) {
      const next = this.#next(block)
      if (next !== 0) largest = Math.max(largest, next - block)
      block = this.#owner(block)
    }
    return largest
  }

  /** Anyone may have overwritten the records, so an index is cut to the table's 11 bits wherever it is used. */
  #at(entry: number): number {
    return this.base + (entry & 0x7ff) * ROUTER_RECORD
  }

  #next(entry: number): number {
    return this.memory.readU16(this.#at(entry))
  }

  #owner(entry: number): number {
    return this.memory.readU16(this.#at(entry) + 2)
  }

  #setNext(entry: number, next: number): void {
    this.memory.writeU16(this.#at(entry), next)
  }

  #setOwner(entry: number, owner: number): void {
    this.memory.writeU16(this.#at(entry) + 2, owner)
  }

  #link(entry: number, next: number, free: number): void {
    this.#setNext(entry, next)
    this.#setOwner(entry, free)
  }

  /** Sets what follows `previous` in the free chain, or its head for 0. */
  #setFree(previous: number, follower: number): void {
    if (previous === 0) this.memory.writeU16(SV_BASE + Sv.routerFree, follower)
    else this.#setOwner(previous, follower)
  }

  #setEntry(entry: number, { route, key, mask }: { route: number; key: number; mask: number }): void {
    const at = this.#at(entry)
    this.memory.writeU32(at + 4, route)
    this.memory.writeU32(at + 8, key)
    this.memory.writeU32(at + 12, mask)
  }
}
