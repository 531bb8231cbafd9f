import { describe, expect, test } from "bun:test"
import { LineBoard } from "../../src/fake-board/line-board.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const VER = Buffer.from("000087ff00ffffff000000000000000000000000000000000000", "hex")

describe("a board on memory lines", () => {
  test("boots on a fake clock and answers each line for itself", () => {
    const clock = new FakeClock()
    const lines = new LineBoard({ clock, random: seededRandom(1), drops: new RecordingObserver() })
    const boot = lines.boot.dial("client:1")
    for (const datagram of encodeBootImage(new Uint8Array(2048).fill(1))) boot.send(datagram)
    clock.advance(5000)
    expect(lines.board.phase).toBe("up")
    const answers = [0, 0]
    for (const index of [0, 1]) {
      const line = lines.scp.dial(`client:${index}`)
      line.onDatagram = () => {
        answers[index]!++
      }
      for (let copy = 0; copy <= index; copy++) line.send(VER)
    }
    clock.advance(1)
    expect(answers).toEqual([1, 2])
  })
})
