import { expect, test } from "bun:test"
import { encodeLeaseNews, type LeaseNews } from "../../src/protocol/lease-news.ts"
import { LeaseLines, SAME_NEWS_MS } from "../../src/relay/lease-lines.ts"
import { utf8 } from "../support/fuzz.ts"

const held = (by: string, idleMs = 0): LeaseNews => ({ state: "held", by, idleMs, waitingAhead: 0 })

test("the same news is worth a line twice a minute, other news at once", () => {
  const lines = new LeaseLines()
  const hear = (news: LeaseNews, at: number, board = "board-a") => lines.heard(board, encodeLeaseNews(news), at)
  expect(hear(held("alice"), 0)).toEqual(held("alice"))
  expect(hear(held("alice", 5_000), 5_000)).toBeUndefined()
  expect(hear(held("alice"), 6_000, "board-b")).toEqual(held("alice"))
  expect(hear(held("carol"), 10_000)).toEqual(held("carol"))
  expect(hear(held("carol"), 10_000 + SAME_NEWS_MS - 1)).toBeUndefined()
  expect(hear(held("carol"), 10_000 + SAME_NEWS_MS)).toEqual(held("carol"))
  expect(hear({ state: "yours" }, 41_000)).toEqual({ state: "yours" })
  expect(hear(held("carol"), 41_001)).toEqual(held("carol"))
})

test("what is no news is said to be none; a server that invents boards fills no memory", () => {
  const lines = new LeaseLines()
  expect(lines.heard("board-a", utf8("{"), 0)).toBe("malformed")
  const payload = encodeLeaseNews(held("alice"))
  for (let i = 0; i < 100; i++) lines.heard(`board-${i}`, payload, 0)
  // The newest are remembered, the oldest are not.
  expect(lines.heard("board-99", payload, 1)).toBeUndefined()
  expect(lines.heard("board-0", payload, 1)).toEqual(held("alice"))
})
