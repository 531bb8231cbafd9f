/** How far apart a client tries a server that it cannot reach, by a clock that only the test moves. */
import { describe, expect, test } from "bun:test"
import { TunnelCarrier } from "../../../src/transport/tunnel/tunnel-dial.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { keep } from "../../support/keep.ts"
import { RawServer } from "../../support/raw-tcp.ts"
import { RecordingObserver } from "../../support/recording-observer.ts"
import { until } from "../../support/until.ts"

/** A client of a port where nothing listens; its waits are the longest that its backoff may choose. */
function client(noWay: string | undefined) {
  const nobody = new RawServer()
  const { port } = nobody
  nobody.stop()
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const machine = { network: "192.0.2.7" }
  const carrier = new TunnelCarrier({
    ...{ name: "pi", addresses: [{ host: "127.0.0.1", port }], key: { id: "alice", secret: new Uint8Array(32) } },
    ...{ clock, observer, random: () => 1, noWayTo: async () => noWay },
    senses: { timeOfDay: () => clock.now(), network: () => machine.network, has: () => true },
    newReplay: () => undefined,
    onNotice() {},
    onUp() {},
  })
  keep({ [Symbol.dispose]: () => carrier.close() })
  const waits = (): number[] => observer.of("connect-failed").map(({ retryMs }) => retryMs)
  /** Lets attempts fail, each when it is due, until there were so many. */
  const failures = async (count: number): Promise<number[]> => {
    for (;;) {
      const seen = waits().length
      if (seen >= count) return waits()
      if (seen > 0) clock.advance(waits().at(-1)!)
      await until(() => waits().length > seen, `failure ${seen + 1}`)
    }
  }
  return { clock, machine, observer, waits, failures }
}

const OWN = "ENETUNREACH"

describe("a client that cannot reach its server", () => {
  test("tries each second at least while it is this machine's own network that fails", async () => {
    const { failures, observer } = client(OWN)
    expect(await failures(6)).toEqual([250, 500, 1_000, 1_000, 1_000, 1_000])
    expect(observer.of("connect-failed")[0]?.detail).toMatch(/^this machine has no network to /)
  })

  test("tries ever less often, up to 15 s, while it is the server that does not listen", async () => {
    const { failures } = client(undefined)
    expect(await failures(8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  })

  test.each([
    ["the server", undefined, 4_000],
    ["this machine's own network", OWN, 1_000],
  ])("tries at once, and soon again, when this machine's address changes: trouble of %s", async (_, noWay, longMs) => {
    const { clock, machine, waits, failures } = client(noWay)
    expect((await failures(5)).at(-1)).toBe(longMs)
    machine.network = "198.51.100.7"
    // The next look at the machine is due.
    clock.advance(1_000 - (clock.now() % 1_000))
    await until(() => waits().length === 6, "an attempt at once")
    expect(waits().at(-1)).toBe(250)
    expect((await failures(8)).slice(5)).toEqual([250, 500, 1_000])
  })
})
