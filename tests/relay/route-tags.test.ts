/** The server's stage by hand: paths that open late or not at all, ends that carry no tags, and bytes of any kind. */
import { describe, expect, test } from "bun:test"
import { IptagOp } from "../../src/protocol/iptag.ts"
import type { TaggedDatagram } from "../../src/protocol/mux.ts"
import { decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { PATH_LIMIT, routeTags } from "../../src/relay/route-tags.ts"
import { tagRequestOf } from "../../src/relay/tag-request.ts"
import type { Link } from "../../src/transport/link.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { ReceiveTuning } from "../../src/transport/receive-tuning.ts"
import { RxPorts } from "../../src/transport/rx-ports.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { integer, mutate, randomBytes } from "../support/fuzz.ts"
import { replyTo } from "../support/guarded.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { verRequest } from "../support/scp-requests.ts"
import { iptagRequest } from "../support/tag-program.ts"

/** A board's paths, opened when the test says so. */
class Paths {
  readonly open = new Map<number, (datagram: Uint8Array) => void>()
  readonly #waiting: (() => void)[] = []
  fails = false
  late = false
  most = 0

  readonly openPath = async (_port: number, onDatagram: (datagram: Uint8Array) => void) => {
    if (this.late) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.fails) throw Object.assign(new Error("EMFILE"), { code: "EMFILE" })
    let port = 5_000
    while (this.open.has(port)) port++
    this.open.set(port, onDatagram)
    this.most = Math.max(this.most, this.open.size)
    return { port, send() {}, close: () => void this.open.delete(port) }
  }

  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function setup() {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const context = { clock, random: seededRandom(1), drops: observer }
  const paths = new Paths()
  const rxPorts = new RxPorts({ drops: observer, receiveTuning: new ReceiveTuning(observer) })
  const cleared: Uint8Array[] = []
  const dialScp = (): Link => {
    const [near, far] = memoryPair(context, { first: "relay", second: "board" })
    far.onDatagram = (datagram) => cleared.push(datagram)
    return near
  }
  const options = { board: "board", scpPort: 17893, clock, observer, openPath: paths.openPath, dialScp, rxPorts }
  const routing = routeTags(options)
  let flows = 0
  return {
    clock,
    observer,
    paths,
    routing,
    cleared,
    /** A flow, from a client of ours or (`plain`) from something that carries no tags. */
    flow(plain = false) {
      const [inner, board] = memoryPair(context, { first: "link", second: "board" })
      const [bare] = memoryPair(context, { first: "127.0.0.1:4000", second: "near" })
      const tagged: TaggedDatagram[] = []
      const path = { sendTagged: (each: TaggedDatagram) => void tagged.push(each), onTagged() {}, onRenewed() {} }
      const near = plain ? bare : Object.assign(bare, path)
      const link = routing.stage(inner, { id: ++flows, owner: "o", application: "127.0.0.1:4000", near })
      const [asked, got]: [Uint8Array[], Uint8Array[]] = [[], []]
      board.onDatagram = (datagram) => asked.push(datagram)
      link.onDatagram = (datagram) => got.push(datagram)
      const settle = async (): Promise<void> => {
        for (let turn = 0; turn < 5; turn++) {
          await Promise.resolve()
          clock.advance(0)
        }
      }
      return {
        link,
        tagged,
        asked,
        got,
        settle,
        async send(datagram: Uint8Array) {
          link.send(datagram)
          await settle()
        },
        async answer(at: number, body = Uint8Array.of(1, 0, 0, 0)) {
          board.send(replyTo(asked[at]!, { body }))
          await settle()
        },
        fromBoard: (datagram: Uint8Array) => board.send(datagram),
      }
    },
  }
}

describe("a request that sets a tag", () => {
  test("waits until its path is open; repeats meanwhile wait with it as one", async () => {
    const { flow, paths } = setup()
    paths.late = true
    const program = flow()
    await program.send(iptagRequest(1, { tag: 1, port: 4000 }))
    await program.send(iptagRequest(1, { tag: 1, port: 4000 }))
    await program.send(verRequest(2))
    expect(program.asked).toEqual([verRequest(2)])
    paths.release()
    await program.settle()
    expect(program.asked.slice(1).map((datagram) => tagRequestOf(datagram)?.asked.port)).toEqual([5_000])
  })

  test("is refused where no path can be opened, and tried anew when it is asked again", async () => {
    const { flow, paths, observer } = setup()
    paths.fails = true
    const program = flow()
    await program.send(iptagRequest(1, { tag: 1 }))
    expect(program.got.map((datagram) => decodeScpReply(datagram)?.result)).toEqual([Result.ARG])
    expect(observer.of("tag-refused")).toHaveLength(1)
    paths.fails = false
    await program.send(iptagRequest(1, { tag: 1 }))
    expect(program.asked).toHaveLength(1)
  })

  test("passes as it is for a peer that carries no tags, which is said once", async () => {
    const { flow, observer, paths } = setup()
    const program = flow(true)
    const request = iptagRequest(1, { tag: 1, port: 4000, address: 0x0100007f })
    await program.send(request)
    await program.send(iptagRequest(2, { tag: 1 }))
    expect(program.asked[0]).toEqual(request)
    expect(observer.of("tags-not-passing")).toHaveLength(1)
    expect(paths.open.size).toBe(0)
  })

  test("of a flow that ends before its path is open leaves no path", async () => {
    const { flow, paths } = setup()
    paths.late = true
    const program = flow()
    await program.send(iptagRequest(1, { tag: 1 }))
    program.link.close()
    paths.release()
    await program.settle()
    expect(program.asked).toEqual([])
  })
})

test("what comes by a path goes to its flow with the tag's number; after the flow's end it is counted", async () => {
  const { flow, paths, observer, cleared, clock } = setup()
  const program = flow()
  await program.send(iptagRequest(1, { operation: IptagOp.new, port: 4000 }))
  await program.answer(0, Uint8Array.of(9, 0, 0, 0))
  const [deliver] = [...paths.open.values()]
  deliver!(Uint8Array.of(7))
  expect(program.tagged).toEqual([{ tag: 9, direction: "out", port: 17893, datagram: Uint8Array.of(7) }])
  program.link.close()
  clock.advance(0)
  deliver!(Uint8Array.of(8))
  expect(program.tagged).toHaveLength(1)
  expect(observer.dropped.get("tag-stray")).toBe(1)
  expect(cleared.map((datagram) => tagRequestOf(datagram))).toMatchObject([{ kind: "clear", tag: 9 }])
})

test("no bytes from either side make it throw, and never are more than 256 paths open", async () => {
  const { flow, paths, routing, clock } = setup()
  const random = seededRandom(26)
  let programs = Array.from({ length: 3 }, () => flow())
  for (let round = 0; round < 6_000; round++) {
    const program = programs[integer(random, 0, 2)]!
    const change = {
      operation: integer(random, 0, 5),
      tag: integer(random, 0, 17),
      timeoutCode: integer(random, 0, 15),
    }
    const request = iptagRequest(integer(random, 0, 40), {
      ...change,
      reverse: random() < 0.2,
      port: integer(random, 0, 9),
    })
    const bytes = random() < 0.2 ? mutate(random, request) : request
    if (random() < 0.6) program.link.send(bytes)
    const last = program.asked.at(-1)
    if (last && last.length > 25)
      program.fromBoard(replyTo(last, { body: randomBytes(random, integer(random, 0, 40)) }))
    else program.fromBoard(randomBytes(random, integer(random, 0, 300)))
    for (const deliver of paths.open.values()) if (random() < 0.05) deliver(randomBytes(random, 20))
    if (round % 10 === 0) await program.settle()
    if (random() < 0.01) {
      program.link.close()
      programs = programs.map((each) => (each === program ? flow() : each))
    }
  }
  expect(paths.most).toBeGreaterThan(5)
  expect(paths.most).toBeLessThanOrEqual(PATH_LIMIT)
  for (const { link } of programs) link.close()
  clock.advance(200_000)
  expect(paths.open.size).toBe(0)
  routing.close()
})
