import { afterEach, describe, expect, test } from "bun:test"
import type { AddressInfo } from "node:net"
import tls from "node:tls"
import type { Address } from "../../../src/transport/address.ts"
import { type Clock, systemClock } from "../../../src/transport/clock.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import { type Lookup, Resolver } from "../../../src/transport/resolver.ts"
import { makeCertificate } from "../../../src/transport/tunnel/certificate.ts"
import { REACH_TIMEOUT_MS, type Reached, reach, type Way, wayName } from "../../../src/transport/tunnel/reach.ts"
import { connectTls, listenTls } from "../../../src/transport/tunnel/tls-port.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { Middleman } from "../../support/middleman.ts"
import { RawServer } from "../../support/raw-tcp.ts"
import { RecordingObserver } from "../../support/recording-observer.ts"
import { until } from "../../support/until.ts"

const toFree: (() => void)[] = []
afterEach(() => {
  for (const free of toFree.splice(0)) free()
})

function way({ host, port }: Address, clock: Clock = systemClock, lookup?: Lookup): Way {
  const resolver = new Resolver({
    ...{ name: host, clock, observer: new RecordingObserver(), random: seededRandom(1) },
    ...(lookup && { lookup }),
  })
  toFree.push(() => resolver.close())
  return { resolver, port }
}

/** A TLS listener; how many connections it has and has had. */
function server(host = "127.0.0.1") {
  const count = { came: 0, open: 0 }
  const listener = listenTls({ host, port: 0 }, makeCertificate(), {
    onOpen: () => true,
    onEnd() {},
    onSecure: () => {
      count.came++
      count.open++
      return { onData() {}, onDrain() {}, onClose: () => count.open-- }
    },
  })
  toFree.push(() => listener.stop(true))
  return { address: { host, port: listener.port }, count }
}

const DEAF = { onData() {}, onDrain() {}, onClose() {} }
const owned = () => {
  const all: Reached[] = []
  toFree.push(() => {
    for (const { port } of all) port.abort()
  })
  const ownerOf = (reached: Reached) => {
    all.push(reached)
    return DEAF
  }
  return { all, ownerOf }
}

describe("reach", () => {
  test("takes the first way where it answers, and calls at no other", async () => {
    const [first, second] = [server(), server("127.0.0.2")]
    const { all, ownerOf } = owned()
    const ways = [way(first.address), way(second.address)]
    const staggered: (() => void)[] = []
    const patient: Clock = {
      ...systemClock,
      after(ms, run) {
        if (ms >= 1_000) return systemClock.after(ms, run)
        staggered.push(run)
        return { cancel() {} }
      },
    }
    const result = await reach({ ways, clock: patient, ownerOf })
    expect(result.ok && wayName(result.reached.way)).toBe(`127.0.0.1:${first.address.port}`)
    expect(staggered).toHaveLength(1)
    for (const run of staggered) run()
    // Another connection to the second would be there before this one.
    await reach({ ways: ways.slice(1), clock: systemClock, ownerOf })
    await until(() => second.count.came > 0, "the one that is wanted")
    expect([all.length, second.count.came]).toEqual([2, 1])
  })

  test("takes the next where the first refuses, or says nothing", async () => {
    const silent = new RawServer()
    const refusing = new RawServer()
    const { port } = refusing
    refusing.stop()
    const good = server()
    for (const bad of [port, silent.port]) {
      const { ownerOf } = owned()
      const ways = [way({ host: "127.0.0.1", port: bad }), way(good.address)]
      const result = await reach({ ways, clock: systemClock, ownerOf })
      expect(result.ok && result.reached.way).toBe(ways[1]!)
    }
  })

  test("calls a silent way again each second, and takes whichever call is answered", async () => {
    const clock = new FakeClock()
    const good = server()
    using middleman = new Middleman(good.address.port)
    // What comes now is never heard of again, as the first packet of a connection on a network that is down.
    middleman.stopReading()
    const { all, ownerOf } = owned()
    const result = reach({ ways: [way({ host: "127.0.0.1", port: middleman.port }, clock)], clock, ownerOf })
    await until(() => middleman.accepted === 1, "the first call")
    middleman.pass()
    clock.advance(1_000)
    expect(await result).toMatchObject({ ok: true })
    expect([all.length, middleman.accepted]).toEqual([1, 2])
    clock.advance(REACH_TIMEOUT_MS)
    await until(() => middleman.connections === 1, "the end of the call that nobody answered")
    expect(all).toHaveLength(1)
  })

  test("keeps one connection where two ways lead to the server", async () => {
    const both = [server(), server("127.0.0.2")] as const
    const { all, ownerOf } = owned()
    // All timers at once: the second way is tried while the first is still on its way.
    const eager: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms < 1_000 ? 0 : ms, run) }
    const result = await reach({ ways: both.map(({ address }) => way(address)), clock: eager, ownerOf })
    expect(result.ok).toBe(true)
    await until(() => both[0].count.open + both[1].count.open === 1, "the other to be ended")
    expect(all).toHaveLength(1)
  })

  test("tells the first way's trouble, and whether it was this machine's own", async () => {
    const refusing = new RawServer()
    const { port } = refusing
    refusing.stop()
    const { ownerOf } = owned()
    const one = { host: "127.0.0.1", port }
    const two = { host: "127.0.0.2", port }
    const foreign = await reach({ ways: [way(one), way(two)], clock: systemClock, ownerOf })
    expect(foreign).toMatchObject({ ok: false, ownNetwork: false })
    const noWayTo = async () => "ENETUNREACH"
    const own = await reach({ ways: [way(one), way(two)], clock: systemClock, ownerOf, noWayTo })
    expect(own).toEqual({ ok: false, detail: `this machine has no network to 127.0.0.1:${port}`, ownNetwork: true })
    const mixed = await reach({
      ways: [way(one), way(two)],
      clock: systemClock,
      ownerOf,
      noWayTo: async ({ host }) => (host === "127.0.0.1" ? "ENETUNREACH" : undefined),
    })
    expect(mixed).toMatchObject({ ok: false, detail: expect.stringContaining("127.0.0.2"), ownNetwork: false })
  })

  test("gives up a name that leads nowhere after five seconds", async () => {
    const clock = new FakeClock()
    const nowhere = way({ host: "nowhere.example", port: 1 }, clock, () => new Promise(() => {}))
    const { ownerOf } = owned()
    const result = reach({ ways: [nowhere], clock, ownerOf })
    clock.advance(REACH_TIMEOUT_MS)
    expect(await result).toEqual({
      ok: false,
      detail: "the name nowhere.example leads to no address",
      ownNetwork: true,
    })
  })

  test("has no way without addresses, and says so", async () => {
    const { ownerOf } = owned()
    expect(await reach({ ways: [], clock: systemClock, ownerOf })).toMatchObject({ ok: false })
  })
})

describe("connectTls", () => {
  test("ends a connection to a server that accepts and never speaks, once it has given it up", async () => {
    const silent = new RawServer()
    const clock = new FakeClock()
    const address = { host: "127.0.0.1", port: silent.port }
    const result = connectTls({ address, timeoutMs: 5_000, clock, ownerOf: () => DEAF })
    await until(() => silent.open === 1, "a connection")
    clock.advance(5_000)
    expect(await result).toMatchObject({ ok: false, code: "ETIMEDOUT" })
    await until(() => silent.open === 0, "its end")
  })

  test("refuses a server that speaks TLS 1.2 only, and says so", async () => {
    const { promise: listening, resolve } = Promise.withResolvers<void>()
    const handshakes: string[] = []
    const old = tls.createServer({ ...makeCertificate(), maxVersion: "TLSv1.2" }, () => handshakes.push("done"))
    old.on("tlsClientError", () => handshakes.push("refused"))
    old.listen(0, "127.0.0.1", resolve)
    toFree.push(() => old.close())
    await listening
    const { port } = old.address() as AddressInfo
    const owners: unknown[] = []
    const ownerOf = (one: unknown) => {
      owners.push(one)
      return DEAF
    }
    const result = await connectTls({
      address: { host: "127.0.0.1", port },
      timeoutMs: 5_000,
      clock: systemClock,
      ownerOf,
    })
    expect(result).toEqual({
      ok: false,
      code: "ETLS",
      detail: `what listens at 127.0.0.1:${port} is no spinnaker-relay server: it does not speak TLS 1.3`,
      ownNetwork: false,
    })
    expect(owners).toEqual([])
    // Not done first and given up then.
    await until(() => handshakes.length > 0, "the end of the handshake")
    expect(handshakes).toEqual(["refused"])
  })
})
