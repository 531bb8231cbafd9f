import { describe, expect, test } from "bun:test"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { BootKeeper, KEEP_BOOT_MS } from "../../src/relay/boot-keeper.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { randomBytes } from "../support/fuzz.ts"

const random = seededRandom(1)
const FIRST = encodeBootImage(randomBytes(random, 4 * 1024))
const SECOND = encodeBootImage(randomBytes(random, 4 * 1024))

function sendAll(keeper: BootKeeper, datagrams: readonly Uint8Array[], now: number, gapMs = 0): number {
  for (const datagram of datagrams) {
    expect(keeper.sent(datagram, now)).toBe(true)
    now += gapMs
  }
  return now - gapMs
}

describe("BootKeeper", () => {
  test("keeps a boot from START to END and as far as it has come", () => {
    const keeper = new BootKeeper()
    expect(keeper.afterReconnect(0)).toEqual([])
    for (const [index, datagram] of FIRST.entries()) {
      keeper.sent(datagram, index)
      expect(keeper.afterReconnect(index)).toEqual(FIRST.slice(0, index + 1))
    }
  })

  test("keeps it until 10 s after its last datagram, however long it took to send", () => {
    const keeper = new BootKeeper()
    const last = sendAll(keeper, FIRST, 0, 3_000)
    expect(keeper.afterReconnect(last + KEEP_BOOT_MS)).toEqual(FIRST)
    expect(keeper.afterReconnect(last + KEEP_BOOT_MS + 1)).toEqual([])
  })

  test("begins anew with every START: two images never mix", () => {
    const keeper = new BootKeeper()
    sendAll(keeper, FIRST.slice(0, 3), 0)
    sendAll(keeper, SECOND, 10)
    expect(keeper.afterReconnect(20)).toEqual(SECOND)
  })

  test("begins anew after a silence of more than 10 s", () => {
    const keeper = new BootKeeper()
    sendAll(keeper, FIRST, 0)
    sendAll(keeper, FIRST.slice(2, 4), KEEP_BOOT_MS + 1)
    expect(keeper.afterReconnect(KEEP_BOOT_MS + 1)).toEqual(FIRST.slice(2, 4))
  })

  test("keeps repeated blocks too, up to twice the largest image, and says when it keeps no more", () => {
    const keeper = new BootKeeper()
    const [start, block] = [FIRST[0]!, FIRST[1]!]
    keeper.sent(start, 0)
    let kept = 1
    while (keeper.sent(block, 0)) kept++
    expect(kept).toBe(2 * 32 + 2)
    expect(keeper.afterReconnect(0)).toHaveLength(kept)
    for (let i = 0; i < 1000; i++) expect(keeper.sent(block, 0)).toBe(false)
    expect(keeper.afterReconnect(0)).toHaveLength(kept)
  })

  test("keeps nothing that is no boot datagram, and says so", () => {
    const keeper = new BootKeeper()
    for (const datagram of [new Uint8Array(0), new Uint8Array(26), new Uint8Array(2000)]) {
      expect(keeper.sent(datagram, 0)).toBe(false)
    }
    expect(keeper.afterReconnect(0)).toEqual([])
  })
})
