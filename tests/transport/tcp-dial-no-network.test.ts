/** The dial on a machine that has no network for a while: it is there again within a second of the network. */
import { afterEach, expect, test } from "bun:test"
import { LastSenderMatcher } from "../../src/relay/reply-matcher.ts"
import { RETRY } from "../../src/transport/backoff.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { TcpCarrier } from "../../src/transport/tcp-dial.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { until } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** The connects that failed, towards a port that refuses; of the `attempt`th the system says `noWay(attempt)`. */
async function failures(attempts: number, noWay: (attempt: number) => string | undefined) {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  listener.stop(true)
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const common = { clock, observer, random: seededRandom(3) }
  const resolver = new Resolver({ name: "127.0.0.1", ...common })
  let asked = 0
  const carrier = new TcpCarrier({
    ...common,
    resolver,
    port: listener.port,
    channel: "scp",
    matcher: new LastSenderMatcher(),
    noWayTo: () => Promise.resolve(noWay(++asked)),
  })
  cleanups.push(() => carrier.close())
  for (let failed = 1; failed <= attempts; failed++) {
    await until({}, () => observer.of("connect-failed").length === failed)
    clock.advance(observer.of("connect-failed").at(-1)!.retryMs)
  }
  return observer.of("connect-failed")
}

test("without a network it tries again within a second, however often, and says why", async () => {
  const failed = await failures(20, () => "ENETUNREACH")
  expect(failed.filter(({ retryMs }) => retryMs > 1_000)).toEqual([])
  expect(failed.at(-1)?.detail).toContain("this machine has no network")
})

test("a server that is not there is tried ever more rarely", async () => {
  const failed = await failures(20, () => undefined)
  expect(failed.some(({ retryMs }) => retryMs > 5_000)).toBe(true)
  expect(failed.at(-1)?.detail).toContain("refuses")
})

test("the time without a network does not count against the server", async () => {
  const failed = await failures(21, (attempt) => (attempt <= 20 ? "ENETUNREACH" : undefined))
  expect(failed.at(-1)?.retryMs).toBeLessThanOrEqual(RETRY.firstMs)
})
