/** Every way of not being let in, and every way of being cut off, has a counter of its own, and moves no other. */
import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import tls from "node:tls"
import type { DropReason } from "../../../src/observe/observer.ts"
import type { RefusalReason } from "../../../src/observe/refusal-reason.ts"
import { encodeData, encodeOpen } from "../../../src/protocol/mux.ts"
import { encodeHello } from "../../../src/protocol/tunnel-hello.ts"
import { AllowList } from "../../../src/transport/allow.ts"
import type { ClientKey } from "../../../src/transport/tunnel/greeting.ts"
import { beginHandshake } from "../../../src/transport/tunnel/handshake.ts"
import { utf8 } from "../../support/fuzz.ts"
import { keep } from "../../support/keep.ts"
import { RawTls } from "../../support/raw-tls.ts"
import { EchoTunnel } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

/** What a client with that key says on the channel of that exporter. */
const hello = ({ id, secret }: ClientKey, { exporter }: { exporter: Uint8Array }): Uint8Array =>
  beginHandshake(secret, exporter, { key: id }).message

const stranger: ClientKey = { id: "nobody", secret: new Uint8Array(32) }

const openFiles = (): number => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0)

/** Does something wrong at the tunnel as the holder of `key`. */
type Attempt = (tunnel: EchoTunnel, key: ClientKey, dial: () => Promise<RawTls>) => unknown

const says =
  (words: (tunnel: EchoTunnel, key: ClientKey, one: RawTls) => Uint8Array): Attempt =>
  async (tunnel, key, dial) => {
    const one = await dial()
    one.send(words(tunnel, key, one))
  }

const ended = (state: "used" | "expired" | "revoked"): Attempt =>
  says((tunnel, key, one) => {
    tunnel.keys.end(key.id, state)
    return hello(key, one)
  })

const leavesAfter =
  (words: Uint8Array): Attempt =>
  async (_tunnel, _key, dial) => {
    const one = await dial()
    one.send(words)
    one.socket.end()
  }

const attempts: [RefusalReason, string, Attempt][] = [
  ["unknown-key", "a key that is not there", says((_, __, one) => hello(stranger, one))],
  ["wrong-proof", "a wrong key", says((_, { id }, one) => hello({ ...stranger, id }, one))],
  ["revoked-key", "a revoked key", ended("revoked")],
  ["used-ticket", "a used ticket", ended("used")],
  ["expired-ticket", "an expired ticket", ended("expired")],
  [
    "interposed",
    "a proof for another channel, handed on by somebody in between",
    says((_, key) => hello(key, { exporter: new Uint8Array(32).fill(7) })),
  ],
  [
    "replayed",
    "a handshake that was heard on another channel, repeated",
    async (_, key, dial) => {
      const first = await dial()
      const message = hello(key, first)
      first.send(message)
      await until(() => first.received.length > 0, "a welcome")
      const second = await dial()
      second.send(message)
    },
  ],
  [
    "truncated",
    "a greeting that is cut short",
    leavesAfter(encodeHello(utf8("{}"), new Uint8Array(32)).subarray(0, 20)),
  ],
  ["left", "nothing, and goes", leavesAfter(new Uint8Array(0))],
  ["oversize", "a greeting that is too long", says(() => Uint8Array.of(0x53, 0x50, 0x49, 0x4e, 0, 1, 0xff, 0xff))],
  ["malformed", "what is no greeting", says(() => utf8("GET / HTTP/1.1\r\n\r\n"))],
  ["malformed", "a greeting without words", says(() => encodeHello(utf8("{"), new Uint8Array(32)))],
  ["version", "another version", says(() => Uint8Array.of(0x53, 0x50, 0x49, 0x4e, 0, 2, 0, 0))],
  ["timeout", "half a greeting, and waits", says(() => Uint8Array.of(0x53, 0x50))],
  [
    "tls",
    "TLS 1.2",
    ({ port }) => {
      const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, maxVersion: "TLSv1.2" })
      socket.on("error", () => {})
    },
  ],
  [
    "too-many-sessions",
    "a fifth session of its key",
    async (_, key, dial) => {
      for (let session = 0; session < 5; session++) {
        const one = await dial()
        one.send(hello(key, one))
        await until(() => one.received.length > 0, "an answer")
      }
    },
  ],
]

describe("a peer that comes with", () => {
  test.each(attempts)("%s: %s", async (reason, _, attempt) => {
    const tunnel = keep(new EchoTunnel({ limits: { perGroup: 8, total: 256, deadlineMs: 900 } }))
    const key = tunnel.keys.add("alice")
    await attempt(tunnel, key, async () => keep(await RawTls.connect(tunnel.port)))
    await until(() => tunnel.server.refusals.size > 0, `the count of ${reason}`)
    await until(() => tunnel.server.strangers === 0, "all to be judged", 8_000)
    expect(Object.fromEntries(tunnel.server.refusals)).toEqual({ [reason]: 1 })
    expect(tunnel.observer.of("tunnel-refused")).toMatchObject([{ reason, count: 1 }])
  })
})

test("a peer that is refused and does not go takes up a stranger's room until its time is over, and is counted once", async () => {
  const tunnel = keep(new EchoTunnel({ limits: { perGroup: 2, total: 2, deadlineMs: 900 } }))
  const files = openFiles()
  const [stays, goes] = [keep(await RawTls.connect(tunnel.port)), keep(await RawTls.connect(tunnel.port))]
  // Who reads nothing does not see that the other side has ended.
  stays.socket.pause()
  for (const one of [stays, goes]) one.send(hello(stranger, one))
  await until(() => goes.closed, "the one that goes")
  await until(() => tunnel.server.strangers === 1, "its room to be free")
  await until(() => tunnel.server.strangers === 0, "the other's time to be over", 4_000)
  // The peer's own end is one.
  await until(() => openFiles() <= files + 1, "its file to be closed", 2_000)
  stays.socket.resume()
  await until(() => stays.closed, "its end")
  expect(Object.fromEntries(tunnel.server.refusals)).toEqual({ "unknown-key": 2 })
})

test("not-allowed: a peer that comes from elsewhere than --allow says hears nothing, not even a certificate", async () => {
  const tunnel = keep(new EchoTunnel({ allow: AllowList.parse(["192.0.2.0/24", "::1"]) }))
  expect(await RawTls.connect(tunnel.port).catch((error: Error) => error.message)).toBe(
    "closed before the handshake was done",
  )
  await until(() => tunnel.server.refusals.size > 0, "the count")
  expect([Object.fromEntries(tunnel.server.refusals), tunnel.server.strangers]).toEqual([{ "not-allowed": 1 }, 0])
})

const open = encodeOpen(1, "scp", "", "a:1")
const badChannel = Uint8Array.from(open)
badChannel[8] = 9

describe("a member that sends", () => {
  test.each<[DropReason, string, Uint8Array, boolean]>([
    ["truncated", "half a frame, and goes", encodeData(1, utf8("whole")).subarray(0, 10), true],
    ["oversize", "a frame above the limit", Uint8Array.of(2, 0, 0xff, 0xff, 0, 0, 0, 1, 1, 2, 3), false],
    ["malformed", "a frame that makes no sense", Buffer.concat([badChannel, badChannel.subarray(0, 9)]), false],
  ])("%s: %s", async (reason, _, bytes, goes) => {
    const tunnel = keep(new EchoTunnel())
    const one = keep(await RawTls.member(tunnel.port, tunnel.keys.add("alice")))
    one.send(open, bytes)
    if (goes) one.socket.end()
    const [session] = tunnel.server.sessions
    await until(() => session!.peer === undefined, "the end of its connection")
    expect(Object.fromEntries(session!.drops)).toEqual({ [reason]: 1 })
    expect(tunnel.server.refusals.size).toBe(0)
  })
})
