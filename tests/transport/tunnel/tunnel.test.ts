import { describe, expect, test } from "bun:test"
import tls from "node:tls"
import { encodeBody, encodeHello } from "../../../src/protocol/tunnel-hello.ts"
import { systemClock } from "../../../src/transport/clock.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import { makeCertificate } from "../../../src/transport/tunnel/certificate.ts"
import { join } from "../../../src/transport/tunnel/join.ts"
import { prove } from "../../../src/transport/tunnel/proof.ts"
import { connectTls, listenTls, type SecurePort } from "../../../src/transport/tunnel/tls-port.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { keep } from "../../support/keep.ts"
import { Middleman } from "../../support/middleman.ts"
import { RawTls } from "../../support/raw-tls.ts"
import { RecordingObserver } from "../../support/recording-observer.ts"
import { EchoTunnel, listen, text } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

const dialTls = async (port: number): Promise<RawTls> => keep(await RawTls.connect(port))

function joinAt(port: number, ticket: { id: string; secret: Uint8Array }) {
  const observer = new RecordingObserver()
  const address = { host: "127.0.0.1", port }
  return join({ addresses: [address], ticket, device: "laptop", clock: systemClock, random: seededRandom(1), observer })
}

describe("the tunnel", () => {
  test("carries flows to boards by name, as the user who proved the key", async () => {
    const tunnel = keep(new EchoTunnel())
    const { carrier } = tunnel.client(tunnel.keys.add("alice"))
    const link = carrier.dialBoard("board-a", "boot")("127.0.0.1:4000")
    const heard = listen(link)
    link.send(text("hello"))
    await until(() => heard.length > 0, "an echo")
    expect(heard).toEqual(["hello"])
    expect(tunnel.links.map(({ link: { owner }, channel, board }) => [owner, channel, board])).toEqual([
      ["alice", "boot", "board-a"],
    ])
    expect(tunnel.server.sessions.map(({ user, flowCount }) => [user, flowCount])).toEqual([["alice", 1]])
  })

  test("ends its session at once when the client closes", async () => {
    const tunnel = keep(new EchoTunnel())
    const { carrier, ups } = tunnel.client(tunnel.keys.add("alice"))
    await until(() => ups.length > 0, "a session")
    carrier.close()
    await until(() => tunnel.ends.length > 0, "its end")
    expect(tunnel.ends).toEqual(["alice clean"])
  })

  test("goes on over another connection: flows stay and nobody at the server hears of the cut", async () => {
    const tunnel = keep(new EchoTunnel())
    const middleman = keep(new Middleman(tunnel.port))
    const { carrier, observer } = tunnel.client(tunnel.keys.add("alice"), middleman.port)
    const link = carrier.dialBoard("", "scp")("127.0.0.1:4000")
    const heard = listen(link)
    link.send(text("before"))
    await until(() => heard.length === 1, "an echo")
    middleman.cut()
    await until(() => observer.of("connection-lost").length > 0, "the cut to be seen")
    link.send(text("after"))
    await until(() => heard.length === 2, "an echo over the next connection")
    expect([heard, tunnel.links.length, tunnel.ends]).toEqual([["before", "after"], 1, []])
    expect(observer.of("tunnel-up").map(({ resumed }) => resumed)).toEqual([false, true])
    expect(tunnel.server.sessions[0]!.reconnects).toBe(1)
  })

  test("takes over from a connection that is not known to be dead yet", async () => {
    const tunnel = keep(new EchoTunnel())
    const middleman = keep(new Middleman(tunnel.port))
    const { carrier, ups } = tunnel.client(tunnel.keys.add("alice"), middleman.port)
    await until(() => ups.length === 1, "a session")
    middleman.blackhole()
    // As the machine does that wakes up elsewhere.
    carrier.nudge()
    await until(() => ups.length === 2, "the next connection", 8_000)
    expect(tunnel.server.sessions.map(({ reconnects }) => reconnects)).toEqual([1])
  }, 10_000)

  test("gives a connection up at once whose own address this machine has lost", async () => {
    const tunnel = keep(new EchoTunnel())
    const middleman = keep(new Middleman(tunnel.port))
    const clock = new FakeClock()
    const machine = { network: "192.0.2.7", lost: "" }
    const senses = {
      timeOfDay: () => clock.now(),
      network: () => machine.network,
      has: (address: string) => address !== machine.lost,
    }
    const { ups, observer } = tunnel.client(tunnel.keys.add("alice"), middleman.port, clock, senses)
    await until(() => ups.length === 1, "a session")
    machine.network = "192.0.2.7 198.51.100.7"
    clock.advance(1_000)
    expect(observer.of("connection-lost")).toEqual([])
    middleman.blackhole()
    Object.assign(machine, { network: "198.51.100.7", lost: "127.0.0.1" })
    clock.advance(1_000)
    expect(observer.of("connection-lost")).toMatchObject([{ detail: "this machine has another address now" }])
    machine.lost = ""
    clock.advance(250)
    await until(() => ups.length === 2, "the next connection")
    expect(observer.of("tunnel-up").at(-1)?.resumed).toBe(true)
  })

  test("ends a session whose client does not come back, and then begins a new one", async () => {
    const tunnel = keep(new EchoTunnel({ resumeMs: 50 }))
    const middleman = keep(new Middleman(tunnel.port))
    const { carrier, observer } = tunnel.client(tunnel.keys.add("alice"), middleman.port)
    const link = carrier.dialBoard("", "scp")("127.0.0.1:4000")
    const heard = listen(link)
    link.send(text("before"))
    await until(() => heard.length === 1, "an echo")
    middleman.refuse()
    middleman.cut()
    await until(() => tunnel.ends.length > 0, "the session's end")
    expect(tunnel.ends).toEqual(["alice lost"])
    expect(tunnel.observer.of("user-left")).toMatchObject([{ how: "lost", detail: "" }])
    middleman.pass()
    await until(() => observer.of("tunnel-up").length === 2, "a new session", 10_000)
    link.send(text("after"))
    await until(() => heard.length === 2, "an echo")
    expect(observer.of("tunnel-up").map(({ resumed }) => resumed)).toEqual([false, false])
    expect(tunnel.links).toHaveLength(2)
  }, 15_000)

  test("ends the sessions of a revoked key within a second and lets it in no more", async () => {
    const tunnel = keep(new EchoTunnel())
    const key = tunnel.keys.add("alice")
    const { downs, ups } = tunnel.client(key)
    await until(() => ups.length > 0, "a session")
    tunnel.keys.end(key.id, "revoked")
    tunnel.server.endRevoked()
    expect(tunnel.ends).toEqual(["alice ended"])
    await until(() => tunnel.refused("revoked-key") > 0, "the key to be refused")
    await until(() => downs.length > 0, "the client to be told")
    expect(downs[0]).toBe("refused: this key has been revoked: ask for a new ticket")
  })

  test("gives one key four sessions, and tells the fifth why not", async () => {
    const tunnel = keep(new EchoTunnel())
    const key = tunnel.keys.add("alice")
    const clients = Array.from({ length: 4 }, () => tunnel.client(key))
    await until(() => clients.every(({ ups }) => ups.length === 1), "four sessions")
    const { downs } = tunnel.client(key)
    await until(() => downs.length > 0, "the fifth to be told")
    expect(downs[0]).toBe("refused: this key has 4 sessions open already: end one")
    expect([tunnel.refused("too-many-sessions"), tunnel.server.sessions.length]).toEqual([1, 4])
  })
})

describe("a ticket", () => {
  test("becomes a device key that both ends have, and works once", async () => {
    const tunnel = keep(new EchoTunnel())
    const ticket = tunnel.keys.add("alice", "ticket")
    const joined = await joinAt(tunnel.port, ticket)
    if (!joined.ok) throw new Error(joined.detail)
    expect([joined.server, joined.address.port]).toEqual(["pi", tunnel.port])
    expect(Buffer.from(joined.key.secret).equals(Buffer.from(ticket.secret))).toBe(false)
    const { ups } = tunnel.client(joined.key)
    await until(() => ups.length > 0, "a session with the device key")
    const again = await joinAt(tunnel.port, ticket)
    expect(again).toEqual({ ok: false, proved: true, detail: "this ticket has been used: ask for another" })
    expect(tunnel.refused("used-ticket")).toBe(1)
  })

  test("that has expired is refused, and counted as such", async () => {
    const tunnel = keep(new EchoTunnel())
    const ticket = tunnel.keys.add("alice", "ticket")
    tunnel.keys.end(ticket.id, "expired")
    expect(await joinAt(tunnel.port, ticket)).toMatchObject({ ok: false, proved: true })
    expect(tunnel.refused("expired-ticket")).toBe(1)
  })

  test("opens no session", async () => {
    const tunnel = keep(new EchoTunnel())
    tunnel.client(tunnel.keys.add("alice", "ticket"))
    await until(() => tunnel.observer.of("device-joined").length > 0, "the ticket to be taken for what it is")
    expect(tunnel.server.sessions).toEqual([])
  })
})

describe("strangers", () => {
  test("with a wrong key, or none, are told the same words later and later, and are counted apart", async () => {
    const tunnel = keep(new EchoTunnel())
    const key = tunnel.keys.add("alice")
    const wrong = tunnel.client({ id: key.id, secret: new Uint8Array(32) })
    const unknown = tunnel.client({ id: "nobody", secret: new Uint8Array(32) })
    await until(() => wrong.downs.length > 0 && unknown.downs.length > 0, "both to be told")
    expect(wrong.downs[0]).toBe(unknown.downs[0]!)
    expect(tunnel.refused("wrong-proof")).toBeGreaterThan(0)
    expect(tunnel.refused("unknown-key")).toBeGreaterThan(0)
    expect(wrong.observer.of("tunnel-not-let-in")[0]).toMatchObject({ proved: false })
  })

  test("who replay another's handshake are refused: it was for another channel", async () => {
    const tunnel = keep(new EchoTunnel())
    const key = tunnel.keys.add("alice")
    const first = await dialTls(tunnel.port)
    const body = encodeBody({ key: key.id })
    const message = encodeHello(body, prove(key.secret, first.exporter, { role: "client" }, body))
    first.send(message)
    await until(() => first.heard.length > 0, "a welcome")
    const second = await dialTls(tunnel.port)
    second.send(message)
    await until(() => second.closed, "the replay to be cut off")
    expect([tunnel.refused("replayed"), tunnel.server.sessions.length]).toEqual([1, 1])
  })

  test("in the middle of two TLS channels are found out by both ends", async () => {
    const tunnel = keep(new EchoTunnel())
    const outs: SecurePort[] = []
    // Decrypts and encrypts again, byte for byte, in both directions.
    const mitm = listenTls({ host: "127.0.0.1", port: 0 }, makeCertificate(), {
      onOpen: () => true,
      onEnd() {},
      onSecure(_key, near) {
        let far: SecurePort | undefined
        const early: Uint8Array[] = []
        void connectTls({
          address: { host: "127.0.0.1", port: tunnel.port },
          timeoutMs: 5_000,
          clock: systemClock,
          ownerOf: (port) => {
            far = port
            outs.push(port)
            for (const chunk of early) port.write(chunk)
            return { onData: (chunk) => near.write(chunk), onDrain() {}, onClose: () => near.end() }
          },
        })
        return {
          onData: (chunk) => {
            if (far) far.write(chunk)
            else early.push(new Uint8Array(chunk))
          },
          onDrain() {},
          onClose: () => far?.end(),
        }
      },
    })
    keep({ [Symbol.dispose]: () => mitm.stop(true) })
    const { downs, observer } = tunnel.client(tunnel.keys.add("alice"), mitm.port)
    await until(() => downs.length > 0, "the client to find out")
    expect([tunnel.refused("interposed"), tunnel.server.sessions.length]).toEqual([1, 0])
    expect(observer.of("tunnel-up")).toEqual([])
  })

  test("who let everybody in without knowing the key are not believed", async () => {
    const tunnel = keep(new EchoTunnel())
    const welcome = encodeBody({ session: "s", resumed: false, name: "pi", resumeMs: 1 })
    const impostor = listenTls({ host: "127.0.0.1", port: 0 }, makeCertificate(), {
      onOpen: () => true,
      onEnd() {},
      onSecure(_key, port) {
        return { onData: () => port.write(encodeHello(welcome, new Uint8Array(32))), onDrain() {}, onClose() {} }
      },
    })
    keep({ [Symbol.dispose]: () => impostor.stop(true) })
    const { downs } = tunnel.client(tunnel.keys.add("alice"), impostor.port)
    await until(() => downs.length > 0, "the client to find out")
    expect(downs[0]).toBe("refused: it cannot prove that it knows the key")
  })

  test("who speak TLS 1.2, or no TLS, are refused", async () => {
    const tunnel = keep(new EchoTunnel())
    const { promise, resolve } = Promise.withResolvers<string>()
    const old = tls.connect({ host: "127.0.0.1", port: tunnel.port, rejectUnauthorized: false, maxVersion: "TLSv1.2" })
    old.on("secureConnect", () => resolve("connected"))
    old.on("error", (error) => resolve(error.message))
    expect(await promise).toMatch(/version/i)
    await until(() => tunnel.refused("tls") === 1, "the count")
    const plain = await Bun.connect({ hostname: "127.0.0.1", port: tunnel.port, socket: { data() {}, error() {} } })
    plain.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(() => tunnel.refused("tls") === 2, "the count")
  })

  test("who say something else, too much, or in another version are cut off, each counted", async () => {
    const tunnel = keep(new EchoTunnel())
    const version = encodeHello(new Uint8Array(2), new Uint8Array(32))
    version[5] = 9
    const noJson = encodeHello(text("{"), new Uint8Array(32))
    const cases = [
      [text("GET / HTTP/1.1\r\n"), "malformed"],
      [noJson, "malformed"],
      [version, "version"],
      [Uint8Array.of(0x53, 0x50, 0x49, 0x4e, 0, 1, 0xff, 0xff), "oversize"],
      [
        new Uint8Array(
          Buffer.concat([encodeHello(new Uint8Array(4000), new Uint8Array(32)).subarray(0, 4000), Buffer.alloc(200)]),
        ),
        "oversize",
      ],
    ] as const
    for (const [bytes, reason] of cases) {
      const before = tunnel.refused(reason)
      const one = await dialTls(tunnel.port)
      one.send(bytes)
      await until(() => tunnel.refused(reason) === before + 1, reason)
    }
    const one = await dialTls(tunnel.port)
    one.send(Uint8Array.of(0x53, 0x50))
    one.socket.end()
    await until(() => tunnel.refused("truncated") === 1, "truncated")
    await until(() => tunnel.server.strangers === 0, "all to be gone")
  })

  test("who never speak give way to others, and end in time", async () => {
    const tunnel = keep(new EchoTunnel({ limits: { perGroup: 2, total: 4, deadlineMs: 1_500 } }))
    const silent: Awaited<ReturnType<typeof dialTls>>[] = []
    for (let i = 0; i < 6; i++) silent.push(await dialTls(tunnel.port))
    expect(tunnel.server.strangers).toBe(2)
    const { ups } = tunnel.client(tunnel.keys.add("alice"))
    await until(() => ups.length > 0, "the one who has a key", 2_000)
    await until(() => silent.every(({ closed }) => closed), "the silent to be ended")
    expect(tunnel.server.strangers).toBe(0)
    expect([tunnel.refused("crowded"), tunnel.refused("timeout")]).toEqual([5, 1])
  })
})
