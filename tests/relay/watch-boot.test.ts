import { describe, expect, test } from "bun:test"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import type { Board } from "../../src/relay/board.ts"
import { watchBoot } from "../../src/relay/watch-boot.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { randomBytes } from "../support/fuzz.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const IMAGE = randomBytes(seededRandom(1), 5 * 1024 + 100)
const BOOT = encodeBootImage(IMAGE)
const [START, END] = [BOOT[0]!, BOOT.at(-1)!]

function setup() {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const random = seededRandom(2)
  const board: Board = { name: "board", clock, random, observer }
  const [near, far] = memoryPair({ clock, random, drops: observer }, { first: "relay:1", second: "board:1" })
  const arrived: Uint8Array[] = []
  far.onDatagram = (datagram) => arrived.push(datagram)
  const staged = watchBoot(board)(near, { id: 1, owner: "a", application: "a:1" })
  return {
    observer,
    arrived,
    sends(datagrams: readonly Uint8Array[], gapMs = 0) {
      for (const datagram of datagrams) {
        staged.send(datagram)
        clock.advance(gapMs)
      }
    },
    /** All that was told, progress left out. */
    told: () => observer.events.filter(({ type }) => type !== "boot-progress"),
  }
}

describe("watchBoot()", () => {
  test("tells of a boot's begin, its progress and its end with blocks, bytes and time, and changes nothing", () => {
    const { observer, told, sends, arrived } = setup()
    sends(BOOT, 10)
    expect(arrived).toEqual(BOOT)
    expect(told()).toEqual([
      { type: "boot-begun", board: "board", application: "a:1", blocks: 6 },
      { type: "boot-sent", board: "board", application: "a:1", blocks: 6, bytes: IMAGE.length, durationMs: 70 },
    ])
    expect(observer.of("boot-progress").map(({ done, total }) => [done, total])).toEqual(
      [1, 2, 3, 4, 5, 6].map((done) => [done, 6]),
    )
  })

  test("counts a repeated block once, and takes blocks in any order", () => {
    const { told, sends } = setup()
    const blocks = BOOT.slice(1, -1)
    sends([START, ...blocks.toReversed(), ...blocks, END])
    expect(told()[1]).toMatchObject({ type: "boot-sent", blocks: 6, bytes: IMAGE.length })
  })

  test("names the blocks that never came", () => {
    const { told, sends } = setup()
    sends(BOOT.filter((_, index) => index !== 2 && index !== 6))
    expect(told()[1]).toEqual({
      type: "boot-incomplete",
      board: "board",
      application: "a:1",
      missing: [1, 5],
      total: 6,
    })
  })

  test("a second attempt begins anew", () => {
    const { told, sends } = setup()
    sends(BOOT.filter((_, index) => index !== 2))
    sends(BOOT.filter((_, index) => index !== 4))
    sends(BOOT)
    const what = told().map((event) => ("missing" in event ? `lacks ${event.missing}` : event.type))
    expect(what).toEqual(["boot-begun", "lacks 1", "boot-begun", "lacks 3", "boot-begun", "boot-sent"])
  })

  test("says nothing of an END without a START, nor of what is no boot datagram", () => {
    const { told, sends, arrived } = setup()
    sends([END, new Uint8Array(3), new Uint8Array(26)])
    expect(told()).toEqual([])
    expect(arrived).toHaveLength(3)
  })
})
