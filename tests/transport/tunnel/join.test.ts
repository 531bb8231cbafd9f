import { describe, expect, test } from "bun:test"
import { encodeBody, encodeHello, type ServerHello } from "../../../src/protocol/tunnel-hello.ts"
import { systemClock } from "../../../src/transport/clock.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import { makeCertificate } from "../../../src/transport/tunnel/certificate.ts"
import type { ClientKey } from "../../../src/transport/tunnel/greeting.ts"
import { type JoinResult, join } from "../../../src/transport/tunnel/join.ts"
import { listenTls } from "../../../src/transport/tunnel/tls-port.ts"
import { keep } from "../../support/keep.ts"
import { RawServer } from "../../support/raw-tcp.ts"
import { RecordingObserver } from "../../support/recording-observer.ts"
import { EchoTunnel } from "../../support/tunnel.ts"

function joinAt(ports: readonly number[], ticket: ClientKey): Promise<JoinResult> {
  const addresses = ports.map((port) => ({ host: "127.0.0.1", port }))
  const observer = new RecordingObserver()
  return join({ addresses, ticket, device: "laptop", clock: systemClock, random: seededRandom(1), observer })
}

/** A server of somebody else, that answers every hello with `words` and no proof. */
function stranger(words: ServerHello): number {
  const listener = listenTls({ host: "127.0.0.1", port: 0 }, makeCertificate(), {
    onOpen: () => true,
    onEnd() {},
    onSecure: (_key, port) => ({
      onData: () => port.write(encodeHello(encodeBody(words), new Uint8Array(32))),
      onDrain() {},
      onClose() {},
    }),
  })
  keep({ [Symbol.dispose]: () => listener.stop(true) })
  return listener.port
}

describe("join", () => {
  test("says which address has worked, past those where nobody, another server or an impostor answers", async () => {
    const tunnel = keep(new EchoTunnel())
    const closed = new RawServer()
    const { port } = closed
    closed.stop()
    const refusing = stranger({ refused: "never heard of it", code: "unknown-key" })
    const welcoming = stranger({ session: "s", resumed: false, name: "evil", resumeMs: 0, device: "d" })
    const ticket = tunnel.keys.add("alice", "ticket")
    const joined = await joinAt([port, refusing, welcoming, tunnel.port], ticket)
    if (!joined.ok) throw new Error(joined.detail)
    expect([joined.server, joined.address.port]).toEqual(["pi", tunnel.port])
    const found = tunnel.keys.find(joined.key.id)
    expect(found && Buffer.from(found.secret).equals(joined.key.secret)).toBe(true)
    expect(tunnel.observer.of("device-joined")).toMatchObject([{ user: "alice", device: "laptop" }])
  })

  test("gives two devices that join with two tickets two keys", async () => {
    const tunnel = keep(new EchoTunnel())
    const tickets = [tunnel.keys.add("alice", "ticket"), tunnel.keys.add("alice", "ticket")]
    const [a, b] = await Promise.all(tickets.map((ticket) => joinAt([tunnel.port], ticket)))
    if (!a?.ok || !b?.ok) throw new Error("not joined")
    expect(a.key.id).not.toBe(b.key.id)
    expect(Buffer.from(a.key.secret).equals(b.key.secret)).toBe(false)
  })

  test("gives a ticket that two use at once to one of them", async () => {
    const tunnel = keep(new EchoTunnel())
    const ticket = tunnel.keys.add("alice", "ticket")
    const joined = await Promise.all([1, 2, 3].map(() => joinAt([tunnel.port], ticket)))
    expect(joined.filter(({ ok }) => ok)).toHaveLength(1)
  })

  test("says what was wrong at the last address where something answered", async () => {
    const port = stranger({ refused: "never heard of it", code: "unknown-key" })
    const ticket = keep(new EchoTunnel()).keys.add("alice", "ticket")
    expect(await joinAt([port], ticket)).toEqual({
      ok: false,
      proved: false,
      detail: `127.0.0.1:${port}: what answers there does not know the ticket`,
    })
  })

  test("does not believe a key that a server gives without knowing the ticket", async () => {
    const port = stranger({ session: "s", resumed: false, name: "evil", resumeMs: 0, device: "d" })
    const ticket = keep(new EchoTunnel()).keys.add("alice", "ticket")
    expect(await joinAt([port], ticket)).toMatchObject({ ok: false, proved: false })
  })

  test("with a key that is no ticket brings no key: it says so and opens nothing", async () => {
    const tunnel = keep(new EchoTunnel())
    const result = await joinAt([tunnel.port], tunnel.keys.add("alice"))
    expect(result).toMatchObject({ ok: false })
  })

  test("is told where the server cannot keep the key, and the ticket stays good", async () => {
    const tunnel = keep(new EchoTunnel())
    const ticket = tunnel.keys.add("alice", "ticket")
    const { redeem } = tunnel.keys
    tunnel.keys.redeem = () => {
      throw new Error("disk full")
    }
    expect(await joinAt([tunnel.port], ticket)).toMatchObject({
      ok: false,
      proved: true,
      detail: "the server cannot keep the key: see its log",
    })
    tunnel.keys.redeem = redeem.bind(tunnel.keys)
    expect(await joinAt([tunnel.port], ticket)).toMatchObject({ ok: true })
  })
})
