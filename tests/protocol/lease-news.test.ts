import { describe, expect, test } from "bun:test"
import { decodeLeaseNews, encodeLeaseNews, type LeaseNews, MAX_LEASE_NEWS } from "../../src/protocol/lease-news.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

const ALL: LeaseNews[] = [
  { state: "held", by: "alice", idleMs: 3_000, waitingAhead: 2 },
  { state: "held", by: "[2001:db8::1]", idleMs: 0, waitingAhead: 0 },
  { state: "reserved", by: "bob the builder", waitingAhead: 1 },
  { state: "resetting" },
  { state: "withheld" },
  { state: "yours" },
]

describe("news of a lease", () => {
  test.each(ALL)("%j comes as it went", (news) => {
    expect(decodeLeaseNews(encodeLeaseNews(news))).toEqual(news)
  })

  test("goes in whole milliseconds", () => {
    const news = { state: "held", by: "alice", idleMs: 2_999.7, waitingAhead: 0 } as const
    expect(decodeLeaseNews(encodeLeaseNews(news))).toEqual({ ...news, idleMs: 3_000 })
  })

  test("may say more than this version knows, and need not say who waits", () => {
    const payload = utf8('{"state":"held","by":"alice","idleMs":1,"mood":"good"}')
    expect(decodeLeaseNews(payload)).toEqual({ state: "held", by: "alice", idleMs: 1, waitingAhead: 0 })
  })

  test.each([
    "",
    "null",
    "[]",
    "3",
    '"held"',
    "{}",
    '{"state":"eaten"}',
    '{"state":"held"}',
    '{"state":"held","by":"alice"}',
    '{"state":"held","by":"","idleMs":1}',
    '{"state":"held","by":"\\u001b[31m","idleMs":1}',
    '{"state":"held","by":"a\\u202eb","idleMs":1}',
    '{"state":"held","by":7,"idleMs":1}',
    '{"state":"held","by":"alice","idleMs":-1}',
    '{"state":"held","by":"alice","idleMs":1e13}',
    '{"state":"held","by":"alice","idleMs":"1"}',
    '{"state":"held","by":"alice","idleMs":1,"waitingAhead":null}',
    '{"state":"reserved","waitingAhead":0}',
    `{"state":"held","by":"${"a".repeat(254)}","idleMs":1}`,
    `{"state":"yours","pad":"${"a".repeat(MAX_LEASE_NEWS)}"}`,
  ])("is none: %s", (text) => {
    expect(decodeLeaseNews(utf8(text))).toBeUndefined()
  })

  test("no bytes make it throw, and whatever comes of them can be shown", () => {
    const random = seededRandom(63)
    let taken = 0
    for (let round = 0; round < 20_000; round++) {
      const whole = encodeLeaseNews(ALL[integer(random, 0, ALL.length - 1)]!)
      const news = decodeLeaseNews(random() < 0.8 ? mutate(random, whole) : randomBytes(random, integer(random, 0, 80)))
      if (!news) continue
      taken++
      if ("by" in news) expect(news.by).toMatch(/^[^\p{C}]{1,253}$/u)
      if ("idleMs" in news) expect(news.idleMs).toBeGreaterThanOrEqual(0)
    }
    expect(taken).toBeGreaterThan(100)
  })
})
