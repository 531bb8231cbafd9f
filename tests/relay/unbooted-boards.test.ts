import { describe, expect, test } from "bun:test"
import { UnbootedBoards } from "../../src/relay/unbooted-boards.ts"

const [A, B] = ["192.0.2.1", "192.0.2.2"]

describe("UnbootedBoards", () => {
  test("a board's beacons are news once, and each is passed on", () => {
    const boards = new UnbootedBoards()
    expect(boards.heard(A, 0)).toEqual({ news: true, forward: true })
    for (let now = 4_096; now < 60_000; now += 4_096)
      expect(boards.heard(A, now)).toEqual({ news: false, forward: true })
    expect(boards.heard(B, 60_000)).toEqual({ news: true, forward: true })
  })

  test("a board that has booted, or was silent for 15 s, is news again", () => {
    const boards = new UnbootedBoards()
    boards.heard(A, 0)
    boards.booted(A)
    expect(boards.heard(A, 4_096).news).toBe(true)
    expect(boards.heard(A, 4_096 + 14_999).news).toBe(false)
    expect(boards.heard(A, 4_096 + 14_999 + 15_000).news).toBe(true)
  })

  test("a flood is passed on once a second", () => {
    const boards = new UnbootedBoards()
    let forwarded = 0
    for (let now = 0; now < 10_000; now += 10) if (boards.heard(A, now).forward) forwarded++
    expect(forwarded).toBe(10)
  })

  test("a thousand invented boards cost no more memory than 64", () => {
    const boards = new UnbootedBoards()
    for (let index = 0; index < 1_000; index++) boards.heard(`10.0.${index >> 8}.${index & 255}`, 0)
    // The first has been forgotten, the last has not.
    expect(boards.heard("10.0.0.0", 5_000).news).toBe(true)
    expect(boards.heard("10.0.3.231", 5_000).news).toBe(false)
  })
})
