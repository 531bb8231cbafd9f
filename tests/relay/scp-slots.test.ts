import { expect, test } from "bun:test"
import { SLOT_WAIT_MS, Slots, WAITING_LIMIT } from "../../src/relay/scp-slots.ts"

/** Slots with `count` sends of flow 1 in flight until 1000. */
function busy(count: number): Slots<string> {
  const slots = new Slots<string>()
  for (let n = 0; n < count; n++) {
    expect(slots.ask(1, `held${n}`, 0)).toBe(true)
    slots.hold(1, `held${n}`, 1000)
  }
  return slots
}

test("seven sends are in flight, the eighth waits for an answer", () => {
  const slots = busy(7)
  expect(slots.ask(1, "eighth", 0)).toBe(false)
  expect(slots.turn()).toBeUndefined()
  slots.free("held3")
  expect(slots.turn()).toBe("eighth")
  slots.hold(1, "eighth", 1000)
  expect(slots.turn()).toBeUndefined()
  expect(slots.inUse).toBe(7)
})

test("whoever waits already goes first, even when a slot is free", () => {
  const slots = busy(7)
  slots.ask(1, "first", 0)
  slots.free("held0")
  expect(slots.ask(2, "second", 0)).toBe(false)
  expect(slots.turn()).toBe("first")
})

test("flows take turns, however many requests one of them has waiting", () => {
  const slots = busy(7)
  for (const item of ["a1", "a2", "a3"]) slots.ask(1, item, 0)
  slots.ask(2, "b1", 0)
  slots.ask(3, "c1", 0)
  slots.ask(2, "b2", 0)
  for (let n = 0; n < 7; n++) slots.free(`held${n}`)
  const order = []
  for (let next = slots.turn(); next; next = slots.turn()) order.push(next)
  expect(order).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"])
})

test("a request waits no longer than 400 ms", () => {
  const slots = busy(7)
  slots.ask(1, "early", 0)
  slots.ask(2, "later", 10)
  expect(slots.deadline).toBe(SLOT_WAIT_MS)
  expect(slots.overdue(SLOT_WAIT_MS - 1)).toEqual([])
  expect(slots.overdue(SLOT_WAIT_MS)).toEqual(["early"])
  expect(slots.overdue(SLOT_WAIT_MS + 10)).toEqual(["later"])
  expect(slots.waiting).toBe(0)
})

test("a slot without an answer comes back when its time is over", () => {
  const slots = new Slots<string>()
  slots.hold(1, "quick", 100)
  slots.hold(1, "slow", 2560)
  expect(slots.deadline).toBe(100)
  expect(slots.lost(100)).toEqual(["quick"])
  expect(slots.inUse).toBe(1)
  expect(slots.lost(2560)).toEqual(["slow"])
  expect(slots.deadline).toBe(Number.POSITIVE_INFINITY)
})

test("an answer frees every slot that its request took", () => {
  const slots = new Slots<string>()
  slots.hold(1, "asked twice", 2560)
  slots.hold(1, "asked twice", 3060)
  slots.free("asked twice")
  expect(slots.inUse).toBe(0)
})

test("SDP that is not held counts, up to the board's eight tags, and gives its slot back with what comes", () => {
  const slots = new Slots<string>()
  for (let n = 0; n < 20; n++) slots.holdUnasked(5, 2560)
  expect(slots.inUse).toBe(8)
  expect(slots.ask(1, "request", 0)).toBe(false)
  slots.freeUnasked(4)
  expect(slots.inUse).toBe(8)
  slots.freeUnasked(5)
  slots.freeUnasked(5)
  expect(slots.turn()).toBe("request")
  expect(slots.lost(2560)).toEqual([])
  expect(slots.inUse).toBe(0)
})

test("a flow's queue is bounded, its oldest request goes; a closed flow's requests go, its slots stay", () => {
  const slots = busy(7)
  for (let n = 0; n < WAITING_LIMIT; n++) {
    expect(slots.makeRoom(1)).toBeUndefined()
    slots.ask(1, `w${n}`, 0)
  }
  expect(slots.makeRoom(1)).toBe("w0")
  expect(slots.cancel(1)).toBe(WAITING_LIMIT - 1)
  expect(slots.inUse).toBe(7)
  expect(slots.waiting).toBe(0)
})
