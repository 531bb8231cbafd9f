import { describe, expect, test } from "bun:test"
import { Memory, PAGE_BYTES, PageBudget } from "../../src/fake-board/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"

describe("a chip's memory", () => {
  test("gives back what was written, and zeros elsewhere, whatever the boundaries", () => {
    const memory = new Memory()
    const model = new Map<number, number>()
    const random = seededRandom(6)
    const base = 0x60000000
    for (let round = 0; round < 2000; round++) {
      const at = base + Math.floor(random() * 3 * PAGE_BYTES)
      const bytes = Uint8Array.from({ length: random() * 300 }, () => random() * 256)
      memory.write(at, bytes)
      for (const [index, byte] of bytes.entries()) model.set(at + index, byte)
    }
    for (let at = base - 10; at < base + 4 * PAGE_BYTES; at++) expect(memory.readU8(at)).toBe(model.get(at) ?? 0)
    const whole = memory.read(base - 10, 4 * PAGE_BYTES)
    for (const [index, byte] of whole.entries()) expect(byte).toBe(model.get(base - 10 + index) ?? 0)
  })

  test.each([
    ["SDRAM, unbuffered", 0x60001234, 0x70001234],
    ["system RAM, buffered", 0xf5000010, 0xe5000010],
    ["router, buffered", 0xf1010000, 0xe1010000],
  ])("has %s under both addresses", (_what, one, other) => {
    const memory = new Memory()
    memory.writeU32(one, 0xdeadbeef)
    expect(memory.readU32(other)).toBe(0xdeadbeef)
    memory.writeU16(other + 2, 0x1234)
    expect(memory.readU32(one)).toBe(0x1234beef)
  })

  test("wraps at the end of the address space", () => {
    const memory = new Memory()
    memory.write(0xffffffff, Uint8Array.of(1, 2))
    expect(memory.readU8(0xffffffff)).toBe(1)
    expect(memory.readU8(0)).toBe(2)
  })

  test("fills with a word, without making pages for zeros", () => {
    const memory = new Memory()
    memory.fill(0x60000000, 0, 128 * 1024 * 1024)
    expect(memory.pages).toBe(0)
    memory.fill(0x60000ff8, 0x04030201, 16)
    expect([...memory.read(0x60000ff6, 20)]).toEqual([0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 0, 0])
    memory.fill(0x60000ffc, 0, 8)
    expect(memory.readU32(0x60000ff8)).toBe(0x04030201)
    expect(memory.readU32(0x60000ffc)).toBe(0)
  })

  test("stops growing at the budget that all chips share, and gives pages back", () => {
    const budget = new PageBudget(3)
    const [one, two] = [new Memory(budget), new Memory(budget)]
    for (let page = 0; page < 5; page++) one.writeU8(page * PAGE_BYTES, 1)
    two.writeU8(0, 1)
    expect([one.pages, two.pages, budget.used, budget.refused]).toEqual([3, 0, 3, 3])
    one.clear()
    two.writeU8(0, 1)
    expect([two.readU8(0), budget.used]).toEqual([1, 1])
  })
})
