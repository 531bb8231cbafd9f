import { describe, expect, test } from "bun:test"
import { Heap } from "../../src/fake-board/heap.ts"
import { Memory } from "../../src/fake-board/memory.ts"
import { RouterTable } from "../../src/fake-board/router-table.ts"
import { seededRandom } from "../../src/transport/random.ts"

const BASE = 0x60640000
const TOP = BASE + 0x10000

function heap(): { heap: Heap; memory: Memory; tags: Map<number, number> } {
  const memory = new Memory()
  const tags = new Map<number, number>()
  const made = new Heap(memory, BASE, {
    get: (app, tag) => tags.get((app << 8) | tag) ?? 0,
    set: (app, tag, pointer) => tags.set((app << 8) | tag, pointer),
  })
  made.initialise(TOP)
  return { heap: made, memory, tags }
}

describe("the heap", () => {
  test("gives out what SC&MP 3.4.1 reports for a chip's SDRAM and system RAM", () => {
    const memory = new Memory()
    const sdram = new Heap(memory, 0x60640000)
    sdram.initialise(0x67800000)
    expect(sdram.largest()).toBe(119_275_492)
    const sysram = new Heap(memory, 0xe5001100)
    sysram.initialise(0xe5007000)
    sysram.allocate(7 * 292, 0, 0, false)
    expect(sysram.largest()).toBe(22_240)
  })

  test("never gives the same byte twice, and has everything back at the end", () => {
    const { heap: tested } = heap()
    const whole = tested.largest()
    const random = seededRandom(3)
    const live = new Map<number, number>()
    for (let round = 0; round < 3000; round++) {
      if (random() < 0.55) {
        const size = 1 + Math.floor(random() * 700)
        const pointer = tested.allocate(size, 1, 0, false)
        if (pointer === 0) continue
        expect(pointer % 4).toBe(0)
        expect(pointer >= BASE + 24 && pointer + size <= TOP - 4).toBe(true)
        for (const [other, otherSize] of live)
          expect(pointer >= other + otherSize || pointer + size <= other).toBe(true)
        live.set(pointer, size)
      } else {
        const [pointer] = [...live.keys()].toSorted(() => random() - 0.5)
        if (pointer === undefined) continue
        tested.free(pointer)
        live.delete(pointer)
      }
    }
    expect(live.size).toBeGreaterThan(10)
    for (const pointer of live.keys()) tested.free(pointer)
    expect(tested.largest()).toBe(whole)
  })

  test("keeps a tag to one block of an application until that is freed", () => {
    const { heap: tested } = heap()
    const pointer = tested.allocate(100, 7, 3, false)
    expect(tested.allocate(100, 7, 3, false)).toBe(0)
    expect(tested.allocate(100, 8, 3, false)).not.toBe(0)
    expect(tested.allocate(100, 7, 3, true)).toBe(pointer)
    expect(tested.allocate(104, 7, 3, true)).toBe(0)
    tested.free(pointer)
    expect(tested.allocate(50, 7, 3, false)).not.toBe(0)
  })

  test("frees an application's blocks and no others", () => {
    const { heap: tested } = heap()
    for (const app of [1, 2, 1, 2, 1]) tested.allocate(64, app, 0, false)
    expect(tested.freeApp(1)).toBe(3)
    expect(tested.freeApp(1)).toBe(0)
    expect(tested.freeApp(2)).toBe(2)
    expect(tested.largest()).toBe(0x10000 - 28)
  })

  test("refuses what it cannot give", () => {
    const { heap: tested } = heap()
    expect(tested.allocate(0, 1, 0, false)).toBe(0)
    expect(tested.allocate(0x10000, 1, 0, false)).toBe(0)
    expect(tested.allocate(0xffffffff, 1, 0, false)).toBe(0)
    expect(tested.allocate(8, 1, 256, false)).toBe(0)
    tested.free(0)
    tested.free(0xffffffff)
    expect(tested.largest()).toBe(0x10000 - 28)
  })

  test("ends every call even if somebody has bent its lists into circles", () => {
    const { heap: tested, memory } = heap()
    const random = seededRandom(5)
    for (let round = 0; round < 20; round++) {
      const blocks = Array.from({ length: 10 }, () => tested.allocate(40, 1, 0, false)).filter((block) => block !== 0)
      for (const block of blocks) {
        memory.writeU32(block - 8 + (random() < 0.5 ? 0 : 4), BASE + Math.floor(random() * 0x4000) * 4)
      }
      tested.freeApp(1)
      tested.largest()
      for (const block of blocks) tested.free(block)
    }
  })
})

describe("the routing table", () => {
  const table = (): { router: RouterTable; memory: Memory } => {
    const memory = new Memory()
    const router = new RouterTable(memory, 0x67880018)
    router.initialise(0)
    return { router, memory }
  }

  test("gives out 1023 entries, never 0, and merges what comes back", () => {
    const { router } = table()
    expect(router.largest()).toBe(1023)
    const first = router.allocate(100, 5)
    const second = router.allocate(923, 6)
    expect([first, second]).toEqual([1, 101])
    expect(router.allocate(1, 7)).toBe(0)
    router.free(first, false)
    expect(router.largest()).toBe(100)
    expect(router.freeApp(6, true)).toBe(1)
    expect(router.freeApp(6, true)).toBe(0)
    expect(router.largest()).toBe(1023)
    expect(router.allocate(0, 5)).toBe(0)
  })

  test("loads records to the indices that they name, with the application in the route", () => {
    const { router, memory } = table()
    const record = (index: number, route: number, key: number, mask: number): number[] => [
      index,
      0,
      0,
      0,
      ...[route, key, mask].flatMap((word) => [word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24]),
    ]
    const records = Uint8Array.from([...record(0, 1, 0x10, 0xff), ...record(1, 2, 0x20, 0xff)])
    memory.write(0x60000000, records)
    expect(router.load(0x60000000, 2, 10, 30)).toBe(true)
    expect(memory.readU32(0x67880018 + 11 * 16 + 4)).toBe((30 << 24) | 2)
    expect(memory.readU32(0x67880018 + 11 * 16 + 8)).toBe(0x20)
    expect(router.load(0x60000000, 2, 1023, 30)).toBe(false)
    expect(router.load(0x60000000, 1025, 0, 30)).toBe(false)
    expect(router.clear(11, 1)).toBe(true)
    expect(memory.readU32(0x67880018 + 11 * 16 + 4)).toBe(0xff000000)
    expect(router.clear(1000, 25)).toBe(false)
  })

  test("ends every call even if its records were overwritten", () => {
    const { router, memory } = table()
    const random = seededRandom(8)
    for (let round = 0; round < 50; round++) {
      memory.write(
        0x67880018 + Math.floor(random() * 1000) * 16,
        Uint8Array.from({ length: 64 }, () => random() * 256),
      )
      router.allocate(1 + Math.floor(random() * 9), 3)
      router.freeApp(3, true)
      router.free(Math.floor(random() * 1100), true)
      router.largest()
    }
  })
})
