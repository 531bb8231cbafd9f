/**
 * What every Link must do, whatever carries it. A transport's test makes pairs of connected links and hands them to
 * `describeLinkContract`; nothing here knows about sockets.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { type CloseReason, HOLD_LIMIT, type Link } from "../../src/transport/link.ts"
import type { RecordingObserver } from "./recording-observer.ts"

/** Two ends of one carrier: what one sends, the other gets. */
export interface LinkPair {
  /** The end that dialled. */
  readonly near: Link
  /** The end that arrived at the listener; where that takes a datagram (UDP), `makePair` sends GREETING for it. */
  readonly far: Link
  /** Counts the drops of both ends. */
  readonly observer: RecordingObserver
  /** Lets what is under way arrive, where that takes a fake clock; called until a test has what it waits for. */
  turn?(): void
  /** Frees everything. */
  dispose(): void | Promise<void>
}

/** What a transport promises beyond the common contract. */
export interface LinkTraits {
  /** Closing one end ends the other too. Not so with UDP: nobody tells. */
  readonly tellsPeer: boolean
  /** The far end appears with a first datagram, and holds that one. */
  readonly greets?: boolean
}

/** The datagram that makes a far end appear; the contract's tests do not see it. */
export const GREETING: Uint8Array = new TextEncoder().encode("are you there?")

/** Datagram lengths that have gone wrong somewhere before: none, one, an SCP packet, a boot block, the longest. */
const LENGTHS = [0, 1, 282, 1042, 65_507]

/** Runs the contract against pairs from `makePair`. */
export function describeLinkContract(name: string, traits: LinkTraits, makePair: () => Promise<LinkPair>): void {
  describe(`${name} as a Link`, () => {
    const open: LinkPair[] = []
    const pair = async () => {
      const made = await makePair()
      open.push(made)
      return made
    }
    afterEach(async () => {
      for (const made of open.splice(0)) await made.dispose()
    })

    for (const from of ["near", "far"] as const) {
      const to = from === "near" ? "far" : "near"

      for (const length of LENGTHS) {
        test(`carries ${length} bytes ${from} to ${to}, unchanged and in one piece`, async () => {
          const made = await pair()
          const got = collect(made[to])
          const sent = pattern(length, 7)
          made[from].send(sent)
          made[from].send(pattern(3, 9))
          await until(made, () => got.length === 2)
          expect(got.map((datagram) => datagram.length)).toEqual([length, 3])
          expect(Buffer.compare(got[0]!, sent)).toBe(0)
        })
      }

      test(`keeps the order of a burst ${from} to ${to}`, async () => {
        const made = await pair()
        const got = collect(made[to])
        for (let i = 0; i < 100; i++) made[from].send(Uint8Array.of(i, 1, 2, 3))
        await until(made, () => got.length === 100)
        expect(got.map((datagram) => datagram[0])).toEqual(Array.from({ length: 100 }, (_, i) => i))
      })

      test(`delivers private copies ${from} to ${to}: what is received never changes later`, async () => {
        const made = await pair()
        const got = collect(made[to])
        made[from].send(pattern(282, 1))
        await until(made, () => got.length === 1)
        const before = got[0]!.slice()
        for (let i = 0; i < 20; i++) made[from].send(pattern(282, 100 + i))
        await until(made, () => got.length === 21)
        expect(Buffer.compare(got[0]!, before)).toBe(0)
      })

      test(`holds datagrams ${from} to ${to} until onDatagram is set, then delivers them in order`, async () => {
        const made = await pair()
        for (let i = 0; i < 5; i++) made[from].send(Uint8Array.of(i))
        await arrived(made)
        const got = collect(made[to])
        await until(made, () => got.length === 5)
        expect(got.map((datagram) => datagram[0])).toEqual([0, 1, 2, 3, 4])
      })

      test(`the hold ${from} to ${to} is bounded: the oldest go, counted`, async () => {
        const made = await pair()
        const extra = 10
        // In portions, so that it is the hold that overflows and not a buffer of the system.
        for (let i = 0; i < HOLD_LIMIT.datagrams + extra; i++) {
          made[from].send(Uint8Array.of(i & 0xff, i >> 8))
          if (i % 32 === 31) await arrived(made)
        }
        // The greeting was the oldest.
        const lost = extra + (traits.greets && to === "far" ? 1 : 0)
        await until(made, () => made.observer.dropped.get("hold-full") === lost)
        const got = collect(made[to])
        expect(got).toHaveLength(HOLD_LIMIT.datagrams)
        expect(got[0]![0]).toBe(extra)
      })
    }

    test("carries both ways at once", async () => {
      const made = await pair()
      const atFar = collect(made.far)
      const atNear = collect(made.near)
      for (let i = 0; i < 50; i++) {
        made.near.send(Uint8Array.of(1, i))
        made.far.send(Uint8Array.of(2, i))
      }
      await until(made, () => atFar.length === 50 && atNear.length === 50)
      expect(atFar.every((datagram) => datagram[0] === 1)).toBe(true)
      expect(atNear.every((datagram) => datagram[0] === 2)).toBe(true)
    })

    test("drops and counts a datagram over 65,507 bytes, and carries the next", async () => {
      const made = await pair()
      const got = collect(made.far)
      made.near.send(new Uint8Array(65_508))
      made.near.send(Uint8Array.of(5))
      await until(made, () => got.length > 0)
      expect(got.map((datagram) => datagram.length)).toEqual([1])
      expect(made.observer.dropped.get("oversize")).toBe(1)
    })

    for (const end of ["near", "far"] as const) {
      test(`close() of the ${end} end calls its onClose once, at once, with the reason; a second call does nothing`, async () => {
        const made = await pair()
        const reasons = closes(made[end])
        made[end].close({ code: "idle" })
        expect(reasons).toEqual([{ code: "idle" }])
        made[end].close()
        made[end].close({ code: "evicted" })
        expect(reasons).toEqual([{ code: "idle" }])
      })

      test(`onClose of the ${end} end set after close() is still called, once`, async () => {
        const made = await pair()
        made[end].close()
        const reasons = closes(made[end])
        expect(reasons).toEqual([{ code: "closed" }])
      })

      test(`a send at the ${end} end after close() is counted, never thrown`, async () => {
        const made = await pair()
        made[end].close()
        const before = made.observer.dropped.get("closed") ?? 0
        made[end].send(Uint8Array.of(1))
        expect(made.observer.dropped.get("closed")).toBe(before + 1)
      })

      test(`nothing is delivered at the ${end} end after its onClose`, async () => {
        const made = await pair()
        const other = end === "near" ? made.far : made.near
        const got = collect(made[end])
        other.send(Uint8Array.of(1))
        await until(made, () => got.length === 1)
        made[end].close()
        other.send(Uint8Array.of(2))
        await arrived(made)
        expect(got).toHaveLength(1)
      })
    }

    test("may be closed from within its own onDatagram", async () => {
      const made = await pair()
      const order: string[] = []
      made.far.onClose = () => order.push("closed")
      for (let i = 0; i < 5; i++) made.near.send(Uint8Array.of(i))
      await arrived(made)
      receive(made.far, () => {
        order.push("datagram")
        made.far.close()
      })
      await until(made, () => order.length === 2)
      expect(order).toEqual(["datagram", "closed"])
    })

    test("survives an onDatagram that throws, and delivers the next", async () => {
      const made = await pair()
      const got: number[] = []
      receive(made.far, (datagram) => {
        got.push(datagram[0]!)
        if (datagram[0] === 0) throw new Error("a bug in the handler")
      })
      const reasons = closes(made.far)
      made.near.send(Uint8Array.of(0))
      made.near.send(Uint8Array.of(1))
      await until(made, () => got.length === 2)
      expect(got).toEqual([0, 1])
      expect(reasons).toEqual([])
    })

    if (traits.tellsPeer) {
      for (const end of ["near", "far"] as const) {
        const other = end === "near" ? "far" : "near"

        test(`close() of the ${end} end delivers what it has sent, then ends the ${other} end, once`, async () => {
          const made = await pair()
          const order: string[] = []
          receive(made[other], (datagram) => order.push(`datagram ${datagram[0]}`))
          made[other].onClose = ({ code }) => order.push(code)
          for (let i = 0; i < 3; i++) made[end].send(Uint8Array.of(i))
          await until(made, () => order.length === 3)
          made[end].close()
          await until(made, () => order.length >= 4)
          made[other].close()
          expect(order).toEqual(["datagram 0", "datagram 1", "datagram 2", "peer-closed"])
        })

        test(`datagrams still held at the ${other} end come before its onClose`, async () => {
          const made = await pair()
          const order: string[] = []
          made[other].onClose = () => order.push("closed")
          made[end].send(Uint8Array.of(1))
          await arrived(made)
          made[end].close()
          await arrived(made)
          receive(made[other], () => order.push("datagram"))
          await until(made, () => order.length === 2)
          expect(order).toEqual(["datagram", "closed"])
        })
      }
    }
  })
}

/** Datagrams that arrive at `link`, from now on. */
export function collect(link: Link): Uint8Array[] {
  const got: Uint8Array[] = []
  receive(link, (datagram) => got.push(datagram))
  return got
}

/** Sets onDatagram to `handler`, which is spared the greeting. */
export function receive(link: Link, handler: (datagram: Uint8Array) => void): void {
  link.onDatagram = (datagram) => {
    if (Buffer.compare(datagram, GREETING) !== 0) handler(datagram)
  }
}

/** The reasons that `link` ends for; there should be one. */
export function closes(link: Link): CloseReason[] {
  const reasons: CloseReason[] = []
  link.onClose = (reason) => reasons.push(reason)
  return reasons
}

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff)
}

/** Turns of the event loop that a test waits for something at most; loopback needs a handful. */
const PATIENCE_TURNS = 20_000

/** Waits, turn by turn of the event loop and never by the clock, until `done`. */
export async function until(made: { turn?(): void }, done: () => boolean, turns = PATIENCE_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (done()) return
    made.turn?.()
    await eventLoopTurn()
  }
  expect(done()).toBe(true)
}

/** One turn of the event loop, sockets included. */
export const eventLoopTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Enough turns for what was sent over loopback to be with the other end, where nothing shows that it is. */
async function arrived(made: LinkPair): Promise<void> {
  for (let turn = 0; turn < 50; turn++) {
    made.turn?.()
    await eventLoopTurn()
  }
}
