/** Names to addresses, with a network that comes and goes. */
import { describe, expect, test } from "bun:test"
import { seededRandom } from "../../src/transport/random.ts"
import { lookupName, RESOLVED_FOR_MS, Resolver } from "../../src/transport/resolver.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** A resolver whose name service is the test: an array is an answer, a string an error's code. */
function setup(name = "board.lab") {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const service: { answer: string[] | string; asked: number } = { answer: ["192.0.2.7"], asked: 0 }
  const lookup = async () => {
    service.asked++
    if (typeof service.answer === "string") throw Object.assign(new Error("lookup"), { code: service.answer })
    return service.answer
  }
  const resolver = new Resolver({ name, clock, observer, random: seededRandom(3), lookup })
  return { clock, observer, service, resolver }
}

const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

describe("Resolver", () => {
  for (const literal of ["192.0.2.7", "2001:db8::7", "fe80::1%eth0"]) {
    test(`takes ${literal} as it is, without asking`, async () => {
      const { resolver, service, observer } = setup(literal)
      expect(resolver.current).toBe(literal)
      resolver.invalidate()
      expect(await resolver.resolve()).toBe(literal)
      expect(service.asked).toBe(0)
      expect(observer.events).toEqual([])
    })
  }

  test("asks once for all who wait, and says what it found", async () => {
    const { resolver, service, observer } = setup()
    expect(resolver.current).toBeUndefined()
    expect(await Promise.all([resolver.resolve(), resolver.resolve()])).toEqual(["192.0.2.7", "192.0.2.7"])
    expect(resolver.current).toBe("192.0.2.7")
    expect(service.asked).toBe(1)
    expect(observer.events).toEqual([{ type: "resolved", name: "board.lab", host: "192.0.2.7" }])
  })

  test("uses an answer for a minute, then asks again without a line when nothing changed", async () => {
    const { resolver, service, observer, clock } = setup()
    await resolver.resolve()
    clock.advance(RESOLVED_FOR_MS - 1)
    await resolver.resolve()
    expect(service.asked).toBe(1)
    clock.advance(1)
    await resolver.resolve()
    expect(service.asked).toBe(2)
    expect(observer.of("resolved")).toHaveLength(1)
  })

  test("asks again after invalidate(), and says where the name has moved", async () => {
    const { resolver, service, observer } = setup()
    await resolver.resolve()
    service.answer = ["192.0.2.8"]
    resolver.invalidate()
    expect(resolver.current).toBe("192.0.2.7")
    expect(await resolver.resolve()).toBe("192.0.2.8")
    expect(observer.of("resolved").map(({ host }) => host)).toEqual(["192.0.2.7", "192.0.2.8"])
  })

  test("takes turns among several addresses when one leads nowhere, and stays with one that works", async () => {
    const { resolver, service, clock } = setup()
    service.answer = ["192.0.2.7", "192.0.2.8", "2001:db8::7"]
    const found: string[] = [await resolver.resolve()]
    for (let i = 0; i < 3; i++) {
      resolver.invalidate()
      found.push(await resolver.resolve())
    }
    expect(found).toEqual(["192.0.2.7", "192.0.2.8", "2001:db8::7", "192.0.2.7"])
    resolver.invalidate()
    await resolver.resolve()
    clock.advance(RESOLVED_FOR_MS)
    expect(await resolver.resolve()).toBe("192.0.2.8")
  })

  test("keeps asking for a name that nobody knows, with backoff and one line, until it is known", async () => {
    const { resolver, service, observer, clock } = setup()
    service.answer = "DNS_ENOTFOUND"
    let found: string | undefined
    resolver.resolve().then((host) => {
      found = host
    })
    for (let second = 0; second < 120; second++) {
      await settle()
      clock.advance(1_000)
    }
    await settle()
    expect(service.asked).toBeGreaterThan(8)
    expect(service.asked).toBeLessThan(60)
    expect(observer.events).toMatchObject([{ type: "resolve-failed", name: "board.lab", detail: "ENOTFOUND" }])
    service.answer = ["192.0.2.7"]
    clock.advance(15_000)
    await settle()
    expect(found).toBe("192.0.2.7")
    expect(observer.events.at(-1)).toEqual({ type: "resolved", name: "board.lab", host: "192.0.2.7" })
  })

  test("falls back on the last answer when the name service went with the network, and says so once", async () => {
    const { resolver, service, observer } = setup()
    await resolver.resolve()
    service.answer = "ETIMEOUT"
    for (let i = 0; i < 3; i++) {
      resolver.invalidate()
      expect(await resolver.resolve()).toBe("192.0.2.7")
    }
    expect(observer.of("resolve-failed")).toHaveLength(1)
    service.answer = ["192.0.2.7"]
    await resolver.resolve()
    expect(observer.of("resolved")).toHaveLength(2)
  })

  test("an answer without an address is a failure", async () => {
    const { resolver, service, observer, clock } = setup()
    service.answer = []
    resolver.resolve()
    await settle()
    expect(observer.of("resolve-failed")).toHaveLength(1)
    resolver.close()
    expect(clock.pending).toBe(0)
  })

  test("asks no more after close(), and does not answer", async () => {
    const { resolver, clock, service } = setup()
    service.answer = "ENOTFOUND"
    let answered = false
    resolver.resolve().then(() => {
      answered = true
    })
    await settle()
    resolver.close()
    service.answer = ["192.0.2.7"]
    clock.advance(60_000)
    await settle()
    expect({ answered, asked: service.asked }).toEqual({ answered: false, asked: 1 })
  })
})

describe("lookupName", () => {
  test("finds localhost, IPv4 first", async () => {
    expect((await lookupName("localhost"))[0]).toBe("127.0.0.1")
  })
})
