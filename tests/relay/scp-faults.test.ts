/** SCP over lines that lose, double, delay and reorder, to a fake board: right answers, fast enough, never too many in flight. */
import { expect, test } from "bun:test"
import { LineBoard } from "../../src/fake-board/line-board.ts"
import { Command } from "../../src/protocol/scp.ts"
import { answerOnce } from "../../src/relay/scp-answer-once.ts"
import { guardScp } from "../../src/relay/scp-guard.ts"
import type { Link } from "../../src/transport/link.ts"
import { type LineFaults, memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { CountingBoard } from "../support/counting-board.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { joinLinks } from "../support/join-links.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { type Asked, type ClientTiming, RIG, ScpClient, SPINNMAN } from "../support/scp-client.ts"

const LAN: LineFaults = { drop: 0.05, duplicate: 0.05, jitterMs: 2 }
/** A request that the LAN itself doubles takes two tags, whatever a relay does. */
const LOSSY: LineFaults = { drop: 0.05, jitterMs: 2 }
const INTERNET: LineFaults = { drop: 0.05, duplicate: 0.05, delayMs: 10, jitterMs: 40 }

/** Flows through a client's and a server's stages, or none, to whatever `dial` leads to. */
function network(guarded: boolean, internet: LineFaults, seed = 3) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const context = { clock, random: seededRandom(seed), drops: observer }
  const guard = guardScp({ clock, observer })
  const once = answerOnce({ clock, observer })
  let id = 0
  const flow = (far: Link): Link => {
    const flow = { id: ++id, owner: "test", application: `app${id}` }
    const [near, clientNear] = memoryPair(context, { first: flow.application, second: "client" })
    const [clientFar, serverNear] = memoryPair(context, { first: "client", second: "server" }, internet)
    joinLinks(serverNear, guarded ? guard(far, flow) : far)
    joinLinks(clientNear, guarded ? once(clientFar, flow) : clientFar)
    return near
  }
  return { clock, observer, context, flow }
}

/** Runs a client to its end; returns the milliseconds that it took. */
function finish(clock: FakeClock, client: ScpClient): number {
  let doneAt = 0
  client.onDone = () => {
    doneAt = clock.now()
  }
  const startedAt = clock.now()
  client.start()
  while (!client.done) clock.advance(1_000)
  return doneAt - startedAt
}

/** Asks `count` times for the version over a lossy LAN. */
function versions(guarded: boolean, timing: ClientTiming, count: number, lan = LAN, internet: LineFaults = {}) {
  const { clock, context, flow, observer } = network(guarded, internet)
  const lines = new LineBoard(context, { booted: true })
  let left = count
  const next = (): Asked | undefined => (left-- > 0 ? { command: Command.VER } : undefined)
  const client = new ScpClient(flow(lines.scp.dial(undefined, lan)), clock, timing, next)
  const tookMs = finish(clock, client)
  return { client, observer, perSecond: (client.answered * 1_000) / tookMs }
}

test.each([
  ["rig", RIG],
  ["SpiNNMan", SPINNMAN],
] as const)(
  "at 5 %% loss on the board's leg, %s is served at least three times as fast as by a bare relay",
  (_name, timing) => {
    const bare = versions(false, timing, 2_000)
    const guarded = versions(true, timing, 2_000)
    expect(guarded.client.failed).toBe(0)
    expect(guarded.perSecond).toBeGreaterThan(3 * bare.perSecond)
  },
)

test("at no loss the guard adds nothing to an answer's time", () => {
  const bare = versions(false, RIG, 200, {})
  const guarded = versions(true, RIG, 200, {})
  expect(guarded.client.latencies).toEqual(bare.client.latencies)
})

test("memory written and read back over bad lines on both sides is what was written", () => {
  for (const timing of [RIG, SPINNMAN]) {
    const { clock, context, flow } = network(true, INTERNET)
    const lines = new LineBoard(context, { booted: true })
    const random = seededRandom(11)
    const words = 256
    const written = Array.from({ length: words }, () => Math.floor(random() * 2 ** 32))
    const wordAt = (value: number): Uint8Array => {
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, value, true)
      return data
    }
    // Each word twice, first with another value: a write that is executed late would bring that back.
    for (const values of [written.map((value) => value ^ 0xffff), written]) {
      let at = 0
      const write = (): Asked | undefined => {
        const arg1 = 0x6000_0000 + 4 * at
        return at < words
          ? { command: Command.WRITE, arg1, arg2: 4, arg3: 2, data: wordAt(values[at++]! >>> 0) }
          : undefined
      }
      const patient = { ...timing, tries: 30 }
      finish(clock, new ScpClient(flow(lines.scp.dial(undefined, LAN)), clock, patient, write))
    }
    const read: number[] = []
    let at = 0
    const next = (): Asked | undefined =>
      at < words ? { command: Command.READ, arg1: 0x6000_0000 + 4 * at++, arg2: 4, arg3: 2 } : undefined
    const onReply = ({ body }: { body: Uint8Array }): unknown =>
      read.push(new DataView(body.buffer, body.byteOffset).getUint32(0, true))
    const reader = new ScpClient(flow(lines.scp.dial(undefined, LAN)), clock, { ...RIG, tries: 30 }, next, { onReply })
    finish(clock, reader)
    expect(read).toEqual(written.map((value) => value >>> 0))
    expect(reader.stray).toBe(0)
  }
})

test("twenty programs at once, some asking dead cores, never find the board out of tags", () => {
  const { clock, context, flow, observer } = network(true, {})
  const board = new CountingBoard({ clock, answerMs: (_command, cpu) => (cpu === 0 ? 2 : undefined) })
  const clients = Array.from({ length: 20 }, (_, number) => {
    const [near, far] = memoryPair(context, { first: "server", second: "board" }, LOSSY)
    board.attach(far)
    let left = 300
    const next = (): Asked | undefined => {
      if (left-- <= 0) return undefined
      // Two of them ask an application core that will never answer, now and then.
      return { command: Command.VER, arg1: number, cpu: number < 2 && left % 50 === 0 ? 3 : 0 }
    }
    return new ScpClient(flow(near), clock, number % 2 ? RIG : SPINNMAN, next).start()
  })
  while (clients.some((client) => !client.done)) clock.advance(1_000)
  expect(board.untagged).toBe(0)
  expect(board.mostLent).toBeLessThanOrEqual(8)
  for (const [number, client] of clients.entries()) if (number >= 2) expect(client.failed).toBe(0)
  expect(observer.dropped.get("absorbed-repeat") ?? 0).toBeGreaterThan(0)
})

test("without the guard the same twenty do", () => {
  const { clock, context, flow } = network(false, {})
  const board = new CountingBoard({ clock, answerMs: (_command, cpu) => (cpu === 0 ? 2 : undefined) })
  const clients = Array.from({ length: 20 }, (_, number) => {
    const [near, far] = memoryPair(context, { first: "server", second: "board" }, LOSSY)
    board.attach(far)
    let left = 300
    const next = (): Asked | undefined => (left-- > 0 ? { command: Command.VER, arg1: number } : undefined)
    return new ScpClient(flow(near), clock, number % 2 ? RIG : SPINNMAN, next).start()
  })
  while (clients.some((client) => !client.done)) clock.advance(1_000)
  expect(board.untagged).toBeGreaterThan(0)
})
