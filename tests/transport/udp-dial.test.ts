/** Links onward: they never fail, each has a socket of its own, and trouble is an event and a counter. */
import { describe, expect, test } from "bun:test"
import { HEALTH_QUIET_MS } from "../../src/transport/target-health.ts"
import { DIAL_HOLD } from "../../src/transport/udp-dial.ts"
import type { RawSocket } from "../../src/transport/udp-socket.ts"
import { SILENCE_CHECK_MS, TROUBLE_CHECK_MS } from "../../src/transport/udp-target.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { collect, eventLoopTurn, until } from "../support/link-contract.ts"
import {
  bytes,
  closing,
  deadPort,
  dial,
  echo,
  listener,
  manyLoopbacks,
  type Plain,
  plain,
  SpyingOpener,
  text,
} from "../support/udp.ts"

const real = {}

/** A board that answers everything with itself. */
async function board(host = "127.0.0.1", port = 0): Promise<Plain> {
  const made = await plain(host, port)
  const push = made.got.push.bind(made.got)
  made.got.push = (...datagrams) => {
    for (const { text, port, host } of datagrams) made.send(text, port, host)
    return push(...datagrams)
  }
  return made
}

describe("dialUdp", () => {
  test("gives each link a socket of its own: two applications never see each other's replies", async () => {
    const target = await board()
    const { dial: open } = dial(target.port)
    const [a, b] = [open("a"), open("b")]
    const [atA, atB] = [collect(a), collect(b)]
    for (let i = 0; i < 20; i++) {
      a.send(bytes(`a${i}`))
      b.send(bytes(`b${i}`))
    }
    await until(real, () => atA.length === 20 && atB.length === 20)
    expect(atA.every((datagram) => text(datagram).startsWith("a"))).toBe(true)
    expect(atB.every((datagram) => text(datagram).startsWith("b"))).toBe(true)
    expect(new Set(target.got.map(({ port }) => port)).size).toBe(2)
  })

  test("names its peer by the name that was given", async () => {
    const { dial: open } = dial(17893, { name: "board.lab", lookup: () => new Promise(() => {}) })
    expect(open("a").peer).toBe("board.lab:17893")
    expect(dial(17893, { name: "::1" }).dial("a").peer).toBe("[::1]:17893")
  })

  test("reaches an IPv6 target", async () => {
    const target = await board("::1")
    const link = dial(target.port, { name: "::1" }).dial("a")
    const got = collect(link)
    link.send(bytes("six"))
    await until(real, () => got.length === 1)
  })

  test("what is sent while the name is unknown goes, in order, once it is known", async () => {
    const target = await board()
    const answer = Promise.withResolvers<string[]>()
    const { dial: open, observer } = dial(target.port, { name: "board.lab", lookup: () => answer.promise })
    const link = open("a")
    const got = collect(link)
    for (let i = 0; i < 50; i++) link.send(bytes(`${i}`))
    await eventLoopTurn()
    answer.resolve(["127.0.0.1"])
    await until(real, () => got.length === 50)
    expect(got.map(text)).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`))
    expect(observer.dropped.size).toBe(0)
  })

  test("holds no more than its limits meanwhile: count, bytes and age, all counted", () => {
    const clock = new FakeClock()
    const { dial: open, observer } = dial(17893, { name: "board.lab", lookup: () => new Promise(() => {}), clock })
    const link = open("a")
    for (let i = 0; i < DIAL_HOLD.datagrams + 7; i++) link.send(bytes("small"))
    expect(observer.dropped.get("queue-full")).toBe(7)
    clock.advance(DIAL_HOLD.ageMs + 100)
    expect(observer.dropped.get("queue-old")).toBe(DIAL_HOLD.datagrams)
    for (let i = 0; i < 6; i++) link.send(new Uint8Array(60_000))
    expect(observer.dropped.get("queue-full")).toBe(7 + 2)
  })

  test("closing a link that is still opening leaves no socket and no timer", async () => {
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const link = dial(await deadPort(), { clock, openSocket: opener.open }).dial("a")
    await Promise.resolve()
    link.close()
    await until(real, () => opener.sockets.every(({ closed }) => closed))
    await eventLoopTurn()
    expect(clock.pending).toBe(0)
  })

  test("200 links that wait for a name ask for it once", async () => {
    let asked = 0
    const lookup = () => {
      asked++
      return new Promise<string[]>(() => {})
    }
    const { dial: open } = dial(17893, { name: "board.lab", lookup })
    for (let i = 0; i < 200; i++) open(`${i}`)
    await eventLoopTurn()
    expect(asked).toBe(1)
  })
})

describe("dialUdp and a target that is not there", () => {
  test("a port that is closed is one event and a counter; the link lives, and says when the target is back", async () => {
    const port = await deadPort()
    const heard: string[] = []
    const { dial: open, observer } = dial(port, { onIcmp: (code) => heard.push(code) })
    const link = open("a")
    const got = collect(link)
    for (let i = 1; i <= 5; i++) {
      link.send(bytes("anybody?"))
      await until(real, () => observer.dropped.get("unreachable") === i)
    }
    expect(observer.of("target-unreachable")).toEqual([
      { type: "target-unreachable", target: `127.0.0.1:${port}`, detail: "ECONNREFUSED" },
    ])
    expect(heard).toHaveLength(5)
    await board("127.0.0.1", port)
    link.send(bytes("and now?"))
    await until(real, () => got.length === 1)
    expect(observer.of("target-back")).toEqual([{ type: "target-back", target: `127.0.0.1:${port}` }])
  })

  test("a board that flaps is not reported more often than every ten seconds", async () => {
    const clock = new FakeClock()
    const port = await deadPort()
    const { dial: open, observer } = dial(port, { clock })
    const link = open("a")
    const got = collect(link)
    for (let flap = 1; flap <= 3; flap++) {
      link.send(bytes("anybody?"))
      await until(real, () => observer.dropped.get("unreachable") === flap)
      const up = await board("127.0.0.1", port)
      link.send(bytes("and now?"))
      await until(real, () => got.length === flap)
      up.close()
    }
    expect(observer.of("target-unreachable")).toHaveLength(1)
    expect(observer.of("target-back")).toHaveLength(1)
    clock.advance(HEALTH_QUIET_MS)
    link.send(bytes("anybody?"))
    await until(real, () => observer.of("target-unreachable").length === 2)
  })

  test("a send that throws, as on Windows, is counted once and hurts nobody", async () => {
    const target = await board()
    const opener = new SpyingOpener()
    const { dial: open, observer } = dial(target.port, { openSocket: opener.open })
    const link = open("a")
    const got = collect(link)
    link.send(bytes("1"))
    await until(real, () => got.length === 1)
    const socket = opener.sockets[0]!
    const send = socket.send.bind(socket)
    socket.send = () => {
      throw Object.assign(new Error("send"), { code: "ECONNRESET" })
    }
    link.send(bytes("2"))
    expect(observer.dropped.get("unreachable")).toBe(1)
    expect(observer.of("target-unreachable")).toMatchObject([{ detail: "ECONNRESET" }])
    socket.send = send
    link.send(bytes("3"))
    await until(real, () => got.length === 2)
    expect(text(got[1]!)).toBe("3")
  })

  test("a machine without a network keeps trying to open the socket, at most a second apart", async () => {
    const target = await board()
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    opener.failures.push(...Array<string>(6).fill("ENETUNREACH"))
    const { dial: open, observer } = dial(target.port, { clock, openSocket: opener.open })
    const link = open("a")
    const got = collect(link)
    for (let second = 0; second < 6; second++) {
      clock.advance(1_000)
      for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
    }
    await until({ turn: () => clock.advance(50) }, () => opener.sockets.length === 1)
    link.send(bytes("1"))
    await until(real, () => got.length === 1)
    expect(observer.of("target-unreachable")).toMatchObject([{ detail: "ENETUNREACH" }])
    expect(observer.of("target-back")).toHaveLength(1)
  })

  test("a socket that is of no more use is replaced", async () => {
    const { opener, link, got } = await connected()
    opener.sockets[0]!.send = throwing("ENOTCONN")
    link.send(bytes("2"))
    link.send(bytes("3"))
    await until(real, () => got.length === 2)
    expect(text(got[1]!)).toBe("3")
    expect(opener.sockets[0]!.closed).toBe(true)
  })
})

describe("dialUdp on a machine that changes its address", () => {
  test("a link whose sends fail moves to the new address", async () => {
    const { opener, link, got, clock, observer } = await connected()
    pretendAddress(opener.sockets[0]!, "192.0.2.9")
    opener.sockets[0]!.send = throwing("ENETUNREACH")
    link.send(bytes("2"))
    await until(real, () => opener.sockets.length === 3)
    link.send(bytes("3"))
    await until(real, () => got.length === 2)
    expect(opener.sockets[0]!.closed).toBe(true)
    expect(observer.dropped).toEqual(new Map([["unreachable", 1]]))
    clock.advance(TROUBLE_CHECK_MS)
    expect(opener.sockets).toHaveLength(3)
  })

  test("a link that hears nothing more moves too", async () => {
    const { opener, link, got, clock } = await connected()
    pretendAddress(opener.sockets[0]!, "192.0.2.9")
    opener.sockets[0]!.send = () => true
    clock.advance(SILENCE_CHECK_MS)
    await eventLoopTurn()
    link.send(bytes("2"))
    clock.advance(SILENCE_CHECK_MS)
    await until(real, () => opener.sockets[0]!.closed)
    link.send(bytes("3"))
    await until(real, () => got.length === 2)
  })

  test("a link that works keeps its socket and port, whatever happens to others", async () => {
    const { opener, link, got, clock, open } = await connected()
    pretendAddress(opener.sockets[0]!, "192.0.2.9")
    const other = open("b")
    other.send(bytes("1"))
    await until(real, () => opener.sockets.length === 2)
    opener.sockets[1]!.send = throwing("ENETUNREACH")
    other.send(bytes("2"))
    clock.advance(SILENCE_CHECK_MS)
    await until(real, () => opener.sockets.length >= 3 && opener.sockets.slice(2).every(({ closed }) => closed))
    link.send(bytes("2"))
    await until(real, () => got.length === 2)
    expect(opener.sockets[0]!.closed).toBe(false)
  })

  test("while there is no way at all the socket stays, and works again when its address is back", async () => {
    const { opener, link, got, clock } = await connected()
    const socket = opener.sockets[0]!
    const send = socket.send.bind(socket)
    socket.send = throwing("ENETUNREACH")
    for (let second = 0; second < 30; second++) {
      opener.failures.push("ENETUNREACH")
      link.send(bytes("2"))
      clock.advance(1_000)
      await eventLoopTurn()
    }
    opener.failures.length = 0
    socket.send = send
    link.send(bytes("3"))
    await until(real, () => got.length === 2)
    expect(socket.closed).toBe(false)
  })

  test("looks for another way at most once a second, however much is sent", async () => {
    const { opener, link, clock } = await connected()
    opener.sockets[0]!.send = throwing("ENETUNREACH")
    for (let second = 1; second <= 3; second++) {
      for (let i = 0; i < 50; i++) link.send(bytes("2"))
      await until(real, () => opener.sockets.length === 1 + second)
      for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
      link.send(bytes("2"))
      clock.advance(TROUBLE_CHECK_MS)
    }
  })
})

/** A link that has exchanged one datagram with a board, on a fake clock. */
async function connected() {
  const target = await board()
  const clock = new FakeClock()
  const opener = new SpyingOpener()
  const { dial: open, observer } = dial(target.port, { clock, openSocket: opener.open })
  const link = open("a")
  const got = collect(link)
  link.send(bytes("1"))
  await until(real, () => got.length === 1)
  return { clock, opener, observer, open, link, got }
}

/** A send that the system refuses. */
function throwing(code: string): () => boolean {
  return () => {
    throw Object.assign(new Error("send"), { code })
  }
}

/** Makes a socket say that it is bound to `address`. */
function pretendAddress(socket: RawSocket, address: string): void {
  Object.defineProperty(socket, "address", { value: { address, port: 40112 } })
}

describe("dialUdp and a socket that the system closes", () => {
  test("opens another at the next look; a datagram sent meanwhile is not lost", async () => {
    const target = await board()
    for (const sendFirst of [true, false]) {
      const clock = new FakeClock()
      const opener = new SpyingOpener()
      const { dial: open, observer } = dial(target.port, { clock, openSocket: opener.open })
      const link = open("a")
      const got = collect(link)
      link.send(bytes("1"))
      await until(real, () => got.length === 1)
      opener.sockets[0]!.close()
      if (sendFirst) link.send(bytes("2"))
      else clock.advance(50)
      await until(real, () => opener.sockets.length === 2)
      if (!sendFirst) link.send(bytes("2"))
      await until(real, () => got.length === 2)
      expect(observer.dropped.size).toBe(0)
    }
  })

  test("a full send buffer delays datagrams and keeps their order", async () => {
    const target = await board()
    const clock = new FakeClock()
    const opener = new SpyingOpener()
    const link = dial(target.port, { clock, openSocket: opener.open }).dial("a")
    const got = collect(link)
    link.send(bytes("0"))
    await until(real, () => got.length === 1)
    const socket = opener.sockets[0]!
    const send = socket.send.bind(socket)
    socket.send = () => false
    for (let i = 1; i <= 10; i++) link.send(bytes(`${i}`))
    socket.send = send
    clock.advance(5)
    await until(real, () => got.length === 11)
    expect(got.map(text)).toEqual(Array.from({ length: 11 }, (_, i) => `${i}`))
  })
})

describe("dialUdp and a name that moves", () => {
  test.if(manyLoopbacks)("links follow the name to a new address after the old one refused", async () => {
    const clock = new FakeClock()
    const moved = await board("127.0.0.2")
    let addresses = ["127.0.0.1"]
    const lookup = async () => addresses
    const { dial: open, observer } = dial(moved.port, { name: "server.lab", lookup, clock })
    const link = open("a")
    const got = collect(link)
    link.send(bytes("anybody?"))
    await until(real, () => observer.dropped.get("unreachable") === 1)
    addresses = ["127.0.0.2"]
    clock.advance(SILENCE_CHECK_MS)
    await until(real, () => observer.of("resolved").length === 2)
    link.send(bytes("there?"))
    await until(real, () => got.length === 1)
  })

  test.if(manyLoopbacks)("links follow the name after an old address that stays silent", async () => {
    const clock = new FakeClock()
    const silent = await plain("127.0.0.1")
    const moved = await board("127.0.0.2", silent.port)
    let addresses = ["127.0.0.1"]
    const lookup = async () => addresses
    const { dial: open, observer } = dial(moved.port, { name: "server.lab", lookup, clock })
    const link = open("a")
    const got = collect(link)
    link.send(bytes("anybody?"))
    await until(real, () => silent.got.length === 1)
    addresses = ["127.0.0.2"]
    clock.advance(60_000)
    await eventLoopTurn()
    link.send(bytes("hello?"))
    await until({ turn: () => clock.advance(SILENCE_CHECK_MS) }, () => observer.of("resolved").length === 2)
    link.send(bytes("there?"))
    await until(real, () => got.length >= 1)
  })
})

describe("a listener and a dial joined", () => {
  test("200 applications at once through one relay: nothing is misdelivered", async () => {
    const target = await board()
    const { server } = await listener()
    const { dial: open } = dial(target.port)
    server.onLink = (link) => {
      const onward = open(link.peer)
      link.onDatagram = (datagram) => onward.send(datagram)
      onward.onDatagram = (datagram) => link.send(datagram)
    }
    const applications = await Promise.all(Array.from({ length: 200 }, () => plain()))
    for (let round = 0; round < 3; round++) {
      for (const [i, application] of applications.entries()) application.send(`${i}:${round}`, server.address.port)
      await until(real, () => applications.every(({ got }) => got.length === round + 1))
    }
    const got = applications.map(({ got }) => got.map(({ text }) => text).join())
    expect(got).toEqual(applications.map((_, i) => `${i}:0,${i}:1,${i}:2`))
  })

  test("a link between two of ours echoes", async () => {
    const { server } = await listener()
    echo(server)
    const link = closing(dial(server.address.port).dial("a"))
    const got = collect(link)
    link.send(bytes("hello"))
    await until(real, () => got.length === 1)
  })
})
