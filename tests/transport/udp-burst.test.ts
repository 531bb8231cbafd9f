import { describe, expect, test } from "bun:test"
import { BURST_GAP_MS, BUSY_BURST, BUSY_GAP_MS } from "../../src/transport/burst-pace.ts"
import { BURST_LIMIT, Burst } from "../../src/transport/udp-burst.ts"
import { FakeClock } from "../support/fake-clock.ts"

/** A burst whose sends are written down: a number for one sent singly, an array for several in one call. */
function recordedBurst(sendMany: (numbers: number[]) => number = (numbers) => numbers.length) {
  const clock = new FakeClock()
  const sent: (number | number[])[] = []
  const ends: (() => void)[] = []
  const burst = new Burst<string>({
    clock,
    sendOne: (datagram) => void sent.push(datagram[0]!),
    sendMany: (datagrams) => {
      const numbers = datagrams.map((datagram) => datagram[0]!)
      const count = sendMany(numbers)
      if (count > 0) sent.push(numbers.slice(0, count))
      return count
    },
    endOfTurn: (run) => void ends.push(run),
  })
  const push = (...numbers: number[]): void => {
    for (const number of numbers) burst.push(new Uint8Array([number]), "target")
  }
  const endTurn = (): void => {
    for (const run of ends.splice(0)) run()
  }
  return { clock, burst, sent, push, endTurn }
}

describe("Burst", () => {
  test("sends a lone datagram at once", () => {
    const { clock, sent, push } = recordedBurst()
    push(1)
    clock.advance(BURST_GAP_MS)
    push(2)
    expect(sent).toEqual([1, 2])
  })

  test("never lets a program wait that sends again on each answer, be the round trip as short as 30 us", () => {
    const { clock, sent, push } = recordedBurst()
    for (let number = 1; number <= 5; number++) {
      push(number)
      clock.advance(0.03)
    }
    expect(sent).toEqual([1, 2, 3, 4, 5])
  })

  test("sends the first of a burst at once and the rest together at the end of the turn", () => {
    const { sent, push, endTurn } = recordedBurst()
    push(1, 2, 3, 4)
    expect(sent).toEqual([1])
    endTurn()
    expect(sent).toEqual([1, [2, 3, 4]])
  })

  test("does not wait for the end of the turn when there is a full call's worth", () => {
    const { sent, push } = recordedBurst()
    push(0, ...Array.from({ length: BURST_LIMIT }, (_, i) => i + 1))
    expect(sent).toHaveLength(2)
    expect(sent[1]).toHaveLength(BURST_LIMIT)
  })

  test("sends singly, in order, what one call did not take", () => {
    const { sent, push, endTurn } = recordedBurst(() => 2)
    push(1, 2, 3, 4, 5)
    endTurn()
    expect(sent).toEqual([1, [2, 3], 4, 5])
  })

  test("sends all singly when the call throws, as for an earlier datagram's ICMP error", () => {
    const { sent, push, endTurn } = recordedBurst(() => {
      throw new Error("ECONNREFUSED")
    })
    push(1, 2, 3)
    endTurn()
    expect(sent).toEqual([1, 2, 3])
  })

  test("waits for the whole of the next burst after a big one, and for no longer than that", () => {
    const { clock, sent, push, endTurn } = recordedBurst()
    push(0, ...Array.from({ length: BUSY_BURST }, (_, i) => i + 1))
    endTurn()
    clock.advance(2 * BURST_GAP_MS)
    push(10, 11)
    expect(sent).toHaveLength(2)
    endTurn()
    expect(sent[2]).toEqual([10, 11])
    clock.advance(2 * BURST_GAP_MS)
    push(20)
    expect(sent[3]).toBe(20)
    clock.advance(BUSY_GAP_MS)
    push(30)
    expect(sent[4]).toBe(30)
  })

  test("has nothing left after flush()", () => {
    const { burst, sent, push, endTurn } = recordedBurst()
    push(1, 2, 3)
    burst.flush()
    endTurn()
    expect(sent).toEqual([1, [2, 3]])
  })
})
