/** When the tunnel answers a proof, by a clock that only the test moves: wrong ones later and later, right ones at once. */
import { describe, expect, test } from "bun:test"
import type { ClientKey } from "../../../src/transport/tunnel/greeting.ts"
import { beginHandshake } from "../../../src/transport/tunnel/handshake.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { keep } from "../../support/keep.ts"
import { RawTls } from "../../support/raw-tls.ts"
import { EchoTunnel } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

/** A tunnel whose clock stands still, and peers of it. */
function door() {
  const clock = new FakeClock()
  const tunnel = keep(new EchoTunnel({ clock }))
  const failures = (): number => [...tunnel.server.refusals.values()].reduce((sum, count) => sum + count, 0)
  /** Says a wrong proof; returns once it has been judged. */
  const fails = async (key: ClientKey): Promise<RawTls> => {
    const one = keep(await RawTls.connect(tunnel.port))
    const before = failures()
    one.send(beginHandshake(key.secret, one.exporter, { key: key.id }).message)
    await until(() => failures() > before, "the proof to be judged")
    return one
  }
  /** Gets in with a key of its own: a way to and fro, so that what the server has said before has come too. */
  const getsIn = async (): Promise<RawTls> => keep(await RawTls.member(tunnel.port, tunnel.keys.add("alice")))
  return { clock, tunnel, fails, getsIn }
}

const wrong = (key: ClientKey): ClientKey => ({ ...key, secret: new Uint8Array(32) })

describe("the answer to a proof", () => {
  test("that is wrong is held back, longer with each from the same address", async () => {
    const { clock, tunnel, fails, getsIn } = door()
    const key = wrong(tunnel.keys.add("bob"))
    for (const delayMs of [250, 500, 1_000, 2_000]) {
      const one = await fails(key)
      clock.advance(delayMs - 1)
      await getsIn()
      expect([delayMs, one.received.length, one.closed]).toEqual([delayMs, 0, false])
      clock.advance(1)
      await until(() => one.received.length > 0 && one.closed, `the answer after ${delayMs} ms`)
    }
  })

  test("for a key that is not there is held back as long as one that is wrong", async () => {
    const { clock, tunnel, fails, getsIn } = door()
    const key = wrong(tunnel.keys.add("bob"))
    const both = [await fails(key), await fails({ ...key, id: "nobody" })] as const
    clock.advance(249)
    await getsIn()
    expect(both.map(({ received }) => received.length)).toEqual([0, 0])
    clock.advance(1)
    await until(() => both[0].received.length > 0, "the first answer")
    clock.advance(249)
    await getsIn()
    expect(both[1].received.length).toBe(0)
    clock.advance(1)
    await until(() => both[1].received.length > 0, "the second answer")
    expect(both[1].received.length).toBe(both[0].received.length)
  })

  test("that is right never waits, also while the answers to failures from the same address do", async () => {
    const { clock, tunnel, fails, getsIn } = door()
    const key = tunnel.keys.add("bob")
    const failed: RawTls[] = []
    for (let failure = 0; failure < 6; failure++) failed.push(await fails(wrong(key)))
    await getsIn()
    keep(await RawTls.member(tunnel.port, key))
    expect(clock.now()).toBe(0)
    expect(tunnel.server.sessions.map(({ user }) => user)).toEqual(["alice", "bob"])
    expect(failed.map(({ received }) => received.length)).toEqual([0, 0, 0, 0, 0, 0])
  })
})
