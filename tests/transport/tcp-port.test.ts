/** Why a connect failed: the machine's own network, or the far end. Bun itself says ECONNREFUSED to everything. */
import { describe, expect, test } from "bun:test"
import { type Clock, systemClock } from "../../src/transport/clock.ts"
import { connectTcp } from "../../src/transport/tcp-port.ts"

/** Connects to a port that refuses, where `noWayTo` is what the system says of the way there. */
function refused(noWayTo: string | undefined, clock: Clock = systemClock) {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  listener.stop(true)
  return connectTcp({
    address: { host: "127.0.0.1", port: listener.port },
    timeoutMs: 5_000,
    clock,
    ownerOf: () => ({ onData() {}, onDrain() {}, onClose() {} }),
    noWayTo: () => Promise.resolve(noWayTo),
  })
}

describe("a connect that fails", () => {
  test("for want of a way there is this machine's own trouble, which is tried again soon", async () => {
    const result = await refused("ENETUNREACH")
    expect(result).toMatchObject({ ok: false, code: "ENETUNREACH", ownNetwork: true })
    expect(result).toMatchObject({ detail: expect.stringContaining("this machine has no network") })
  })

  test("where there is a way was refused", async () => {
    const result = await refused(undefined)
    expect(result).toMatchObject({ ok: false, code: "ECONNREFUSED", ownNetwork: false })
    expect(result).toMatchObject({ detail: expect.stringContaining("refuses") })
  })

  test("after the seconds that it takes to miss a neighbour was not refused by it", async () => {
    let reads = 0
    const result = await refused(undefined, { ...systemClock, now: () => 3_000 * reads++ })
    expect(result).toMatchObject({ ok: false, code: "EHOSTUNREACH", ownNetwork: true })
  })
})
