import { describe, expect, test } from "bun:test"
import {
  encodeClose,
  encodeData,
  encodeOpen,
  encodePing,
  encodeTagged,
  MuxDecoder,
  type MuxFrame,
  type TaggedDatagram,
} from "../../src/protocol/mux.ts"
import { BURST_GAP_MS } from "../../src/transport/burst-pace.ts"
import type { CloseReason } from "../../src/transport/link.ts"
import {
  MAX_FLOWS_PER_CONNECTION,
  MuxConnection,
  type MuxFlow,
  type MuxFlowOwner,
  type Notice,
} from "../../src/transport/mux-connection.ts"
import type { TaggedQueueLimits } from "../../src/transport/tagged-queue.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { carry, FakePort } from "../support/fake-port.ts"
import { eventLoopTurn } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** What a flow's owner has heard, in order. */
class Owner implements MuxFlowOwner {
  readonly heard: (string | CloseReason)[] = []
  onDatagram(datagram: Uint8Array): void {
    this.heard.push(Buffer.from(datagram).toString())
  }
  onClose(reason: CloseReason): void {
    this.heard.push(reason)
  }
}

interface Arrived extends Owner {
  flow: MuxFlow
  about: { channel: string; board: string; application: string }
}

/** One end; the server's end keeps the flows that arrive, unless it refuses them. */
function end(clock: FakeClock, role: "client" | "server") {
  const observer = new RecordingObserver()
  const port = new FakePort()
  const dead: string[] = []
  const arrived: Arrived[] = []
  const ruling = { refuse: false }
  const notices: Notice[] = []
  const connection = new MuxConnection({
    port,
    peer: "peer",
    clock,
    drops: observer,
    onDead: (detail) => dead.push(detail),
    onNotice: (notice) => notices.push(notice),
    ...(role === "server"
      ? {
          onOpen: (flow: MuxFlow, about: Arrived["about"]) => {
            if (ruling.refuse) return undefined
            const owner = Object.assign(new Owner(), { flow, about })
            arrived.push(owner)
            return owner
          },
        }
      : {}),
  })
  return { observer, port, dead, arrived, ruling, notices, connection, reader: connection }
}

function pair() {
  const clock = new FakeClock()
  const client = end(clock, "client")
  const server = end(clock, "server")
  return { clock, client, server, carry: () => carry(client, server) }
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text))

function framesIn(stream: Uint8Array): MuxFrame[] {
  const frames: MuxFrame[] = []
  new MuxDecoder().push(stream, (frame) => frames.push(frame))
  return frames
}

describe("MuxConnection", () => {
  test("opens flows, carries their datagrams both ways apart from each other, and closes one alone", async () => {
    const { client, server, carry } = pair()
    const [a, b] = [new Owner(), new Owner()]
    const first = client.connection.open("scp", "", "127.0.0.1:1", a)
    const second = client.connection.open("boot", "", "127.0.0.1:2", b)
    first.send(bytes("from a"))
    second.send(bytes("from b"))
    await carry()
    expect(server.arrived.map(({ about }) => [about.channel, about.application])).toEqual([
      ["scp", "127.0.0.1:1"],
      ["boot", "127.0.0.1:2"],
    ])
    server.arrived[0]!.flow.send(bytes("to a"))
    server.arrived[1]!.flow.send(bytes("to b"))
    first.send(bytes("more"))
    await carry()
    expect([a.heard, b.heard]).toEqual([["to a"], ["to b"]])
    expect(server.arrived.map(({ heard }) => heard)).toEqual([["from a", "more"], ["from b"]])
    first.close({ code: "idle" })
    second.send(bytes("still here"))
    await carry()
    expect(server.arrived[0]!.heard.at(-1)).toEqual({ code: "idle", detail: "" })
    expect(server.arrived[1]!.heard.at(-1)).toBe("still here")
    expect([client.connection.flowCount, server.connection.flowCount]).toEqual([1, 1])
    expect([client.dead, server.dead]).toEqual([[], []])
  })

  test("tells the client why the server ended a flow, with words; a plain close is the peer's", async () => {
    const { client, server, carry } = pair()
    const owners = [new Owner(), new Owner(), new Owner()]
    for (const owner of owners) client.connection.open("scp", "", "a:1", owner)
    await carry()
    server.arrived[0]!.flow.close({ code: "refused", detail: "not your turn" })
    server.arrived[1]!.flow.close({ code: "closed" })
    await carry()
    client.connection.received(encodeClose(3, "a-later-versions-reason", "who knows"))
    expect(owners.map(({ heard }) => heard)).toEqual([
      [{ code: "refused", detail: "not your turn" }],
      [{ code: "peer-closed", detail: "" }],
      [{ code: "peer-closed", detail: "who knows" }],
    ])
  })

  test("refuses a flow that its owner does not want, and tells the peer", async () => {
    const { client, server, carry } = pair()
    server.ruling.refuse = true
    const owner = new Owner()
    client.connection.open("scp", "", "a:1", owner)
    await carry()
    expect(owner.heard).toEqual([{ code: "refused", detail: "" }])
    expect([client.connection.flowCount, server.connection.flowCount]).toEqual([0, 0])
  })

  test("an owner may send and close from within onOpen", async () => {
    const clock = new FakeClock()
    const port = new FakePort()
    const connection = new MuxConnection({
      port,
      peer: "peer",
      clock,
      drops: new RecordingObserver(),
      onDead: () => {},
      onOpen: (flow) => {
        flow.send(bytes("welcome"))
        flow.close({ code: "refused" })
        return new Owner()
      },
    })
    connection.received(encodeOpen(7, "scp", "", "a:1"))
    await eventLoopTurn()
    expect(framesIn(port.taken())).toEqual([
      { type: "data", flow: 7, datagram: bytes("welcome") },
      { type: "close", flow: 7, code: "refused", detail: "" },
    ])
    expect(connection.flowCount).toBe(0)
  })

  test("ends the connection at a second open of the same flow", () => {
    const { server } = pair()
    server.connection.received(encodeOpen(7, "scp", "", "a:1"))
    expect(server.dead).toEqual([])
    server.connection.received(encodeOpen(7, "scp", "", "a:2"))
    expect(server.dead).toEqual([expect.stringContaining("flow 7 twice")])
  })

  test("hears nothing further of a connection that has been given up in the middle of a chunk", () => {
    const { server, clock } = pair()
    const dead: string[] = []
    const arrived: number[] = []
    const connection = new MuxConnection({
      ...{ port: new FakePort(), peer: "peer", clock, drops: server.observer },
      onOpen: () => {
        arrived.push(arrived.length)
        return new Owner()
      },
      // As a session does that may go on over another connection.
      onDead: (detail) => {
        dead.push(detail)
        connection.detach()
      },
    })
    const open = (flow: number) => encodeOpen(flow, "scp", "", "a:1")
    connection.received(Buffer.concat([open(1), open(0), open(2), Buffer.from("garbage that is no frame")]))
    expect([arrived.length, dead.length]).toEqual([1, 1])
  })

  test("takes a flow id again after a close from either side", () => {
    const { server } = pair()
    server.connection.received(Buffer.concat([encodeOpen(7, "scp", "", "a:1"), encodeClose(7, "closed")]))
    server.connection.received(encodeOpen(7, "scp", "", "a:2"))
    server.arrived[1]!.flow.close({ code: "idle" })
    server.connection.received(encodeOpen(7, "scp", "", "a:3"))
    expect(server.dead).toEqual([])
    expect(server.arrived).toHaveLength(3)
  })

  test("refuses flows above 1024 and leaves the others alone", async () => {
    const { client, server, carry } = pair()
    const owners = Array.from({ length: MAX_FLOWS_PER_CONNECTION + 1 }, () => new Owner())
    for (const owner of owners) client.connection.open("scp", "", "a:1", owner)
    await carry()
    expect(server.connection.flowCount).toBe(MAX_FLOWS_PER_CONNECTION)
    expect(owners.at(-1)!.heard).toEqual([expect.objectContaining({ code: "refused" })])
    expect(owners[0]!.heard).toEqual([])
    expect(server.dead).toEqual([])
  })

  test("a client ends a connection over which a server opens a flow", () => {
    const { client } = pair()
    client.connection.received(encodeOpen(7, "scp", "", "a:1"))
    expect(client.dead).toHaveLength(1)
  })

  test("datagrams of a flow that is over are dropped and counted, either way", async () => {
    const { client, server, carry } = pair()
    const flow = client.connection.open("scp", "", "a:1", new Owner())
    await carry()
    server.arrived[0]!.flow.close({ code: "idle" })
    flow.send(bytes("crosses the close"))
    await carry()
    expect(server.observer.dropped.get("closed")).toBe(1)
    flow.send(bytes("too late"))
    expect(client.observer.dropped.get("closed")).toBe(1)
    flow.send(new Uint8Array(65_508))
    expect(client.dead).toEqual([])
  })

  test("answers a ping with its own payload", async () => {
    const { server } = pair()
    server.connection.received(encodePing("ping", bytes("abc")))
    expect(framesIn(server.port.taken())).toEqual([{ type: "pong", payload: bytes("abc") }])
  })

  test("carries news of no flow either way, each with its board's name", async () => {
    const { client, server, carry } = pair()
    server.connection.notify({ kind: 0, board: "192.0.2.1", payload: bytes("beacon") })
    client.connection.notify({ kind: 1, board: "", payload: bytes("") })
    await carry()
    expect(client.notices).toMatchObject([{ kind: 0, board: "192.0.2.1", payload: bytes("beacon") }])
    expect(server.notices).toMatchObject([{ kind: 1, board: "", payload: bytes("") }])
  })

  test("skips frames of unknown type", () => {
    const { server } = pair()
    const unknown = encodePing("ping", bytes("later"))
    unknown[0] = 99
    server.connection.received(
      Buffer.concat([unknown, encodeOpen(1, "scp", "", "a:1"), unknown, encodeData(1, bytes("x"))]),
    )
    expect(server.arrived[0]!.heard).toEqual(["x"])
    expect(server.dead).toEqual([])
  })

  test("ends at bytes that are not of the protocol, once, with the reason", () => {
    const { server } = pair()
    const bad = encodeOpen(1, "scp", "", "a:1")
    bad[8] = 9
    server.connection.received(Buffer.concat([encodeOpen(2, "scp", "", "a:1"), bad, encodeData(2, bytes("x"))]))
    expect(server.dead).toEqual([expect.stringContaining("unknown channel 9")])
    expect(server.arrived[0]!.heard).toEqual([])
  })

  test("close() ends every flow with the reason, once, and then hears nothing", async () => {
    const { client, carry, clock } = pair()
    const owners = [new Owner(), new Owner()]
    const flows = owners.map((owner) => client.connection.open("scp", "", "a:1", owner))
    await carry()
    client.connection.close({ code: "failed", detail: "cut" })
    client.connection.close({ code: "shutdown" })
    client.connection.received(encodeData(1, bytes("late")))
    for (const flow of flows) flow.close({ code: "closed" })
    expect(owners.map(({ heard }) => heard)).toEqual([
      [{ code: "failed", detail: "cut" }],
      [{ code: "failed", detail: "cut" }],
    ])
    clock.advance(60_000)
    expect(client.dead).toEqual([])
    expect(clock.pending).toBe(1)
  })

  test("pings a quiet peer after 10 s and gives it up after 30 s", async () => {
    const { server, clock } = pair()
    clock.advance(9_999)
    expect(server.port.taken().length).toBe(0)
    clock.advance(1)
    expect(framesIn(server.port.taken())).toMatchObject([{ type: "ping" }])
    clock.advance(19_999)
    expect(server.dead).toEqual([])
    clock.advance(1)
    expect(server.dead).toEqual([expect.stringContaining("nothing heard")])
  })

  test("two ends that have nothing to say keep each other alive", async () => {
    const { client, server, clock, carry } = pair()
    for (let second = 0; second < 120; second++) {
      clock.advance(1_000)
      if (second % 3 === 0) await carry()
    }
    expect([client.dead, server.dead]).toEqual([[], []])
  })

  test("a client with a request outstanding pings after 2 s and gives up after 4 s; the server does not hurry", async () => {
    const { client, server, clock, carry } = pair()
    const flow = client.connection.open("scp", "", "a:1", new Owner())
    await carry()
    flow.send(bytes("ask"))
    server.arrived[0]!.flow.send(bytes("tell"))
    await eventLoopTurn()
    client.port.taken()
    clock.advance(1_500)
    expect(client.port.taken().length).toBe(0)
    clock.advance(500)
    expect(framesIn(client.port.taken())).toMatchObject([{ type: "ping" }])
    clock.advance(1_500)
    expect(client.dead).toEqual([])
    clock.advance(500)
    expect(client.dead).toHaveLength(1)
    expect(server.dead).toEqual([])
  })

  test("a board that does not answer is no dead connection: the pong is enough", async () => {
    const { client, clock, carry } = pair()
    const flow = client.connection.open("scp", "", "a:1", new Owner())
    for (let second = 0; second < 30; second++) {
      flow.send(bytes("anybody there?"))
      clock.advance(500)
      await carry()
      clock.advance(500)
    }
    expect(client.dead).toEqual([])
  })

  test("is over when the peer has stopped reading for so long that open frames alone fill the queue", () => {
    const { client } = pair()
    client.port.takes = 0
    const owner = new Owner()
    for (let i = 0; i < 5000 && client.dead.length === 0; i++) client.connection.open("scp", "", "a:1", owner)
    expect(client.dead[0]).toContain("stopped reading")
    expect(client.connection.queuedBytes).toBeLessThan(1 << 20)
  })
})

describe("tagged datagrams", () => {
  const tagged = (mark: number, length = 200) =>
    ({ tag: 1, direction: "out", port: 17893, datagram: new Uint8Array(length).fill(mark) }) as const

  function pair(taggedQueue?: TaggedQueueLimits) {
    const clock = new FakeClock()
    const observer = new RecordingObserver()
    const port = new FakePort()
    let flow: MuxFlow | undefined
    const connection = new MuxConnection({
      port,
      peer: "peer",
      clock,
      drops: observer,
      onDead() {},
      onOpen: (opened) => {
        flow = opened
        return new Owner()
      },
      ...(taggedQueue && { taggedQueue }),
    })
    connection.received(encodeOpen(1, "scp", "", "application"))
    const written = (): MuxFrame[] => {
      const frames: MuxFrame[] = []
      new MuxDecoder().push(new Uint8Array(port.taken()), (frame) => frames.push(frame))
      return frames
    }
    return { clock, observer, port, connection, flow: flow!, written }
  }

  test("reach the flow's owner beside its own, both ways", async () => {
    const clock = new FakeClock()
    const server = end(clock, "server")
    const client = end(clock, "client")
    const got: TaggedDatagram[] = []
    const owner = Object.assign(new Owner(), { onTagged: (each: TaggedDatagram) => got.push(each) })
    const flow = client.connection.open("scp", "", "application", owner)
    await carry(client, server)
    const [arrived] = server.arrived
    const back: TaggedDatagram[] = []
    Object.assign(arrived!, { onTagged: (each: TaggedDatagram) => back.push(each) })
    arrived!.flow.sendTagged(tagged(1))
    flow.sendTagged({ ...tagged(2), direction: "in" })
    await carry(client, server)
    expect(got).toEqual([tagged(1)])
    expect(back).toEqual([{ ...tagged(2), direction: "in" }])
    server.connection.close({ code: "closed" })
    client.connection.close({ code: "closed" })
  })

  test("wait while the network does not take them, the newest that fit, and the lost are counted", async () => {
    const { flow, port, connection, observer, written } = pair({ datagrams: 1_000, bytes: 100 * 212, ageMs: 1e6 })
    port.takes = 0
    // 64 KiB go ahead into the outbox; of the rest the queue holds 100.
    const count = 1_000
    for (let mark = 0; mark < count; mark++) flow.sendTagged(tagged(mark & 255))
    const lost = observer.dropped.get("tag-overflow") ?? 0
    expect(lost).toBeGreaterThan(500)
    port.takes = Number.POSITIVE_INFINITY
    connection.drained()
    for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
    const frames = written()
    expect(frames.length + lost).toBe(count)
    const marks = frames.map((frame) => (frame.type === "tagged" ? frame.tagged.datagram[0] : undefined))
    expect(marks.slice(-100)).toEqual(Array.from({ length: 100 }, (_, index) => (900 + index) & 255))
  })

  test("let SCP pass them while they wait", async () => {
    const { flow, port, connection, written } = pair()
    port.takes = 0
    for (let mark = 0; mark < 2_000; mark++) flow.sendTagged(tagged(mark & 255))
    flow.send(Uint8Array.of(1))
    port.takes = Number.POSITIVE_INFINITY
    connection.drained()
    for (let turn = 0; turn < 20; turn++) await eventLoopTurn()
    const frames = written()
    expect(frames).toHaveLength(2_001)
    expect(frames.findIndex(({ type }) => type === "data")).toBeLessThan(400)
  })

  test("of a burst that fits all go out in its turn, without anything more being sent", async () => {
    const { flow, written } = pair()
    for (let mark = 0; mark < 3_000; mark++) flow.sendTagged(tagged(mark & 255))
    for (let turn = 0; turn < 20; turn++) await eventLoopTurn()
    expect(written()).toHaveLength(3_000)
  })

  test("for a flow whose owner takes none are counted", () => {
    const { connection, observer } = pair()
    connection.received(encodeTagged(1, tagged(1)))
    connection.received(encodeTagged(2, tagged(1)))
    expect(observer.dropped.get("tag-stray")).toBe(2)
  })
})

describe("a session over several connections", () => {
  /** Both ends lose the connection; what was under way is lost. */
  function cut({ client, server }: ReturnType<typeof pair>): void {
    client.port.taken()
    server.port.taken()
    client.connection.detach()
    server.connection.detach()
  }

  function join({ client, server }: ReturnType<typeof pair>): void {
    server.connection.attach(server.port)
    client.connection.attach(client.port)
  }

  test("keeps its flows: neither end's owners hear of the cut", async () => {
    const both = pair()
    const { client, server, carry } = both
    const owner = new Owner()
    const flow = client.connection.open("scp", "", "application", owner)
    await carry()
    cut(both)
    join(both)
    flow.send(bytes("question"))
    await carry()
    server.arrived[0]!.flow.send(bytes("answer"))
    await carry()
    expect(server.arrived).toHaveLength(1)
    expect(server.arrived[0]!.heard).toEqual(["question"])
    expect(owner.heard).toEqual(["answer"])
    expect([client.dead, server.dead]).toEqual([[], []])
  })

  test("sends what was said meanwhile, as long as somebody waits for it", async () => {
    const both = pair()
    const { client, server, carry, clock } = both
    const flow = client.connection.open("scp", "", "application", new Owner())
    const boot = client.connection.open("boot", "", "application", new Owner())
    await carry()
    cut(both)
    flow.send(bytes("stale"))
    boot.send(bytes("block"))
    clock.advance(1_000)
    flow.send(bytes("fresh"))
    join(both)
    await carry()
    expect(server.arrived.map(({ heard }) => heard)).toEqual([["fresh"], ["block"]])
    expect(client.observer.dropped.get("queue-old")).toBe(1)
  })

  test("opens at the server what was opened meanwhile, before its datagrams", async () => {
    const both = pair()
    const { client, server, carry } = both
    cut(both)
    client.connection.open("scp", "b", "application", new Owner()).send(bytes("hello"))
    join(both)
    await carry()
    expect(server.arrived.map(({ about, heard }) => [about.board, heard])).toEqual([["b", ["hello"]]])
  })

  test("opens again what was lost on the way when the connection broke", async () => {
    const both = pair()
    const { client, server, carry } = both
    const owner = new Owner()
    const flow = client.connection.open("scp", "", "application", owner)
    cut(both)
    expect(server.arrived).toHaveLength(0)
    join(both)
    flow.send(bytes("question"))
    await carry()
    expect(server.arrived[0]!.heard).toEqual(["question"])
  })

  test("ends at the server what the client closed meanwhile or with its last word", async () => {
    const both = pair()
    const { client, server, carry } = both
    const last = client.connection.open("scp", "", "one", new Owner())
    const meanwhile = client.connection.open("scp", "", "two", new Owner())
    client.connection.open("scp", "", "three", new Owner())
    await carry()
    last.close({ code: "closed" })
    cut(both)
    meanwhile.close({ code: "closed" })
    join(both)
    await carry()
    expect(server.arrived.map(({ heard }) => heard)).toEqual([[{ code: "peer-closed" }], [{ code: "peer-closed" }], []])
    expect([client.connection.flowCount, server.connection.flowCount]).toEqual([1, 1])
  })

  test("opens a new flow at the server for one that the server ended with its last word", async () => {
    const both = pair()
    const { client, server, carry } = both
    const owner = new Owner()
    const flow = client.connection.open("scp", "", "application", owner)
    await carry()
    server.arrived[0]!.flow.close({ code: "idle" })
    cut(both)
    join(both)
    flow.send(bytes("question"))
    await carry()
    expect(server.arrived.map(({ heard }) => heard)).toEqual([[], ["question"]])
    expect(owner.heard).toEqual([])
  })

  test("sends a frame whole that the last connection took a part of", async () => {
    const both = pair()
    const { client, server, carry } = both
    const flow = client.connection.open("boot", "", "application", new Owner())
    await carry()
    client.port.takes = 11
    flow.send(bytes("cut in the middle"))
    cut(both)
    client.port.takes = Number.POSITIVE_INFINITY
    join(both)
    await carry()
    expect(server.arrived[0]!.heard).toEqual(["cut in the middle"])
  })

  test("is not dead for the time that it had no connection", async () => {
    const both = pair()
    cut(both)
    both.clock.advance(59_000)
    expect([both.client.dead, both.server.dead]).toEqual([[], []])
    join(both)
    both.clock.advance(9_000)
    await both.carry()
    expect([both.client.dead, both.server.dead]).toEqual([[], []])
  })
})

describe("a connection's health", () => {
  test("a probe pings at once and gives up in two seconds", () => {
    const clock = new FakeClock()
    const { port, dead, connection } = end(clock, "server")
    connection.probe()
    expect(framesIn(port.taken()).map(({ type }) => type)).toEqual(["ping"])
    clock.advance(1_900)
    expect(dead).toEqual([])
    clock.advance(600)
    expect(dead[0]).toBe("nothing heard from it")
    connection.close({ code: "failed" })
  })

  test("tells the round-trip time and the worst age in the queue", async () => {
    const { client, server, carry, clock } = pair()
    expect(client.connection.measures).toEqual({ rttMs: undefined, queuedBytes: 0, queueAgeMs: 0 })
    client.connection.probe()
    clock.advance(70)
    await carry()
    expect(client.connection.measures.rttMs).toBe(70)
    const flow = client.connection.open("boot", "", "application", new Owner())
    await carry()
    client.port.takes = 0
    for (let i = 0; i < 300; i++) flow.send(new Uint8Array(1_000))
    clock.advance(120)
    client.port.takes = Number.POSITIVE_INFINITY
    client.connection.drained()
    await carry()
    expect(server.arrived[0]!.heard).toHaveLength(300)
    expect(client.connection.measures).toEqual({ rttMs: 70, queuedBytes: 0, queueAgeMs: 120 })
  })

  test("pings, pongs and new flows pass what waits; a flow's end stays behind what it sent", async () => {
    const { clock, client, carry } = pair()
    const flow = client.connection.open("boot", "", "application", new Owner())
    await carry()
    clock.advance(BURST_GAP_MS)
    client.port.takes = 3
    for (let i = 0; i < 5; i++) flow.send(new Uint8Array(1_000))
    client.connection.received(encodePing("ping", bytes("x")))
    client.connection.open("scp", "", "other", new Owner())
    flow.close({ code: "closed" })
    client.port.takes = Number.POSITIVE_INFINITY
    client.connection.drained()
    await eventLoopTurn()
    const types = framesIn(client.port.taken()).map(({ type }) => type)
    // The first frame was begun.
    expect(types[0]).toBe("data")
    expect(types.slice(1, 3).sort()).toEqual(["open", "pong"])
    expect(types.slice(3)).toEqual(["data", "data", "data", "data", "close"])
  })

  test("a session's end is told to the owner, with its reason", async () => {
    const clock = new FakeClock()
    const byes: CloseReason[] = []
    const port = new FakePort()
    const connection = new MuxConnection({
      ...{ port, peer: "peer", clock, drops: new RecordingObserver(), onDead() {} },
      onBye: (reason) => byes.push(reason),
    })
    connection.received(encodeClose(0, "refused", "the key is revoked"))
    expect(byes).toEqual([{ code: "refused", detail: "the key is revoked" }])
    connection.bye({ code: "shutdown" })
    expect(framesIn(port.taken())).toEqual([{ type: "close", flow: 0, code: "shutdown", detail: "" }])
  })

  test("one flow that sends much does not hold up another's datagram", async () => {
    const { client, server, carry } = pair()
    const busy = client.connection.open("boot", "", "busy", new Owner())
    const other = client.connection.open("scp", "", "other", new Owner())
    await carry()
    client.port.takes = 0
    for (let i = 0; i < 250; i++) busy.send(new Uint8Array(1_000))
    other.send(bytes("me too"))
    client.port.takes = Number.POSITIVE_INFINITY
    client.connection.drained()
    for (let turn = 0; turn < 10; turn++) await eventLoopTurn()
    const order = framesIn(client.port.taken()).map((frame) => (frame.type === "data" ? frame.flow : 0))
    expect(order).toHaveLength(251)
    // Behind what the outbox had already, and no more.
    expect(order.indexOf(2)).toBeLessThan(75)
    expect(server.dead).toEqual([])
  })
})
