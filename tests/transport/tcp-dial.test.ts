import { afterEach, describe, expect, test } from "bun:test"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { encodeFrame, FrameDecoder } from "../../src/protocol/frame.ts"
import {
  encodeClose,
  encodeData,
  encodePreface,
  MUX_PREFACE,
  MuxDecoder,
  type MuxFrame,
} from "../../src/protocol/mux.ts"
import { encodeScpReply, encodeScpRequest } from "../../src/protocol/scp.ts"
import { BootKeeper, KEEP_BOOT_MS } from "../../src/relay/boot-keeper.ts"
import { LastSenderMatcher, ScpReplyMatcher } from "../../src/relay/reply-matcher.ts"
import { OFFLINE_LIMIT } from "../../src/transport/carried-link.ts"
import type { Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { GREETING_TIMEOUT_MS, STABLE_MS, TcpCarrier } from "../../src/transport/tcp-dial.ts"
import { TcpListener } from "../../src/transport/tcp-listener.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { randomBytes, randomHeader, utf8 } from "../support/fuzz.ts"
import { closes, collect, describeLinkContract, eventLoopTurn, until as untilTurn } from "../support/link-contract.ts"
import { type RawPeer, RawServer } from "../support/raw-tcp.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

const until = (done: () => boolean) => untilTurn({}, done)

/** Enough turns for whatever is under way on loopback. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await eventLoopTurn()
}

/** A carrier to `port` on a clock that stands still. */
function carrierTo(port: number, channel: "scp" | "boot" = "scp") {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const common = { clock, observer, random: seededRandom(5) }
  const resolver = new Resolver({ name: "127.0.0.1", ...common })
  const carrier = new TcpCarrier({
    ...common,
    resolver,
    port,
    channel,
    matcher: channel === "scp" ? new ScpReplyMatcher() : new LastSenderMatcher(),
    ...(channel === "boot" ? { newReplay: () => new BootKeeper() } : {}),
  })
  cleanups.push(() => carrier.close())
  return { clock, observer, carrier }
}

/** A server that answers no greeting by itself. */
function setup(channel: "scp" | "boot" = "scp") {
  const server = new RawServer()
  return { server, ...carrierTo(server.port, channel) }
}

/** A server of ours, as far as the greeting goes. */
async function connectedMux(channel: "scp" | "boot" = "scp") {
  const made = setup(channel)
  made.server.onPeer = (peer) => peer.send(encodePreface())
  await until(() => made.observer.of("connected").length === 1)
  expect(made.observer.of("connected")[0]?.protocol).toBe("mux")
  return made
}

/** A Python server: silent at the greeting, then framed. */
async function connectedPlain(channel: "scp" | "boot" = "scp") {
  const made = setup(channel)
  await until(() => made.server.peers[0]?.received.length === MUX_PREFACE)
  made.clock.advance(GREETING_TIMEOUT_MS)
  await until(() => made.observer.of("connected").length === 1)
  return made
}

function framesIn(peer: RawPeer): MuxFrame[] {
  const frames: MuxFrame[] = []
  new MuxDecoder().push(peer.received.subarray(MUX_PREFACE), (frame) => frames.push(frame))
  return frames
}

function datagramsIn(peer: RawPeer): Buffer[] {
  const datagrams: Buffer[] = []
  new FrameDecoder().push(peer.received, (datagram) => datagrams.push(Buffer.from(datagram)))
  return datagrams
}

const dataOf = (frames: readonly MuxFrame[]) => frames.filter((frame) => frame.type === "data")

/** Advances to just past the retry that the last "trouble" event announced. */
function retry(clock: FakeClock, observer: RecordingObserver): void {
  const last = observer.events.findLast(({ type }) => type === "connection-lost" || type === "connect-failed")
  if (last?.type !== "connection-lost" && last?.type !== "connect-failed") throw new Error("nothing was lost")
  clock.advance(last.retryMs)
}

describeLinkContract("a flow of a mux connection", { tellsPeer: true }, async () => {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  let far: Link | undefined
  const listener = new TcpListener({
    address: { host: "127.0.0.1", port: 0 },
    channel: "scp",
    allow: undefined,
    clock,
    observer,
    onLink: (link) => {
      far = link
    },
  })
  const common = { clock, observer, random: seededRandom(1) }
  const carrier = new TcpCarrier({
    ...common,
    resolver: new Resolver({ name: "127.0.0.1", ...common }),
    port: listener.address.port,
    channel: "scp",
    matcher: new ScpReplyMatcher(),
  })
  const near = carrier.dial("127.0.0.1:4000")
  await until(() => far !== undefined)
  return {
    near,
    far: far!,
    observer,
    dispose() {
      carrier.close()
      listener.close()
    },
  }
})

describe("TcpCarrier's greeting", () => {
  test("is SPIN and a version; a server that answers in kind gets flows as channels", async () => {
    const { server, carrier, observer } = await connectedMux()
    carrier.dial("127.0.0.1:1").send(utf8("one"))
    carrier.dial("127.0.0.1:2").send(utf8("two"))
    await until(() => framesIn(server.last).length === 4)
    expect(server.last.received.subarray(0, 8)).toEqual(Buffer.from(encodePreface()))
    expect(framesIn(server.last)).toEqual([
      { type: "open", flow: 1, channel: "scp", board: "", application: "127.0.0.1:1" },
      { type: "data", flow: 1, datagram: utf8("one") },
      { type: "open", flow: 2, channel: "scp", board: "", application: "127.0.0.1:2" },
      { type: "data", flow: 2, datagram: utf8("two") },
    ])
    expect(server.peers).toHaveLength(1)
    expect(observer.of("python-shared")).toEqual([])
  })

  test("is answered at any cut, frames right behind it", async () => {
    for (let at = 1; at < MUX_PREFACE; at++) {
      const { server, observer, carrier } = setup()
      const got = collect(carrier.dial("127.0.0.1:1"))
      await until(() => server.peers[0]?.received.length === MUX_PREFACE)
      server.last.send(encodePreface().subarray(0, at))
      await settle()
      expect(observer.of("connected")).toEqual([])
      server.last.send(Buffer.concat([encodePreface().subarray(at), encodeData(1, utf8("early"))]))
      await until(() => observer.of("connected").length === 1)
      await settle()
      // Flow 1 is opened as soon as the server is known, so a datagram for it is nobody's fault.
      expect(got).toHaveLength(1)
    }
  })

  test("left unanswered for 1 s means Python: plain framing on a new connection, and no datagram from the old one", async () => {
    const { server, clock, observer, carrier } = setup()
    await until(() => server.peers[0]?.received.length === MUX_PREFACE)
    clock.advance(GREETING_TIMEOUT_MS - 1)
    await settle()
    expect(server.peers).toHaveLength(1)
    clock.advance(1)
    await until(() => observer.of("connected").length === 1)
    carrier.dial("127.0.0.1:1").send(utf8("hello"))
    await until(() => datagramsIn(server.last).length === 1)
    expect(server.peers).toHaveLength(2)
    // The first length that Python reads is never complete: the board gets nothing.
    expect(server.peers[0]!.received.length).toBe(MUX_PREFACE)
    expect(datagramsIn(server.peers[0]!)).toEqual([])
    expect(datagramsIn(server.last)[0]!.toString()).toBe("hello")
    expect(observer.of("connected")[0]?.protocol).toBe("framed")
    expect(observer.of("python-shared")).toHaveLength(1)
    expect(server.most).toBe(1)
  })

  test("answered by a close means Python too, at once", async () => {
    const { server, observer } = setup()
    await until(() => server.peers[0]?.received.length === MUX_PREFACE)
    server.peers[0]!.end()
    await until(() => observer.of("connected").length === 1)
    expect(observer.of("connected")[0]?.protocol).toBe("framed")
    expect(server.peers).toHaveLength(2)
    expect(server.most).toBe(1)
  })

  for (const [what, bytes] of [
    ["a frame of Python's", encodeFrame(utf8("from the board"))],
    ["garbage", utf8("HTTP/1.1 400 Bad Request")],
    ["SPI and then something else", utf8("SPIT")],
  ] as const) {
    test(`answered by ${what} means Python too, at once`, async () => {
      const { server, observer } = setup()
      await until(() => server.peers[0]?.received.length === MUX_PREFACE)
      server.peers[0]!.send(bytes)
      await until(() => observer.of("connected").length === 1)
      expect(observer.of("connected")[0]?.protocol).toBe("framed")
      expect(server.most).toBe(1)
      await settle()
      expect(server.last.received.length).toBe(0)
    })
  }

  test("is tried again after a plain connection is lost: by then one of ours may serve there", async () => {
    const { server, observer, clock, carrier } = await connectedPlain()
    server.onPeer = (peer) => peer.send(encodePreface())
    server.last.end()
    await until(() => observer.of("connection-lost").length === 1)
    retry(clock, observer)
    await until(() => observer.of("connected").length === 2)
    expect(observer.of("connected")[1]?.protocol).toBe("mux")
    carrier.dial("127.0.0.1:9").send(utf8("x"))
    await until(() => framesIn(server.last).length === 2)
    expect(server.most).toBe(1)
  })
})

describe("TcpCarrier's links", () => {
  test("outlive the connection: opened again on the next one, and answers find them", async () => {
    const { server, observer, clock, carrier } = await connectedMux()
    const link = carrier.dial("127.0.0.1:1")
    const [got, reasons] = [collect(link), closes(link)]
    await until(() => framesIn(server.last).length === 1)
    server.last.end()
    await until(() => observer.of("connection-lost").length === 1)
    retry(clock, observer)
    await until(() => observer.of("connected").length === 2)
    link.send(utf8("again"))
    await until(() => framesIn(server.last).length === 2)
    expect(framesIn(server.last)).toEqual([
      { type: "open", flow: 1, channel: "scp", board: "", application: "127.0.0.1:1" },
      { type: "data", flow: 1, datagram: utf8("again") },
    ])
    server.last.send(encodeData(1, utf8("answer")))
    await until(() => got.length === 1)
    expect(reasons).toEqual([])
  })

  test("end when the server ends their flow, with its reason, and leave the others alone", async () => {
    const { server, carrier } = await connectedMux()
    const [first, second] = [carrier.dial("a:1"), carrier.dial("b:1")]
    const [firstReasons, secondReasons] = [closes(first), closes(second)]
    await until(() => framesIn(server.last).length === 2)
    server.last.send(encodeClose(1, "evicted", "more than 256 flows"))
    await until(() => firstReasons.length === 1)
    expect(firstReasons).toEqual([{ code: "evicted", detail: "more than 256 flows" }])
    expect(secondReasons).toEqual([])
  })

  test("that end tell the server, and their flow's late answers are dropped and counted", async () => {
    const { server, carrier, observer } = await connectedMux()
    const link = carrier.dial("a:1")
    link.close({ code: "idle" })
    await until(() => framesIn(server.last).length === 2)
    expect(framesIn(server.last)[1]).toEqual({ type: "close", flow: 1, code: "idle", detail: "" })
    server.last.send(encodeData(1, utf8("late")))
    await until(() => observer.dropped.get("closed") === 1)
  })

  test("keep a bounded number of datagrams while there is no connection, newest and fresh ones", async () => {
    const { server, clock, observer, carrier } = setup()
    const link = carrier.dial("a:1")
    link.send(utf8("stale"))
    clock.advance(OFFLINE_LIMIT.ageMs / 2)
    for (let i = 0; i < OFFLINE_LIMIT.datagrams + 9; i++) link.send(Uint8Array.of(i))
    expect(observer.dropped.get("queue-full")).toBe(10)
    await until(() => server.peers[0]?.received.length === MUX_PREFACE)
    server.last.send(encodePreface())
    await until(() => dataOf(framesIn(server.last)).length === OFFLINE_LIMIT.datagrams)
    const [first] = dataOf(framesIn(server.last))
    expect(first?.type === "data" && first.datagram[0]).toBe(9)
  })

  test("keep at most 64 KiB, and nothing longer than 1 s, counted", async () => {
    const { server, clock, observer, carrier } = setup()
    const link = carrier.dial("a:1")
    for (let i = 0; i < 3; i++) link.send(new Uint8Array(30_000).fill(i))
    expect(observer.dropped.get("queue-full")).toBe(1)
    await until(() => server.peers[0]?.received.length === MUX_PREFACE)
    clock.advance(GREETING_TIMEOUT_MS)
    await until(() => observer.of("connected").length === 1)
    link.send(utf8("fresh"))
    // At exactly 1 s they are still wanted: the greeting alone takes a Python server that long.
    await until(() => datagramsIn(server.last).length === 3)
    const late = carrier.dial("b:1")
    server.last.end()
    await until(() => observer.of("connection-lost").length === 1)
    for (let i = 0; i < 5; i++) late.send(utf8("too old"))
    clock.advance(OFFLINE_LIMIT.ageMs + 1)
    await until(() => server.last.received.length === MUX_PREFACE)
    server.last.send(encodePreface())
    await until(() => observer.dropped.get("queue-old") === 5)
  })

  test("that end with datagrams still waiting count them", () => {
    const { observer, carrier } = setup()
    const link = carrier.dial("a:1")
    for (let i = 0; i < 3; i++) link.send(utf8("x"))
    link.close()
    expect(observer.dropped.get("closed")).toBe(3)
  })

  test("whose handler throws leave the connection and the others alone; the fault is reported", async () => {
    const { server, carrier, observer } = await connectedMux()
    carrier.dial("a:1").onDatagram = () => {
      throw new Error("a bug")
    }
    const got = collect(carrier.dial("b:1"))
    await until(() => framesIn(server.last).length === 2)
    server.last.send(Buffer.concat([encodeData(1, utf8("x")), encodeData(2, utf8("y"))]))
    await until(() => got.length === 1)
    expect(observer.of("internal-error")[0]?.detail).toContain("a bug")
    expect(observer.of("connection-lost")).toEqual([])
  })
})

describe("TcpCarrier's reconnects", () => {
  test("wait for a server that is not there yet, further and further apart, up to 15 s", async () => {
    const server = new RawServer()
    const { port } = server
    server.stop()
    const { clock, observer, carrier } = carrierTo(port)
    const link = carrier.dial("a:1")
    for (let attempt = 1; attempt <= 12; attempt++) {
      await until(() => observer.of("connect-failed").length === attempt)
      if (attempt < 12) retry(clock, observer)
    }
    const waits = observer.of("connect-failed").map(({ retryMs }) => retryMs)
    expect(waits.every((ms, i) => ms <= Math.min(15_000, 250 * 2 ** i))).toBe(true)
    expect(Math.max(...waits)).toBeGreaterThan(5_000)
    expect(observer.of("connect-failed")[0]?.detail).toContain(`127.0.0.1:${port} refuses`)
    const late = new RawServer(port)
    late.onPeer = (peer) => peer.send(encodePreface())
    retry(clock, observer)
    await until(() => observer.of("connected").length === 1)
    link.send(utf8("at last"))
    await until(() => framesIn(late.last).length === 2)
  })

  test("go on backing off while connections die young, and begin again after one that lived 5 s", async () => {
    const { server, clock, observer } = await connectedMux()
    for (let round = 1; round <= 10; round++) {
      server.last.end()
      await until(() => observer.of("connection-lost").length === round)
      retry(clock, observer)
      await until(() => observer.of("connected").length === round + 1)
    }
    const young = observer.of("connection-lost").map(({ retryMs }) => retryMs)
    expect(Math.max(...young)).toBeGreaterThan(2_000)
    clock.advance(STABLE_MS)
    server.last.end()
    await until(() => observer.of("connection-lost").length === 11)
    expect(observer.of("connection-lost")[10]!.retryMs).toBeLessThanOrEqual(250)
    expect(server.most).toBe(1)
  })

  test("follow a connection that answers nothing any more: 2 s and 2 s after a request", async () => {
    const { server, clock, observer, carrier } = await connectedMux()
    carrier.dial("a:1").send(utf8("anybody there?"))
    await until(() => framesIn(server.last).length === 2)
    clock.advance(4_500)
    expect(observer.of("connection-lost")[0]?.detail).toContain("nothing heard")
    retry(clock, observer)
    await until(() => observer.of("connected").length === 2)
  })

  test("follow a server that breaks the protocol", async () => {
    const { server, observer, clock } = await connectedMux()
    server.last.send(Uint8Array.of(2, 0, 0xff, 0xff, 0, 0, 0, 1))
    await until(() => observer.of("connection-lost").length === 1)
    expect(observer.of("connection-lost")[0]?.detail).toContain("protocol")
    await until(() => server.open === 0)
    retry(clock, observer)
    await until(() => observer.of("connected").length === 2)
    expect(server.most).toBe(1)
  })

  test("never hold two connections to a server at once, whatever it does with them", async () => {
    const { server, clock, observer } = setup()
    const random = seededRandom(21)
    for (let round = 0; round < 25; round++) {
      await settle()
      const peer = server.peers.at(-1)
      const what = random()
      if (peer && !peer.closed) {
        if (what < 0.3) peer.end()
        else if (what < 0.5) peer.socket.terminate()
        else if (what < 0.7) peer.send(encodePreface())
        else if (what < 0.8) peer.send(utf8("nonsense"))
      }
      await settle()
      clock.advance(random() < 0.5 ? GREETING_TIMEOUT_MS : 20_000)
    }
    expect(server.peers.length).toBeGreaterThan(10)
    expect(server.most).toBe(1)
    expect(observer.of("connected").length).toBeGreaterThan(3)
  })

  test("end with close(), which ends every link and leaves no timer", async () => {
    const { server, clock, carrier } = await connectedMux()
    const reasons = closes(carrier.dial("a:1"))
    carrier.close()
    expect(reasons).toEqual([{ code: "shutdown" }])
    await until(() => server.last.closed)
    expect(clock.pending).toBe(0)
    expect(closes(carrier.dial("b:1"))).toEqual([{ code: "shutdown" }])
    clock.advance(60_000)
    await settle()
    expect(server.peers).toHaveLength(1)
  })

  for (const when of ["waiting", "greeting"] as const) {
    test(`close() while ${when} ends it all`, async () => {
      const { server, clock, carrier, observer } = setup()
      await until(() => server.peers[0]?.received.length === MUX_PREFACE)
      if (when === "waiting") {
        server.onPeer = (peer) => peer.socket.terminate()
        server.last.socket.terminate()
        await until(() => observer.of("connection-lost").length + observer.of("connect-failed").length > 0)
      }
      carrier.close()
      const accepted = server.peers.length
      expect(clock.pending).toBe(0)
      clock.advance(60_000)
      await settle()
      expect(server.peers).toHaveLength(accepted)
    })
  }
})

describe("a boot over TcpCarrier", () => {
  const boot = encodeBootImage(randomBytes(seededRandom(3), 6 * 1024))

  test("is sent again from START over the next connection, wherever it was cut", async () => {
    for (const cut of [1, 4, boot.length]) {
      const { server, observer, clock, carrier } = await connectedMux("boot")
      const link = carrier.dial("a:1")
      for (const datagram of boot.slice(0, cut)) link.send(datagram)
      await until(() => dataOf(framesIn(server.last)).length === cut)
      server.last.end()
      await until(() => observer.of("connection-lost").length === 1)
      for (const datagram of boot.slice(cut)) link.send(datagram)
      retry(clock, observer)
      await until(() => observer.of("connected").length === 2)
      await until(() => dataOf(framesIn(server.last)).length === boot.length)
      const again = dataOf(framesIn(server.last)).map((frame) =>
        frame.type === "data" ? Buffer.from(frame.datagram) : frame,
      )
      expect(again).toEqual(boot.map((datagram) => Buffer.from(datagram)))
      expect(observer.of("boot-resent")).toEqual([expect.objectContaining({ datagrams: boot.length })])
      expect([...observer.dropped]).toEqual([])
    }
  })

  test("that ended more than 5 s ago is not sent again", async () => {
    const { server, observer, clock, carrier } = await connectedMux("boot")
    const link = carrier.dial("a:1")
    for (const datagram of boot) link.send(datagram)
    await until(() => dataOf(framesIn(server.last)).length === boot.length)
    server.last.send(encodeData(1, utf8("alive")))
    await settle()
    clock.advance(KEEP_BOOT_MS + 1)
    server.last.end()
    await until(() => observer.of("connection-lost").length === 1)
    retry(clock, observer)
    await until(() => observer.of("connected").length === 2 && framesIn(server.last).length === 1)
    await settle()
    expect(dataOf(framesIn(server.last))).toEqual([])
    expect(observer.of("boot-resent")).toEqual([])
  })

  test("that waited for a server longer than it is kept is counted as lost", async () => {
    const gone = new RawServer()
    gone.stop()
    const { observer, clock, carrier } = carrierTo(gone.port, "boot")
    const link = carrier.dial("a:1")
    for (const datagram of boot) link.send(datagram)
    for (let attempt = 1; clock.now() <= KEEP_BOOT_MS; attempt++) {
      await until(() => observer.of("connect-failed").length === attempt)
      retry(clock, observer)
    }
    await settle()
    const server = new RawServer(gone.port)
    server.onPeer = (peer) => peer.send(encodePreface())
    retry(clock, observer)
    await until(() => observer.of("connected").length === 1)
    expect(observer.dropped.get("queue-old")).toBe(boot.length)
  })
})

describe("several applications over one plain connection", () => {
  const sdp = { ...randomHeader(seededRandom(1)), destX: 0, destY: 0, destPort: 0, destCpu: 0, srcPort: 7, srcCpu: 31 }
  const request = (sequence: number, destX: number) =>
    encodeScpRequest({
      sdp: { ...sdp, destX },
      command: 2,
      sequence,
      arg1: destX,
      arg2: 4,
      arg3: 2,
      data: new Uint8Array(0),
    })

  /** What a board makes of a request: its source and destination swapped, the chip in the body. */
  function answer(datagram: Uint8Array): Uint8Array {
    const x = datagram[7]!
    return encodeScpReply({
      sdp: { ...sdp, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 0, srcX: x, srcY: 0 },
      result: 0x80,
      sequence: datagram[12]! | (datagram[13]! << 8),
      body: Uint8Array.of(x),
    })
  }

  test("get their own replies although they count from the same number", async () => {
    const { server, carrier } = await connectedPlain()
    const links = [carrier.dial("a:1"), carrier.dial("b:1"), carrier.dial("c:1")]
    const got = links.map((link) => collect(link))
    for (let sequence = 0; sequence < 5; sequence++) {
      for (const [x, link] of links.entries()) link.send(request(sequence, x))
    }
    await until(() => datagramsIn(server.last).length === 15)
    for (const datagram of datagramsIn(server.last).reverse()) server.last.send(encodeFrame(answer(datagram)))
    await until(() => got.every(({ length }) => length === 5))
    for (const [x, replies] of got.entries()) expect(replies.every((reply) => reply[14] === x)).toBe(true)
  })

  test("do not get a reply that nobody waits for; it is counted", async () => {
    const { server, carrier, observer } = await connectedPlain()
    const got = [carrier.dial("a:1"), carrier.dial("b:1")].map((link) => collect(link))
    server.last.send(encodeFrame(answer(request(3, 0))))
    await until(() => observer.dropped.get("unmatched") === 1)
    expect(got).toEqual([[], []])
  })

  test("are warned about once, not at every reconnect", async () => {
    const { server, observer, clock } = await connectedPlain()
    server.last.end()
    await until(() => observer.of("connection-lost").length === 1)
    retry(clock, observer)
    await until(() => server.last.received.length === MUX_PREFACE)
    clock.advance(GREETING_TIMEOUT_MS)
    await until(() => observer.of("connected").length === 2)
    expect(observer.of("python-shared")).toHaveLength(1)
  })
})
