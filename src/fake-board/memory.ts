/**
 * The address space of one chip, sparse: pages exist once something non-zero was written to them. Little-endian.
 * Some ranges are aliases of one another on the chip (system RAM at 0xE5000000 and 0xF5000000): `canonical` folds them.
 */

/** Bytes of one page. */
export const PAGE_BYTES = 4096
/** Pages that all memories sharing a `PageBudget` may have: 512 MiB, far below what a test machine has. */
export const PAGE_LIMIT = 131_072

/** How many pages are left for the chips of one machine; a hostile writer cannot fill the host's memory. */
export class PageBudget {
  /** Pages in use. */
  used = 0
  /** Writes that came to nothing because the budget was spent. */
  refused = 0

  constructor(readonly limit = PAGE_LIMIT) {}
}

const SDRAM_UNBUFFERED = 0x7
const BUFFERED = 0xe

/** One chip's memory. Addresses are 0..2^32-1 and wrap; reads of what was never written give 0. */
export class Memory {
  readonly #pages = new Map<number, Uint8Array>()

  constructor(private readonly budget: PageBudget = new PageBudget()) {}

  /** Pages in use. */
  get pages(): number {
    return this.#pages.size
  }

  /** Copies `target.length` bytes from `address` on into `target`. */
  readInto(target: Uint8Array, address: number): void {
    let done = 0
    while (done < target.length) {
      const at = canonical(address + done)
      const offset = at % PAGE_BYTES
      const length = Math.min(PAGE_BYTES - offset, target.length - done)
      const page = this.#pages.get((at - offset) / PAGE_BYTES)
      if (page) target.set(page.subarray(offset, offset + length), done)
      else target.fill(0, done, done + length)
      done += length
    }
  }

  /** `length` bytes from `address` on, as a copy. */
  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.readInto(bytes, address)
    return bytes
  }

  /** Writes `bytes` at `address`. */
  write(address: number, bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.length) {
      const at = canonical(address + done)
      const offset = at % PAGE_BYTES
      const length = Math.min(PAGE_BYTES - offset, bytes.length - done)
      const page = this.#pageForWrite((at - offset) / PAGE_BYTES)
      page?.set(bytes.subarray(done, done + length), offset)
      done += length
    }
  }

  readU8(address: number): number {
    const at = canonical(address)
    return this.#pages.get(Math.floor(at / PAGE_BYTES))?.[at % PAGE_BYTES] ?? 0
  }

  readU16(address: number): number {
    return this.readU8(address) | (this.readU8(address + 1) << 8)
  }

  readU32(address: number): number {
    return (this.readU16(address) | (this.readU16(address + 2) << 16)) >>> 0
  }

  writeU8(address: number, value: number): void {
    this.write(address, Uint8Array.of(value))
  }

  writeU16(address: number, value: number): void {
    this.write(address, Uint8Array.of(value, value >>> 8))
  }

  writeU32(address: number, value: number): void {
    this.write(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24))
  }

  /** Writes `word` over and over, `bytes` (a multiple of 4) in all. Zeros over pages that do not exist cost nothing. */
  fill(address: number, word: number, bytes: number): void {
    const pattern = new Uint8Array(Math.min(bytes, PAGE_BYTES))
    const view = new DataView(pattern.buffer)
    for (let at = 0; at < pattern.length; at += 4) view.setUint32(at, word >>> 0, true)
    let done = 0
    while (done < bytes) {
      const at = canonical(address + done)
      const length = Math.min(PAGE_BYTES - (at % PAGE_BYTES), bytes - done)
      if (word !== 0 || this.#pages.has(Math.floor(at / PAGE_BYTES))) this.write(at, pattern.subarray(0, length))
      done += length
    }
  }

  /** Forgets everything, as a power cycle does. */
  clear(): void {
    this.budget.used -= this.#pages.size
    this.#pages.clear()
  }

  #pageForWrite(number: number): Uint8Array | undefined {
    const existing = this.#pages.get(number)
    if (existing) return existing
    if (this.budget.used >= this.budget.limit) {
      this.budget.refused++
      return undefined
    }
    this.budget.used++
    const page = new Uint8Array(PAGE_BYTES)
    this.#pages.set(number, page)
    return page
  }
}

/** The one address that stands for all aliases of `address`: 0x7... for SDRAM and 0xE... for the rest are the same, unbuffered or buffered. */
function canonical(address: number): number {
  const wrapped = address % 0x1_0000_0000
  const region = Math.floor(wrapped / 0x1000_0000)
  if (region === SDRAM_UNBUFFERED) return wrapped - 0x1000_0000
  if (region === BUFFERED) return wrapped + 0x1000_0000
  return wrapped
}
