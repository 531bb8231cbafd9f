import { expect, test } from "bun:test"
import { type ExchangeEvent, type ExchangeState, stepExchange } from "../../src/relay/scp-exchange.ts"
import type { Traits } from "../../src/relay/scp-traits.ts"

const read: Traits = { effect: "none", quick: true, answerMs: 450 }
const alloc: Traits = { effect: "more", quick: true, answerMs: 450 }
const power: Traits = { effect: "never-again", quick: false, answerMs: 10_000 }
const sent = { kind: "sent", at: 1000, retries: 0 } as const
const tired = { kind: "sent", at: 1000, retries: 2 } as const
const retrying = { kind: "retrying", at: 1000, retries: 1 } as const
const repeating = { kind: "repeating", at: 1000 } as const
const over = { kind: "over" } as const
const fresh = { kind: "new" } as const

/** Every state with every event, a harmless quick request, 100 ms after it was sent. */
const TABLE: [ExchangeState, ExchangeEvent, ExchangeState, string][] = [
  [fresh, "turn", { kind: "sent", at: 1100, retries: 0 }, "send"],
  [fresh, "repeat", fresh, "absorb"],
  [fresh, "silence", fresh, "nothing"],
  [fresh, "wait-over", over, "drop"],
  [fresh, "answer", fresh, "nothing"],
  [sent, "turn", sent, "nothing"],
  [sent, "repeat", sent, "absorb"],
  [sent, "silence", { kind: "retrying", at: 1000, retries: 0 }, "ask"],
  [sent, "wait-over", sent, "nothing"],
  [sent, "answer", over, "deliver"],
  [tired, "silence", tired, "nothing"],
  [retrying, "turn", { kind: "sent", at: 1000, retries: 2 }, "send"],
  [retrying, "repeat", retrying, "absorb"],
  [retrying, "silence", retrying, "nothing"],
  [retrying, "wait-over", tired, "give-up-send"],
  [retrying, "answer", over, "deliver"],
  [repeating, "turn", { kind: "sent", at: 1100, retries: 0 }, "send"],
  [repeating, "repeat", repeating, "absorb"],
  [repeating, "silence", repeating, "nothing"],
  [repeating, "wait-over", tired, "give-up-send"],
  [repeating, "answer", over, "deliver"],
  [over, "turn", over, "nothing"],
  [over, "repeat", over, "nothing"],
  [over, "silence", over, "nothing"],
  [over, "wait-over", over, "nothing"],
  [over, "answer", over, "nothing"],
]

test.each(TABLE)("%o on %s becomes %o: %s", (state, event, next, action) => {
  expect<unknown>(stepExchange(state, event, read, 1100)).toEqual({ state: next, action })
})

test("a repeat goes on after 450 ms of silence, and starts the time anew", () => {
  expect(stepExchange(sent, "repeat", read, 1449).action).toBe("absorb")
  expect(stepExchange(sent, "repeat", read, 1450)).toEqual({ state: repeating, action: "ask" })
  expect(stepExchange(retrying, "repeat", read, 1450)).toEqual({ state: repeating, action: "absorb" })
})

test("what does more each time is never tried again by the relay, but by its client", () => {
  expect(stepExchange(sent, "silence", alloc, 1100).action).toBe("nothing")
  expect(stepExchange(sent, "repeat", alloc, 1450).action).toBe("ask")
})

test("power, reset and flash are never sent twice for one request", () => {
  expect(stepExchange(sent, "silence", power, 3560).action).toBe("nothing")
  expect(stepExchange(sent, "repeat", power, 11_500).action).toBe("absorb")
})
