import { expect, test } from "bun:test"
import { MOST_SENDS, SequenceWatch } from "../../src/relay/scp-sequence-watch.ts"
import { requestBytes } from "../support/scp-client.ts"

const bytes = (arg1: number): Uint8Array => requestBytes({ command: 25, arg1 }, 0)

function feed(watch: SequenceWatch, ...requests: [sequence: number, arg1: number][]): SequenceWatch {
  for (const [sequence, arg1] of requests) {
    watch.note(sequence, bytes(arg1))
    watch.keep(bytes(arg1))
  }
  return watch
}

test("a client's numbers move, its repeats do not change that", () => {
  const watch = feed(new SequenceWatch(), [1, 1], [1, 1], [2, 1], [2, 1], [2, 1], [3, 4])
  expect([watch.still, watch.moving]).toEqual([false, true])
})

test("another request with the same number: the numbers stand still, until one moves", () => {
  const watch = feed(new SequenceWatch(), [0, 1], [0, 4])
  expect([watch.still, watch.moving]).toEqual([true, false])
  feed(watch, [0, 1], [0, 1])
  expect(watch.still).toBe(true)
  feed(watch, [1, 1])
  expect([watch.still, watch.moving]).toEqual([false, true])
})

test("the same bytes more often than any client repeats them are a script's, if the number never moved", () => {
  const script = new SequenceWatch()
  for (let n = 0; n < MOST_SENDS; n++) feed(script, [0, 1])
  expect(script.still).toBe(false)
  feed(script, [0, 1])
  expect(script.still).toBe(true)
  const client = feed(new SequenceWatch(), [4, 1])
  for (let n = 0; n < 2 * MOST_SENDS; n++) feed(client, [5, 1])
  expect(client.still).toBe(false)
})
