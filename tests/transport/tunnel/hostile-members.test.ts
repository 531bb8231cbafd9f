/** Peers that have a key and no manners: what they do is theirs to suffer, and nobody else's. */
import { describe, expect, test } from "bun:test"
import {
  encodeClose,
  encodeData,
  encodeNotice,
  encodeOpen,
  encodePing,
  encodeResumed,
  encodeTagged,
  MuxDecoder,
  type MuxFrame,
} from "../../../src/protocol/mux.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import { cuts, integer, mutate, randomBytes, utf8 } from "../../support/fuzz.ts"
import { keep } from "../../support/keep.ts"
import { RawTls } from "../../support/raw-tls.ts"
import { EchoTunnel, listen } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

/** A tunnel with a user at work in it. */
async function tunnelAtWork() {
  const tunnel = keep(new EchoTunnel({ resumeMs: 50 }))
  const { carrier, ups, observer } = tunnel.client(tunnel.keys.add("bystander"))
  const link = carrier.dialBoard("", "scp")("127.0.0.1:4000")
  const heard = listen(link)
  let asked = 0
  /** The user gets an answer, over the connection and the flow that it had. */
  const undisturbed = async (): Promise<void> => {
    link.send(utf8(`request ${++asked}`))
    await until(() => heard.at(-1) === `request ${asked}`, "the bystander's echo", 2_000)
    expect([ups.length, observer.of("connection-lost").length, heard.length]).toEqual([1, 0, asked])
  }
  await undisturbed()
  const member = async (user = "mallory"): Promise<RawTls> =>
    keep(await RawTls.member(tunnel.port, tunnel.keys.add(user)))
  const sessionOf = (user = "mallory") => tunnel.server.sessions.find((session) => session.user === user)
  return { tunnel, undisturbed, member, sessionOf }
}

const open = (flow: number): Uint8Array => encodeOpen(flow, "scp", "", "a:1")

function framesOf(one: RawTls): MuxFrame[] {
  const frames: MuxFrame[] = []
  new MuxDecoder().push(new Uint8Array(one.received), (frame) => frames.push(frame))
  return frames
}

const LONGEST = new Uint8Array(65_507)
/** Some of every frame that there is. */
const GOOD = [
  ...[open(1), open(2), encodeData(1, utf8("one")), encodeData(2, new Uint8Array(300))],
  ...[encodeTagged(1, { tag: 1, direction: "in", port: 17_893, datagram: utf8("tag") }), encodeResumed()],
  ...[
    encodePing("ping", utf8("p")),
    encodePing("pong", utf8("q")),
    encodeNotice(1, "", utf8("")),
    encodeClose(2, "idle"),
  ],
]

describe("a member", () => {
  test("that sends damaged and random frames disturbs nobody", async () => {
    const { tunnel, undisturbed, member } = await tunnelAtWork()
    const random = seededRandom(11)
    for (let round = 0; round < 40; round++) {
      const one = await member(`mallory-${round}`)
      const frames = GOOD.map((frame) => (integer(random, 0, 3) ? frame : mutate(random, frame)))
      const stream = Buffer.concat([...frames, randomBytes(random, round % 2 ? 300 : 0)])
      for (const piece of cuts(random, stream, 200)) one.send(piece)
      if (round % 4 === 0) await undisturbed()
      one.socket.end()
    }
    await undisturbed()
    await until(() => tunnel.server.sessions.length === 1, "the others' sessions to end")
    expect(tunnel.observer.of("internal-error")).toEqual([])
  })

  test("that breaks the protocol is cut off, and its session ends unless it comes back", async () => {
    const { undisturbed, member, sessionOf } = await tunnelAtWork()
    const tooLong = Uint8Array.of(2, 0, 0xff, 0xff, 0, 0, 0, 1)
    const badTag = encodeTagged(1, { tag: 1, direction: "in", port: 1, datagram: utf8("x") })
    badTag[8] = 16
    const longPing = Uint8Array.of(4, 0, 0, 65, 0, 0, 0, 0, ...new Uint8Array(65))
    for (const wrong of [open(0), open(1), tooLong, badTag, longPing]) {
      const one = await member()
      one.send(open(1), wrong, open(2))
      await until(() => one.closed, "it to be cut off")
      await until(() => sessionOf() === undefined, "its session to end")
      await undisturbed()
    }
  })

  test("that opens 2,000 flows has the first 1,024, and is told so of each of the others", async () => {
    const { tunnel, undisturbed, member, sessionOf } = await tunnelAtWork()
    const one = await member()
    for (let flow = 1; flow <= 2_000; flow++) one.send(open(flow))
    await until(() => framesOf(one).length === 976, "976 refusals")
    expect(framesOf(one).every((frame) => frame.type === "close" && frame.flow > 1_024)).toBe(true)
    expect([sessionOf()!.flowCount, tunnel.links.length]).toEqual([1_024, 1_025])
    one.send(encodeData(1_024, utf8("still here")))
    await until(() => framesOf(one).length === 977, "an echo")
    await undisturbed()
  })

  test("that speaks of flows which are not there, or of nothing at all, is not answered and not cut off", async () => {
    const { member, undisturbed } = await tunnelAtWork()
    const one = await member()
    one.send(
      ...[
        encodeResumed(),
        encodeResumed(),
        encodeData(7, LONGEST),
        encodeClose(7, "idle"),
        encodePing("pong", LONGEST),
      ],
      encodeTagged(7, { tag: 15, direction: "out", port: 0, datagram: utf8("tag") }),
      ...[encodeNotice(255, "x".repeat(255), utf8("?")), Uint8Array.of(99, 0, 0, 2, 0, 0, 0, 0, 1, 2)],
      ...[open(7), encodeResumed(), encodeData(7, utf8("hello"))],
    )
    await until(() => framesOf(one).length > 0, "an echo")
    expect(framesOf(one)).toEqual([{ type: "data", flow: 7, datagram: utf8("hello") }])
    await undisturbed()
  })

  test("that ends its session is heard no further", async () => {
    const { tunnel, member, sessionOf } = await tunnelAtWork()
    const one = await member()
    one.send(Buffer.concat([open(1), encodeClose(0, "shutdown"), open(2), encodeData(1, utf8("late"))]))
    await until(() => one.closed, "its end")
    expect([sessionOf(), tunnel.links.length, tunnel.received.includes("late")]).toEqual([undefined, 2, false])
    expect(tunnel.ends).toEqual(["mallory clean"])
  })

  test("that asks much and never reads costs its session some megabytes at most, and nobody an answer", async () => {
    const { member, sessionOf, undisturbed } = await tunnelAtWork()
    const one = await member()
    one.socket.pause()
    one.send(open(1), open(2))
    const burst = Buffer.concat([encodeData(1, LONGEST), encodeData(2, LONGEST)])
    let most = 0
    for (let round = 0; round < 200; round++) {
      one.send(burst)
      await until(() => one.unsent < 1 << 20, "the server to take it")
      most = Math.max(most, sessionOf()?.measures.queuedBytes ?? 0)
      if (round % 40 === 0) await undisturbed()
    }
    const { drops } = sessionOf()!
    expect(most).toBeLessThan(3 << 20)
    expect((drops.get("queue-full") ?? 0) + (drops.get("queue-old") ?? 0)).toBeGreaterThan(100)
    await undisturbed()
  })

  test("that pings for ever and never reads is given up", async () => {
    const { member, undisturbed, sessionOf } = await tunnelAtWork()
    const one = await member()
    one.socket.pause()
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => encodePing("ping", new Uint8Array(64))))
    for (let round = 0; round < 100 && sessionOf(); round++) {
      one.send(pings)
      await until(() => one.unsent < 1 << 20 || !sessionOf(), "the server to take it")
    }
    await until(() => sessionOf() === undefined, "its session to end")
    await undisturbed()
  }, 15_000)

  test("cannot take over another's session, though it knows its id", async () => {
    const { tunnel, undisturbed, sessionOf } = await tunnelAtWork()
    const { id } = sessionOf("bystander")!
    const key = tunnel.keys.add("mallory")
    keep(await RawTls.member(tunnel.port, key, id))
    expect(sessionOf()!.id).not.toBe(id)
    expect(sessionOf("bystander")!.id).toBe(id)
    await undisturbed()
  })
})
