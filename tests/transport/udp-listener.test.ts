/** Listening for datagrams: links by sender, sockets by local address, and trouble that must not spread. */
import { describe, expect, test } from "bun:test"
import { AllowList } from "../../src/transport/allow.ts"
import type { Link } from "../../src/transport/link.ts"
import { PortTakenError } from "../../src/transport/port-taken.ts"
import { ADDRESSES_AGAIN_MS, SOCKET_CHECK_MS, WAITING_LINKS } from "../../src/transport/udp-listener.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { describeLinkContract, eventLoopTurn, GREETING, until } from "../support/link-contract.ts"
import {
  bytes,
  closing,
  deadPort,
  dial,
  echo,
  listener,
  manyLoopbacks,
  plain,
  SpyingOpener,
  text,
} from "../support/udp.ts"

const real = {}

describeLinkContract("UDP", { tellsPeer: false, greets: true }, async () => {
  const { server, observer } = await listener()
  const { dial: open, observer: nearObserver } = dial(server.address.port)
  // One count for both ends.
  nearObserver.drop = (reason, where, count) => observer.drop(reason, where, count)
  let far: Link | undefined
  server.onLink = (link) => {
    far = link
  }
  const near = open("test")
  near.send(GREETING)
  await until(real, () => far !== undefined)
  return { near, far: far!, observer, dispose() {} }
})

describe("listenUdp", () => {
  test("makes one link for each sender's address and port", async () => {
    const { server } = await listener()
    const links = echo(server)
    const [a, b] = [await plain(), await plain()]
    a.send("1", server.address.port)
    b.send("2", server.address.port)
    a.send("3", server.address.port)
    await until(real, () => a.got.length === 2 && b.got.length === 1)
    expect(links.map(({ peer }) => peer).toSorted()).toEqual([`127.0.0.1:${a.port}`, `127.0.0.1:${b.port}`].toSorted())
    expect(a.got.map(({ text }) => text)).toEqual(["1", "3"])
  })

  test.if(manyLoopbacks)("keeps links of senders with the same port on different addresses apart", async () => {
    const { server } = await listener()
    const links = echo(server)
    const a = await plain("127.0.0.1")
    const b = await plain("127.0.0.2", a.port)
    a.send("a", server.address.port)
    b.send("b", server.address.port, "127.0.0.1")
    await until(real, () => a.got.length === 1 && b.got.length === 1)
    expect(links).toHaveLength(2)
    expect(b.got[0]?.text).toBe("b")
  })

  test("forgets a sender when its link is closed: the next datagram is a new link's", async () => {
    const { server } = await listener()
    const links = echo(server)
    const a = await plain()
    a.send("1", server.address.port)
    await until(real, () => a.got.length === 1)
    links[0]!.close()
    a.send("2", server.address.port)
    await until(real, () => a.got.length === 2)
    expect(links).toHaveLength(2)
  })

  test("a sender whose link is closed as it arrives has another with its next datagram", async () => {
    const { server, observer } = await listener()
    const links: Link[] = []
    server.onLink = (link) => {
      links.push(link)
      if (links.length === 1) link.close()
      else link.onDatagram = (datagram) => link.send(datagram)
    }
    const a = await plain()
    a.send("1", server.address.port)
    await until(real, () => observer.dropped.get("closed") === 1)
    a.send("2", server.address.port)
    await until(real, () => a.got.length === 1 || observer.dropped.get("closed") === 2)
    expect(a.got.map(({ text }) => text)).toEqual(["2"])
    expect(links).toHaveLength(2)
  })

  test("holds links, and their datagrams, until onLink is set; a bounded number of them", async () => {
    const { server, observer } = await listener()
    const senders = await Promise.all(Array.from({ length: WAITING_LINKS + 2 }, () => plain()))
    for (const sender of senders) sender.send("hello", server.address.port)
    await until(real, () => observer.dropped.get("hold-full") === 2)
    const links = echo(server)
    expect(links).toHaveLength(WAITING_LINKS)
    await until(real, () => senders.filter(({ got }) => got.length === 1).length === WAITING_LINKS)
  })

  test("closing it ends every link with code shutdown", async () => {
    const { server } = await listener()
    const codes: string[] = []
    const links: Link[] = []
    server.onLink = (link) => {
      links.push(link)
      link.onClose = ({ code }) => codes.push(code)
    }
    const [a, b] = [await plain(), await plain()]
    a.send("1", server.address.port)
    b.send("1", server.address.port)
    await until(real, () => links.length === 2)
    server.close()
    expect(codes).toEqual(["shutdown", "shutdown"])
  })

  test("remembers a bounded number of senders and counts the others", async () => {
    const { server, observer } = await listener({ senderLimit: 3 })
    const links = echo(server)
    const senders = await Promise.all(Array.from({ length: 5 }, () => plain()))
    for (const sender of senders) sender.send("hello", server.address.port)
    await until(real, () => observer.dropped.get("flow-limit") === 2)
    expect(links).toHaveLength(3)
    // The end of one makes room for another.
    links[0]!.close()
    const late = await plain()
    late.send("hello", server.address.port)
    await until(real, () => late.got.length === 1)
  })

  test.if(manyLoopbacks)("lets in only senders on the allow list; others are counted, and named once", async () => {
    const { server, observer } = await listener({ allow: AllowList.parse(["127.0.0.2"]) })
    const links = echo(server)
    const stranger = await plain("127.0.0.1")
    const friend = await plain("127.0.0.2")
    for (let i = 0; i < 3; i++) stranger.send("let me in", server.address.port)
    friend.send("hello", server.address.port, "127.0.0.1")
    await until(real, () => friend.got.length === 1 && observer.dropped.get("not-allowed") === 3)
    expect(links.map(({ peer }) => peer)).toEqual([`127.0.0.2:${friend.port}`])
    expect(observer.of("peer-refused").map(({ peer }) => peer)).toEqual([`127.0.0.1:${stranger.port}`])
    expect(stranger.got).toEqual([])
  })

  test("a handler that throws is reported, and neither its link nor another is hurt", async () => {
    const { server, observer } = await listener()
    server.onLink = (link) => {
      link.onDatagram = (datagram) => {
        if (text(datagram) === "boom") throw new Error("a bug in the handler")
        link.send(datagram)
      }
    }
    const a = await plain()
    a.send("boom", server.address.port)
    a.send("fine", server.address.port)
    await until(real, () => a.got.length === 1)
    expect(observer.of("internal-error")).toHaveLength(1)
  })
})

describe("listenUdp and dead peers", () => {
  test("50 dead and 50 live peers interleaved: every live one gets every datagram", async () => {
    const { server, observer } = await listener()
    const live: Awaited<ReturnType<typeof plain>>[] = []
    const dead: typeof live = []
    for (let i = 0; i < 50; i++) {
      live.push(await plain())
      dead.push(await plain())
    }
    const links: Link[] = []
    server.onLink = (link) => links.push(link)
    for (const sender of [...live, ...dead]) sender.send("hello", server.address.port)
    await until(real, () => links.length === 100)
    for (const peer of dead) peer.close()
    const deadPeers = new Set(dead.map(({ port }) => `127.0.0.1:${port}`))
    const deadLinks = links.filter(({ peer }) => deadPeers.has(peer))
    const liveLinks = links.filter(({ peer }) => !deadPeers.has(peer))
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 50; i++) {
        deadLinks[i]!.send(bytes("to nobody"))
        liveLinks[i]!.send(bytes(`round ${round}`))
      }
      await eventLoopTurn()
    }
    await until(real, () => live.every(({ got }) => got.length === 4))
    await until(real, () => (observer.dropped.get("unreachable") ?? 0) > 0)
    expect([...observer.dropped.keys()]).toEqual(["unreachable"])
    expect(live.every(({ got }) => got.map(({ text }) => text).join() === "round 0,round 1,round 2,round 3")).toBe(true)
  })

  test("a datagram that the system refuses to send for good is counted as unreachable", async () => {
    const opener = new SpyingOpener()
    const { server, observer } = await listener({ openSocket: opener.open })
    const links = echo(server)
    const a = await plain()
    a.send("hello", server.address.port)
    await until(real, () => a.got.length === 1)
    const socket = opener.sockets[0]!
    let throws = 0
    socket.send = () => {
      throws++
      throw Object.assign(new Error("send"), { code: "EHOSTUNREACH" })
    }
    links[0]!.send(bytes("x"))
    await until(real, () => observer.dropped.get("unreachable") === 1)
    expect(throws).toBe(3)
  })
})

describe("listenUdp and a full send buffer", () => {
  async function full() {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const { server, observer } = await listener({ openSocket: opener.open, clock })
    const links = echo(server)
    const a = await plain()
    a.send("hello", server.address.port)
    await until(real, () => a.got.length === 1)
    const socket = opener.sockets[0]!
    const send = socket.send.bind(socket)
    let blocked = true
    socket.send = (datagram, port, host) => !blocked && send(datagram, port, host)
    return { clock, observer, link: links[0]!, a, unblock: () => (blocked = false) }
  }

  test("datagrams wait, in order, and go when there is room", async () => {
    const { clock, observer, link, a, unblock } = await full()
    for (let i = 0; i < 10; i++) link.send(bytes(`${i}`))
    unblock()
    link.send(bytes("10"))
    clock.advance(5)
    await until(real, () => a.got.length === 12)
    expect(a.got.slice(1).map(({ text }) => text)).toEqual(Array.from({ length: 11 }, (_, i) => `${i}`))
    expect(observer.dropped.size).toBe(0)
  })

  test("no more than 64 wait, and none longer than a second; both are counted", async () => {
    const { clock, observer, link } = await full()
    for (let i = 0; i < 70; i++) link.send(bytes(`${i}`))
    expect(observer.dropped.get("send-buffer-full")).toBe(6)
    clock.advance(1_100)
    expect(observer.dropped.get("queue-old")).toBe(64)
  })

  test("what waits for a link that ends is given up, counted", async () => {
    const { observer, link } = await full()
    link.send(bytes("x"))
    link.close()
    expect(observer.dropped.get("closed")).toBe(1)
  })
})

describe("listenUdp and its local addresses", () => {
  test.if(manyLoopbacks)(
    "opens one socket for each address, all on one port, and answers from the one that was asked",
    async () => {
      const { server, observer } = await listener({ bind: [], localAddresses: () => ["127.0.0.1", "127.0.0.2"] })
      echo(server)
      const { port } = server.address
      expect(server.addresses).toEqual([
        { host: "127.0.0.1", port },
        { host: "127.0.0.2", port },
      ])
      expect(observer.of("listening").map(({ address }) => address)).toEqual([`127.0.0.1:${port}`, `127.0.0.2:${port}`])
      const a = await plain("127.0.0.3")
      a.send("one", port, "127.0.0.1")
      a.send("two", port, "127.0.0.2")
      await until(real, () => a.got.length === 2)
      const from = Object.fromEntries(a.got.map(({ text, host }) => [text, host]))
      expect(from).toEqual({ one: "127.0.0.1", two: "127.0.0.2" })
    },
  )

  test.if(manyLoopbacks)("links of one application to two local addresses are two links", async () => {
    const { server } = await listener({ bind: ["127.0.0.1", "127.0.0.2"] })
    const links = echo(server)
    const a = await plain("127.0.0.3")
    a.send("one", server.address.port, "127.0.0.1")
    a.send("two", server.address.port, "127.0.0.2")
    await until(real, () => a.got.length === 2)
    expect(links).toHaveLength(2)
    expect(links[0]!.peer).toBe(links[1]!.peer)
  })

  test("serves IPv6 beside IPv4 on the same port", async () => {
    const { server } = await listener({ bind: ["127.0.0.1", "::1"] })
    const links = echo(server)
    const six = await plain("::1")
    six.send("six", server.address.port)
    await until(real, () => six.got.length === 1)
    expect(links[0]!.peer).toBe(`[::1]:${six.port}`)
  })

  test("shows an IPv4 application that came through an IPv6 wildcard as IPv4, and answers it", async () => {
    const { server } = await listener({ bind: ["::"] })
    const links = echo(server)
    const four = await plain("127.0.0.1")
    four.send("four", server.address.port)
    await until(real, () => four.got.length === 1)
    expect(links[0]!.peer).toBe(`127.0.0.1:${four.port}`)
  })

  test.if(manyLoopbacks)(
    "an address that appears later gets a socket at the next reading, one that goes loses its",
    async () => {
      const clock = new FakeClock()
      let present = ["127.0.0.1"]
      const { server } = await listener({ bind: [], localAddresses: () => present, clock })
      echo(server)
      present = ["127.0.0.1", "127.0.0.2"]
      clock.advance(ADDRESSES_AGAIN_MS)
      await until(real, () => server.addresses.length === 2)
      present = ["127.0.0.2"]
      clock.advance(ADDRESSES_AGAIN_MS)
      expect(server.addresses).toEqual([{ host: "127.0.0.2", port: server.address.port }])
    },
  )

  test("a link goes on when its local address went away and came back", async () => {
    const clock = new FakeClock()
    let present = ["127.0.0.1"]
    const { server, observer } = await listener({ bind: [], localAddresses: () => present, clock })
    const links = echo(server)
    const a = await plain()
    a.send("1", server.address.port)
    await until(real, () => a.got.length === 1)
    present = []
    clock.advance(ADDRESSES_AGAIN_MS)
    links[0]!.send(bytes("lost"))
    expect(observer.dropped.get("unreachable")).toBe(1)
    present = ["127.0.0.1"]
    // A pulled cable hides its address: whoever plugs it in again should not wait.
    clock.advance(1_000)
    await until(real, () => server.addresses.length === 1)
    a.send("2", server.address.port)
    await until(real, () => a.got.length === 2)
    expect(links).toHaveLength(1)
  })

  test.if(manyLoopbacks)(
    "a port that another program has is a PortTakenError that says which, and nothing stays open",
    async () => {
      const other = await plain("127.0.0.2")
      const opener = new SpyingOpener()
      const bind = ["127.0.0.1", "127.0.0.2"]
      const refused = listener({ port: other.port, bind, openSocket: opener.open })
      await expect(refused).rejects.toBeInstanceOf(PortTakenError)
      await refused.catch((error: PortTakenError) => {
        expect(error).toMatchObject({ code: "EADDRINUSE", address: "127.0.0.2", port: other.port })
      })
      expect(opener.sockets.every(({ closed }) => closed)).toBe(true)
    },
  )

  test("an address that a wildcard of ours covers is no other program's", async () => {
    const { server } = await listener({ bind: ["127.0.0.1", "0.0.0.0"] })
    expect(server.addresses.map(({ host }) => host)).toEqual(["0.0.0.0"])
  })

  test("an address that the machine does not have yet is waited for, with one line", async () => {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    opener.failures.push("EADDRNOTAVAIL", "EADDRNOTAVAIL", "EADDRNOTAVAIL")
    const port = await deadPort()
    const { server, observer } = await listener({ port, clock, openSocket: opener.open })
    echo(server)
    expect(server.addresses).toEqual([])
    await until({ turn: () => clock.advance(100) }, () => server.addresses.length === 1)
    expect(observer.of("listen-waiting")).toMatchObject([{ address: `127.0.0.1:${port}`, detail: "EADDRNOTAVAIL" }])
    expect(observer.of("listening")).toHaveLength(1)
    const a = await plain()
    a.send("hello", port)
    await until(real, () => a.got.length === 1)
  })

  test.if(manyLoopbacks)("an address that appears later with its port taken is waited for, with one line", async () => {
    const clock = new FakeClock()
    let present = ["127.0.0.1"]
    const { server, observer } = await listener({ bind: [], localAddresses: () => present, clock })
    const other = await plain("127.0.0.2", server.address.port)
    present = ["127.0.0.1", "127.0.0.2"]
    clock.advance(ADDRESSES_AGAIN_MS)
    await until(real, () => observer.of("listen-waiting").length === 1)
    for (let i = 0; i < 20; i++) {
      clock.advance(1_000)
      await eventLoopTurn()
    }
    expect(observer.of("listen-waiting")).toMatchObject([{ detail: "EADDRINUSE" }])
    other.close()
    await until({ turn: () => clock.advance(1_000) }, () => server.addresses.length === 2)
  })

  test("a link-local address that cannot be bound is skipped without a line", async () => {
    const opener = new SpyingOpener()
    opener.failures.push("EINVAL")
    const present = () => ["fe80::1%eth7", "127.0.0.1"]
    const { server, observer } = await listener({ bind: [], localAddresses: present, openSocket: opener.open })
    expect(server.addresses.map(({ host }) => host)).toEqual(["127.0.0.1"])
    expect(observer.of("listen-waiting")).toEqual([])
  })
})

describe("listenUdp and a socket that the system closes", () => {
  test("opens it again at the next look, on the same port, and flows stay", async () => {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const { server, observer } = await listener({ clock, openSocket: opener.open })
    const links = echo(server)
    const a = await plain()
    a.send("1", server.address.port)
    await until(real, () => a.got.length === 1)
    opener.sockets[0]!.close()
    clock.advance(SOCKET_CHECK_MS)
    await until(real, () => observer.of("listen-reopened").length === 1)
    a.send("2", server.address.port)
    await until(real, () => a.got.length === 2)
    expect(links).toHaveLength(1)
    expect(SOCKET_CHECK_MS).toBeLessThan(100)
  })

  test("a datagram sent before it was noticed is not lost", async () => {
    const opener = new SpyingOpener()
    const { server, observer } = await listener({ clock: new FakeClock(), openSocket: opener.open })
    const links = echo(server)
    const a = await plain()
    a.send("1", server.address.port)
    await until(real, () => a.got.length === 1)
    opener.sockets[0]!.close()
    links[0]!.send(bytes("2"))
    links[0]!.send(bytes("3"))
    await until(real, () => a.got.length === 3)
    expect(a.got.map(({ text }) => text)).toEqual(["1", "2", "3"])
    expect(observer.dropped.size).toBe(0)
  })

  test("keeps trying when another program took the port meanwhile", async () => {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const { server, observer } = await listener({ clock, openSocket: opener.open })
    const { port } = server.address
    opener.sockets[0]!.close()
    const thief = await plain("127.0.0.1", port)
    clock.advance(SOCKET_CHECK_MS)
    await until(real, () => observer.of("listen-waiting").length === 1)
    thief.close()
    await until({ turn: () => clock.advance(500) }, () => observer.of("listen-reopened").length === 1)
  })

  test("closing the listener while a socket is being opened leaves nothing open", async () => {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const { server } = await listener({ clock, openSocket: opener.open })
    opener.sockets[0]!.close()
    clock.advance(SOCKET_CHECK_MS)
    server.close()
    await until(real, () => opener.sockets.length === 2)
    await until(real, () => opener.sockets[1]!.closed)
    expect(clock.pending).toBe(0)
    closing(server)
  })
})
