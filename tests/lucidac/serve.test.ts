import { afterEach, expect, test } from "bun:test"
import type { ProxyEvent } from "../../src/lucidac/events.ts"
import { type Served, serveProxy } from "../../src/lucidac/serve.ts"
import { HOLD_MS } from "../../src/lucidac/session-queue.ts"
import { AllowList } from "../../src/transport/allow.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RawPeer } from "../support/raw-tcp.ts"
import { until } from "../support/until.ts"

const toClose: Served[] = []
afterEach(() => {
  for (const served of toClose.splice(0)) served.close("the test ends")
})

function serve(...allow: string[]): { events: ProxyEvent[]; served: Served; types: () => string[] } {
  const events: ProxyEvent[] = []
  const served = serveProxy(
    {
      listen: { host: "127.0.0.1", port: 0 },
      allow: AllowList.parse(allow),
      backends: [],
      wires: [],
      limits: { maxSessions: 8, idleMs: 10_000, holdMs: HOLD_MS, maxHoldMs: undefined },
      bufferBytes: 1 << 20,
      require: "all",
      auth: undefined,
      allowWrites: false,
      noUdp: true,
    },
    { clock: new FakeClock(), random: seededRandom(1), onEvent: (event) => events.push(event) },
  )
  toClose.push(served)
  return { events, served, types: () => events.map(({ type }) => type) }
}

test("a client whose address is not in --allow is cut off, and the log says so", async () => {
  const { served, events, types } = serve("192.0.2.0/24", "2001:db8::/32")
  const client = await RawPeer.connect(served.address.port)
  await until(() => client.closed || types().length > 0, "a word on the client")
  expect(events).toEqual([
    {
      type: "client-refused",
      client: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      detail: "its address is not in --allow",
    },
  ])
  await until(() => client.closed, "the end of the connection")
  expect(client.received).toHaveLength(0)
})

test("a client whose address is in one of several --allow comes in", async () => {
  const { served, types } = serve("192.0.2.0/24", "127.0.0.0/8")
  await RawPeer.connect(served.address.port)
  await until(() => types().length > 0, "a word on the client")
  expect(types()).toEqual(["client-connected"])
})
