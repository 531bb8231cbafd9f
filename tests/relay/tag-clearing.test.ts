import { describe, expect, test } from "bun:test"
import { decodeScpRequest } from "../../src/protocol/scp.ts"
import { CLEAR_AGAIN_MS, CLEAR_TRIES, SILENT_MS, TagClearing } from "../../src/relay/tag-clearing.ts"
import { tagRequestOf } from "../../src/relay/tag-request.ts"
import type { Link } from "../../src/transport/link.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { replyTo } from "../support/guarded.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup() {
  const clock = new FakeClock()
  const context = { clock, random: seededRandom(1), drops: new RecordingObserver() }
  const asked: Uint8Array[] = []
  let far: Link | undefined
  const dial = (): Link => {
    const [near, board] = memoryPair(context, { first: "relay", second: "board" })
    board.onDatagram = (datagram) => asked.push(datagram)
    board.onClose = () => {}
    far = board
    return near
  }
  const clearing = new TagClearing({ clock, dial })
  const gone: string[] = []
  return {
    clock,
    clearing,
    gone,
    asked,
    clear: (tag: number) => {
      clearing.clear(tag, 0x0804, () => gone.push(`tag ${tag}`))
      clock.advance(0)
    },
    answer: (at: number) => {
      far?.send(replyTo(asked[at]!))
      clock.advance(0)
    },
  }
}

describe("clearing", () => {
  test("asks the chip that has the tag, and is done when it answers", () => {
    const { clear, asked, answer, gone, clock } = setup()
    clear(3)
    expect(tagRequestOf(asked[0]!)).toMatchObject({ kind: "clear", tag: 3, chip: 0x0804 })
    expect(decodeScpRequest(asked[0]!)?.sdp).toMatchObject({ flags: 0x87, tag: 0xff, destX: 8, destY: 4 })
    answer(0)
    expect(gone).toEqual(["tag 3"])
    expect(clock.pending).toBe(0)
  })

  test("asks again until it is answered, and waits out a board that never does", () => {
    const { clear, asked, gone, clock } = setup()
    clear(3)
    clock.advance(CLEAR_AGAIN_MS * CLEAR_TRIES)
    expect(asked).toHaveLength(CLEAR_TRIES)
    expect(gone).toEqual([])
    clock.advance(SILENT_MS)
    expect(asked).toHaveLength(CLEAR_TRIES)
    expect(gone).toEqual(["tag 3"])
  })

  test("stops asking for a tag that somebody has set again, whose old path stays shut a while", () => {
    const { clear, clearing, asked, gone, clock } = setup()
    clear(3)
    clear(4)
    clearing.taken(3)
    clock.advance(CLEAR_AGAIN_MS)
    expect(asked.map((datagram) => tagRequestOf(datagram)?.tag)).toEqual([3, 4, 4])
    expect(gone).toEqual([])
    clock.advance(SILENT_MS)
    expect(gone).toContain("tag 3")
  })

  test("at the end of everything is over at once", () => {
    const { clear, clearing, gone, clock } = setup()
    clear(3)
    clearing.linger(() => gone.push("another"))
    clearing.close()
    expect(gone.toSorted()).toEqual(["another", "tag 3"])
    // The link's own end, on its way to the other side.
    clock.advance(0)
    expect(clock.pending).toBe(0)
  })
})
