import { afterEach, describe, expect, test } from "bun:test"
import { encodeFrame } from "../../src/protocol/frame.ts"
import {
  encodeClose,
  encodeData,
  encodeOpen,
  encodePreface,
  MuxDecoder,
  type MuxFrame,
} from "../../src/protocol/mux.ts"
import { AllowList } from "../../src/transport/allow.ts"
import { FramedConnection } from "../../src/transport/framed-connection.ts"
import { BaseLink, type CloseReason, type Link, MAX_DATAGRAM } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FRAME_DEADLINE_MS, TcpListener, type TcpListenOptions } from "../../src/transport/tcp-listener.ts"
import { connectTcp, type TcpPort } from "../../src/transport/tcp-port.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { cuts, integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"
import { describeLinkContract, eventLoopTurn, GREETING, until as untilTurn } from "../support/link-contract.ts"
import { RawPeer } from "../support/raw-tcp.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** A flow that has arrived, and what was heard on it. */
interface Arrived {
  link: Link
  channel: string
  datagrams: string[]
  reasons: CloseReason[]
}

const listeners: TcpListener[] = []
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.close()
})

function setup(options: Partial<TcpListenOptions> = {}) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const arrived: Arrived[] = []
  const listener = new TcpListener({
    address: { host: "127.0.0.1", port: 0 },
    channel: "scp",
    allow: undefined,
    clock,
    observer,
    onLink(link, channel) {
      const one: Arrived = { link, channel, datagrams: [], reasons: [] }
      arrived.push(one)
      link.onDatagram = (datagram) => one.datagrams.push(Buffer.from(datagram).toString())
      link.onClose = (reason) => one.reasons.push(reason)
    },
    ...options,
  })
  listeners.push(listener)
  return { clock, observer, arrived, listener, connect: () => RawPeer.connect(listener.address.port) }
}

const until = (done: () => boolean) => untilTurn({}, done)
const framed = (text: string) => encodeFrame(utf8(text))

/** Enough turns for whatever is under way on loopback. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await eventLoopTurn()
}

function framesIn(stream: Uint8Array): MuxFrame[] {
  const frames: MuxFrame[] = []
  new MuxDecoder().push(stream, (frame) => frames.push(frame))
  return frames
}

/** The application's end of a framed connection, as a link; sends one datagram that makes the listener's end appear. */
class FramedLink extends BaseLink {
  readonly peer = "listener"
  #port: TcpPort | undefined
  #connection: FramedConnection | undefined

  static async connect(port: number, observer: RecordingObserver): Promise<FramedLink> {
    const link = new FramedLink(observer)
    const clock = new FakeClock()
    await connectTcp({
      address: { host: "127.0.0.1", port },
      timeoutMs: 1_000,
      clock,
      ownerOf(port) {
        const connection = new FramedConnection({
          port,
          peer: "listener",
          clock,
          drops: observer,
          maxAgeMs: 1_000,
          onDatagram: (datagram) => link.deliver(datagram),
          onDead: (detail) => link.finish({ code: "failed", detail }),
        })
        link.#port = port
        link.#connection = connection
        return {
          onData: (chunk) => connection.received(chunk),
          onDrain: () => connection.drained(),
          onClose: (detail) => link.finish({ code: "peer-closed", detail }),
        }
      },
    })
    return link
  }

  protected override transmit(datagram: Uint8Array): void {
    this.#connection?.send(datagram)
  }

  protected override release(): void {
    this.#connection?.close()
    this.#port?.end()
  }
}

describeLinkContract("a framed connection", { tellsPeer: true, greets: true }, async () => {
  const made = setup({
    onLink: (link) => {
      far = link
    },
  })
  let far: Link | undefined
  const near = await FramedLink.connect(made.listener.address.port, made.observer)
  near.send(GREETING)
  await until(() => far !== undefined)
  return { near, far: far!, observer: made.observer, dispose() {} }
})

describe("a peer in Python's framing", () => {
  test("is one flow of the port's own channel, both ways", async () => {
    const { arrived, connect, observer } = setup({ channel: "boot" })
    const peer = await connect()
    peer.send(framed("one"), framed("two"))
    await until(() => arrived[0]?.datagrams.length === 2)
    expect(arrived).toHaveLength(1)
    expect(arrived[0]).toMatchObject({ channel: "boot", datagrams: ["one", "two"] })
    expect(arrived[0]!.link.peer).toMatch(/^127\.0\.0\.1:\d+$/)
    arrived[0]!.link.send(utf8("answer"))
    await until(() => peer.received.length > 0)
    expect(peer.received).toEqual(Buffer.from(framed("answer")))
    expect(observer.of("peer-connected")).toEqual([
      { type: "peer-connected", peer: arrived[0]!.link.peer, protocol: "framed" },
    ])
  })

  test("may begin with any byte of a length, also one at a time", async () => {
    const { arrived, connect } = setup()
    const peer = await connect()
    for (const byte of Buffer.concat([framed(""), framed("x".repeat(300)), framed("y")])) {
      peer.send(Uint8Array.of(byte))
      await eventLoopTurn()
    }
    await until(() => arrived[0]?.datagrams.length === 3)
    expect(arrived[0]!.datagrams.map(({ length }) => length)).toEqual([0, 300, 1])
  })

  test("opens no flow before its first datagram is whole", async () => {
    const { arrived, connect, observer } = setup()
    const peer = await connect()
    peer.send(framed("whole").subarray(0, 8))
    await until(() => observer.of("peer-connected").length === 1)
    expect(arrived).toEqual([])
    peer.send(framed("whole").subarray(8))
    await until(() => arrived.length === 1)
  })

  test("that leaves ends its flow, and is forgotten", async () => {
    const { arrived, connect, listener, observer } = setup()
    const peer = await connect()
    peer.send(framed("hello"))
    await until(() => arrived.length === 1)
    peer.end()
    await until(() => arrived[0]!.reasons.length === 1)
    expect(arrived[0]!.reasons[0]?.code).toBe("peer-closed")
    expect(listener.peerCount).toBe(0)
    expect(observer.of("peer-lost")).toHaveLength(1)
  })

  for (const code of ["idle", "evicted", "peer-closed"] as const) {
    test(`keeps its connection when its flow ends as ${code}; its next datagram begins a new flow`, async () => {
      const { arrived, connect, observer } = setup()
      const peer = await connect()
      peer.send(framed("first"), framed("cut in two").subarray(0, 7))
      await until(() => arrived.length === 1)
      await settle()
      arrived[0]!.link.close({ code })
      arrived[0]!.link.close()
      await settle()
      expect(peer.closed || peer.ended).toBe(false)
      peer.send(framed("cut in two").subarray(7))
      await until(() => arrived.length === 2)
      expect(arrived[1]!.datagrams).toEqual(["cut in two"])
      arrived[1]!.link.send(utf8("back"))
      await until(() => peer.received.length > 0)
      expect(peer.received).toEqual(Buffer.from(framed("back")))
      expect(arrived[0]!.reasons).toEqual([{ code }])
      expect(observer.of("peer-connected")).toHaveLength(1)
    })
  }

  test("whose flow is closed by this side is closed itself", async () => {
    const { arrived, connect, listener } = setup()
    const peer = await connect()
    peer.send(framed("first"))
    await until(() => arrived.length === 1)
    arrived[0]!.link.close()
    await until(() => peer.closed)
    expect(listener.peerCount).toBe(0)
  })

  test("begins no flow with what came after the datagram that ended its connection", async () => {
    const { arrived, connect, observer } = setup({
      onLink(link) {
        arrived.push({ link, channel: "scp", datagrams: [], reasons: [] })
        link.onDatagram = () => link.close()
      },
    })
    const peer = await connect()
    peer.send(Buffer.concat([framed("a"), framed("b"), framed("c")]))
    await until(() => peer.closed)
    expect(arrived).toHaveLength(1)
    expect(observer.dropped.get("closed")).toBe(2)
  })

  test("that announces more than 65,507 bytes is cut off with a reason, whatever it sent before", async () => {
    const { arrived, connect, observer } = setup()
    const peer = await connect()
    peer.send(Buffer.concat([framed("fine"), Uint8Array.of(0, 0, 0xff, 0xe4)]))
    await until(() => peer.closed)
    expect(arrived[0]).toMatchObject({ datagrams: ["fine"], reasons: [{ code: "refused" }] })
    expect(observer.of("peer-refused")[0]?.detail).toMatch(/65508 bytes/)
  })

  test("may send a datagram of 65,507 bytes", async () => {
    const lengths: number[] = []
    const { connect } = setup({
      onLink(link) {
        link.onDatagram = ({ length }) => lengths.push(length)
      },
    })
    const peer = await connect()
    const frame = encodeFrame(new Uint8Array(MAX_DATAGRAM))
    for (let at = 0; at < frame.length; ) {
      at += Math.max(0, peer.socket.write(frame.subarray(at)))
      await eventLoopTurn()
    }
    await until(() => lengths.length === 1)
    expect(lengths).toEqual([MAX_DATAGRAM])
  })
})

describe("a peer that speaks mux", () => {
  test("is greeted in kind, however its greeting is cut, and its first frames may come with it", async () => {
    const { arrived, connect } = setup()
    const stream = Buffer.concat([
      encodePreface(),
      encodeOpen(9, "boot", "", "127.0.0.1:4000"),
      encodeData(9, utf8("x")),
    ])
    for (let at = 1; at < 20; at++) {
      const peer = await connect()
      peer.send(stream.subarray(0, at))
      await settle()
      expect(peer.received.length).toBe(at < 8 ? 0 : 8)
      peer.send(stream.subarray(at))
      await until(() => arrived.length === at && arrived[at - 1]!.datagrams.length === 1)
      await until(() => peer.received.length === 8)
      expect(peer.received).toEqual(Buffer.from(encodePreface()))
    }
    expect(arrived.every(({ channel, datagrams }) => channel === "boot" && datagrams[0] === "x")).toBe(true)
    expect(arrived[0]!.link.peer).toMatch(/^127\.0\.0\.1:4000 via 127\.0\.0\.1:\d+$/)
  })

  test("has a link for each flow, with the channel that the flow names, and its close ends that flow alone", async () => {
    const { arrived, connect } = setup()
    const peer = await connect()
    peer.send(encodePreface(), encodeOpen(1, "scp", "", "a:1"), encodeOpen(2, "boot", "", "b:2"))
    await until(() => arrived.length === 2)
    expect(arrived.map(({ channel }) => channel)).toEqual(["scp", "boot"])
    arrived[0]!.link.send(utf8("to a"))
    arrived[1]!.link.close({ code: "idle" })
    peer.send(encodeClose(1, "closed"))
    await until(() => arrived[0]!.reasons.length === 1)
    expect(arrived[0]!.reasons[0]?.code).toBe("peer-closed")
    await until(() => framesIn(peer.received.subarray(8)).length === 2)
    expect(framesIn(peer.received.subarray(8))).toEqual([
      { type: "data", flow: 1, datagram: utf8("to a") },
      { type: "close", flow: 2, code: "idle", detail: "" },
    ])
    expect(peer.closed).toBe(false)
  })

  test("of a later version is answered with ours; version 0 is cut off", async () => {
    const { connect, observer } = setup()
    const later = await connect()
    later.send(encodePreface(7))
    await until(() => later.received.length === 8)
    expect(later.received).toEqual(Buffer.from(encodePreface()))
    const none = await connect()
    none.send(encodePreface(0))
    await until(() => none.closed)
    expect(observer.of("peer-refused")[0]?.detail).toContain("version 0")
  })

  test("that leaves ends all of its flows", async () => {
    const { arrived, connect, listener } = setup()
    const peer = await connect()
    peer.send(encodePreface(), encodeOpen(1, "scp", "", "a:1"), encodeOpen(2, "scp", "", "a:2"))
    await until(() => arrived.length === 2)
    peer.end()
    await until(() => arrived.every(({ reasons }) => reasons.length === 1))
    expect(listener.peerCount).toBe(0)
  })

  test("that does not keep to the protocol is cut off with a reason, its flows ended as refused", async () => {
    const { arrived, connect, observer } = setup()
    const peer = await connect()
    peer.send(encodePreface(), encodeOpen(1, "scp", "", "a:1"), encodeOpen(1, "scp", "", "a:1"))
    await until(() => peer.closed)
    expect(arrived[0]!.reasons).toEqual([{ code: "refused", detail: expect.stringContaining("twice") }])
    expect(observer.of("peer-refused")).toHaveLength(1)
  })

  test("that falls silent is given up after 30 s", async () => {
    const { arrived, connect, clock, listener } = setup()
    const peer = await connect()
    peer.send(encodePreface(), encodeOpen(1, "scp", "", "a:1"))
    await until(() => arrived.length === 1)
    clock.advance(29_000)
    expect(listener.peerCount).toBe(1)
    clock.advance(1_000)
    await until(() => peer.closed)
    expect(arrived[0]!.reasons).toHaveLength(1)
  })

  test("whose flow's handler throws keeps its connection and its other flows; the fault is reported", async () => {
    const got: number[] = []
    const { connect, observer } = setup({
      onLink(link) {
        link.onDatagram = (datagram) => {
          got.push(datagram[0]!)
          if (datagram[0] === 1) throw new Error("a bug")
        }
      },
    })
    const peer = await connect()
    const data = [1, 2].map((flow) => encodeData(flow, Uint8Array.of(flow)))
    peer.send(
      Buffer.concat([encodePreface(), encodeOpen(1, "scp", "", "a:1"), encodeOpen(2, "scp", "", "b:1"), ...data]),
    )
    await until(() => got.length === 2)
    expect(observer.of("internal-error")[0]?.detail).toContain("a bug")
    expect(peer.closed).toBe(false)
  })
})

describe("hostile and silent peers", () => {
  test("a slow loris is closed 10 s after its frame began, whichever protocol it is slow in", async () => {
    const beginnings = [
      utf8("SPI"),
      encodePreface().subarray(0, 7),
      framed("never").subarray(0, 3),
      framed("never").subarray(0, 8),
    ]
    beginnings.push(Buffer.concat([framed("whole"), framed("never").subarray(0, 5)]))
    beginnings.push(Buffer.concat([encodePreface(), encodeOpen(1, "scp", "", "a:1").subarray(0, 5)]))
    for (const beginning of beginnings) {
      const { connect, clock, observer, listener } = setup()
      const peer = await connect()
      peer.send(beginning)
      await settle()
      clock.advance(FRAME_DEADLINE_MS - 1)
      expect(listener.peerCount).toBe(1)
      clock.advance(1_001)
      await until(() => peer.closed)
      expect(observer.of("peer-refused")[0]?.detail).toContain("did not finish a frame")
    }
  })

  test("a byte now and then does not buy a slow loris more time", async () => {
    const { connect, clock, listener } = setup()
    const peer = await connect()
    for (const byte of framed("slower").subarray(0, 8)) {
      peer.send(Uint8Array.of(byte))
      await settle()
      clock.advance(1_200)
    }
    expect(listener.peerCount).toBe(1)
    clock.advance(1_500)
    await until(() => peer.closed)
  })

  test("a peer that goes on sending whole frames is never slow", async () => {
    const { connect, clock, arrived } = setup()
    const peer = await connect()
    const frame = framed("0123456789")
    peer.send(frame.subarray(0, 6))
    for (let round = 0; round < 5; round++) {
      await settle()
      clock.advance(8_000)
      peer.send(frame.subarray(6), frame.subarray(0, 6))
      await until(() => arrived[0]?.datagrams.length === round + 1)
    }
    expect(peer.closed).toBe(false)
  })

  test("a silent peer is left alone: a Python client connects at its start and ends for good when closed", async () => {
    const { connect, clock, listener } = setup()
    const silent = await connect()
    const quiet = await connect()
    quiet.send(framed("once"))
    await until(() => listener.peerCount === 2)
    clock.advance(24 * 3600 * 1000)
    await settle()
    expect([silent.closed, quiet.closed]).toEqual([false, false])
  })

  test("a silent peer gives way when its host has too many connections; peers that speak do not", async () => {
    const { connect, listener, observer } = setup({ limits: { total: 100, perHost: 2 } })
    const speaking = await connect()
    speaking.send(framed("here"))
    const silent = await connect()
    await until(() => listener.peerCount === 2 && observer.of("peer-connected").length === 1)
    const third = await connect()
    await until(() => silent.closed)
    third.send(encodePreface())
    await until(() => third.received.length === 8)
    const fourth = await connect()
    await until(() => fourth.closed)
    expect([speaking.closed, third.closed]).toEqual([false, false])
    expect(listener.peerCount).toBe(2)
    expect(observer.of("peer-refused").map(({ detail }) => detail)).toEqual([
      expect.stringContaining("made room"),
      expect.stringContaining("2 connections already"),
    ])
  })

  test("the same holds for the listener as a whole, and room is free again when a peer leaves", async () => {
    const { connect, listener, observer } = setup({ limits: { total: 2, perHost: 100 } })
    const peers = [await connect(), await connect()]
    for (const peer of peers) peer.send(encodePreface())
    await until(() => peers.every((peer) => peer.received.length === 8))
    const third = await connect()
    await until(() => third.closed)
    expect(observer.of("peer-refused")[0]?.detail).toContain("2 connections already")
    peers[0]!.end()
    await until(() => listener.peerCount === 1)
    const fourth = await connect()
    fourth.send(encodePreface())
    await until(() => fourth.received.length === 8)
  })

  test("32 silent connections from one address do not keep a 33rd out", async () => {
    const { connect, listener } = setup()
    const silent: RawPeer[] = []
    for (let i = 0; i < 32; i++) silent.push(await connect())
    await until(() => listener.peerCount === 32)
    const late = await connect()
    late.send(encodePreface())
    await until(() => late.received.length === 8)
    expect(silent.filter(({ closed }) => closed)).toHaveLength(1)
    expect(listener.peerCount).toBe(32)
  })

  test("an address that is not in --allow is cut off and counted; others are let in", async () => {
    const closed = setup({ allow: AllowList.parse(["192.0.2.0/24"]) })
    const stranger = await closed.connect()
    stranger.send(framed("let me in"))
    await until(() => stranger.closed)
    expect(closed.arrived).toEqual([])
    expect(closed.listener.peerCount).toBe(0)
    expect(closed.observer.dropped.get("not-allowed")).toBe(1)
    expect(closed.observer.of("peer-refused")[0]?.detail).toContain("--allow")
    const open = setup({ allow: AllowList.parse(["127.0.0.0/8"]) })
    ;(await open.connect()).send(framed("hello"))
    await until(() => open.arrived.length === 1)
  })

  test("garbage of any kind, cut anywhere, harms nobody else", async () => {
    const { connect, arrived, listener, clock } = setup()
    const good = await connect()
    good.send(encodePreface(), encodeOpen(1, "scp", "", "good:1"))
    await until(() => arrived.length === 1)
    const random = seededRandom(11)
    const stream = Buffer.concat([
      encodePreface(),
      encodeOpen(1, "scp", "", "x:1"),
      encodeData(1, utf8("x")),
      encodeClose(1, "closed"),
    ])
    for (let round = 0; round < 60; round++) {
      const bytes = round % 2 ? mutate(random, stream) : randomBytes(random, integer(random, 1, 300))
      const peer = await connect()
      for (const piece of cuts(random, bytes, 60)) peer.send(piece)
      await eventLoopTurn()
      if (random() < 0.5) peer.socket.terminate()
    }
    await settle()
    clock.advance(FRAME_DEADLINE_MS + 1_000)
    good.send(encodeData(1, utf8("still here")))
    await until(() => arrived[0]!.datagrams.length === 1)
    expect(good.closed).toBe(false)
    expect(listener.peerCount).toBeGreaterThan(0)
  })
})

describe("TcpListener", () => {
  test("close() ends every connection and flow, and frees the port", async () => {
    const { connect, listener, arrived, clock } = setup()
    const [mux, plain, silent] = [await connect(), await connect(), await connect()]
    mux.send(encodePreface(), encodeOpen(1, "scp", "", "a:1"))
    plain.send(framed("x"))
    await until(() => arrived.length === 2 && listener.peerCount === 3)
    listener.close()
    await until(() => mux.closed && plain.closed && silent.closed)
    expect(arrived.map(({ reasons }) => reasons.map(({ code }) => code))).toEqual([["shutdown"], ["shutdown"]])
    expect(clock.pending).toBe(0)
    const again = setup({ address: listener.address })
    expect(again.listener.address).toEqual(listener.address)
  })

  test("throws EADDRINUSE for a port that is taken", () => {
    const { listener } = setup()
    expect(() => setup({ address: listener.address })).toThrow(expect.objectContaining({ code: "EADDRINUSE" }))
  })
})
