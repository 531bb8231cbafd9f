/** Links without sockets: the contract, and the faults that they add. */
import { describe, expect, test } from "bun:test"
import { type LineFaults, MemoryListener, memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { closes, collect, describeLinkContract } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup(seed = 1) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  return { clock, observer, context: { clock, random: seededRandom(seed), drops: observer } }
}

describeLinkContract("a memory line", { tellsPeer: true }, async () => {
  const { clock, observer, context } = setup()
  const [near, far] = memoryPair(context, { first: "192.0.2.7:40112", second: "192.0.2.1:17893" })
  const turn = () => {
    try {
      clock.advance(1)
    } catch {
      // A handler's throw comes out of the clock here; a socket's owner catches it.
    }
  }
  return { near, far, observer, turn, dispose() {} }
})

describe("a memory line", () => {
  const line = (faults: LineFaults, seed = 1) => {
    const made = setup(seed)
    const [near, far] = memoryPair(made.context, { first: "a:1", second: "b:2" }, faults, {})
    return { ...made, near, far }
  }

  test("never delivers inside send()", () => {
    const { near, far, clock } = line({})
    const got = collect(far)
    near.send(Uint8Array.of(1))
    expect(got).toEqual([])
    clock.advance(0)
    expect(got).toHaveLength(1)
  })

  test("drops the share that it is told to, counted, the same one for the same seed", () => {
    const run = () => {
      const { near, far, clock, observer } = line({ drop: 0.3 }, 5)
      const got = collect(far)
      for (let i = 0; i < 200; i++) near.send(Uint8Array.of(i))
      clock.advance(1)
      expect(observer.dropped.get("fault")).toBe(200 - got.length)
      return got.map((datagram) => datagram[0])
    }
    const first = run()
    expect(first.length).toBeGreaterThan(120)
    expect(first.length).toBeLessThan(160)
    expect(run()).toEqual(first)
  })

  test("duplicates, delays and reorders within the jitter", () => {
    const { near, far, clock } = line({ duplicate: 1, delayMs: 10, jitterMs: 5 }, 3)
    const got = collect(far)
    for (let i = 0; i < 20; i++) near.send(Uint8Array.of(i))
    clock.advance(9)
    expect(got).toHaveLength(0)
    clock.advance(6)
    const order = got.map((datagram) => datagram[0]!)
    expect(order).toHaveLength(40)
    expect(order).not.toEqual(order.toSorted((a, b) => a - b))
  })

  test("spares the way back when only the way out has faults", () => {
    const { near, far, clock } = line({ drop: 1 })
    const got = collect(near)
    far.send(Uint8Array.of(1))
    clock.advance(1)
    expect(got).toHaveLength(1)
  })
})

describe("MemoryListener", () => {
  test("keeps links until somebody listens, and names the application as their peer", () => {
    const { context } = setup()
    const listener = new MemoryListener("server", context)
    listener.dial("192.0.2.7:1")
    listener.dial("192.0.2.7:2")
    const peers: string[] = []
    listener.onLink = (link) => peers.push(link.peer)
    listener.dial("192.0.2.7:3")
    expect(peers).toEqual(["192.0.2.7:1", "192.0.2.7:2", "192.0.2.7:3"])
  })

  test("close() ends every link that came from it", () => {
    const { clock, context } = setup()
    const listener = new MemoryListener("server", context)
    const near = listener.dial()
    const nearReasons = closes(near)
    near.onDatagram = () => {}
    let farReasons: unknown[] = []
    listener.onLink = (link) => {
      farReasons = closes(link)
    }
    listener.close()
    clock.advance(1)
    expect(farReasons).toEqual([{ code: "shutdown" }])
    expect(nearReasons).toEqual([{ code: "peer-closed" }])
  })
})
