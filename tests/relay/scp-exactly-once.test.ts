/** The network between client and relay never causes a second execution, whatever it loses, doubles or delays. */
import { expect, test } from "bun:test"
import { Command } from "../../src/protocol/scp.ts"
import type { Stage } from "../../src/relay/flow.ts"
import { answerOnce } from "../../src/relay/scp-answer-once.ts"
import { guardScp } from "../../src/relay/scp-guard.ts"
import type { LineFaults } from "../../src/transport/memory.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { CountingBoard } from "../support/counting-board.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { joinLinks } from "../support/join-links.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { type Asked, type ClientTiming, RIG, ScpClient, SPINNMAN } from "../support/scp-client.ts"

const COUNT = 10_000

/** Commands that do more each time; `number` makes each request another one, so that executions can be counted apart. */
const COMMANDS: Record<string, (number: number) => Asked> = {
  ALLOC: (number) => ({ command: Command.ALLOC, arg1: 30 << 8, arg2: number * 4, arg3: 1 }),
  "LED toggle": (number) => ({ command: Command.LED, arg1: 1, arg2: number }),
  APP_COPY_RUN: (number) => ({ command: Command.APP_COPY_RUN, arg1: 3, arg2: number * 4, arg3: 0x1000_0002 }),
  SIG: (number) => ({ command: Command.SIG, arg1: 0, arg2: (4 << 16) | (number & 0xffff), arg3: 0xffff }),
  "IPTAG NEW": (number) => ({ command: Command.IPTAG, arg1: 0, arg2: number, arg3: 0x0100007f }),
}

const NETWORKS: Record<string, LineFaults> = {
  "5 % lost, 5 % doubled, jitter to 40 ms": { drop: 0.05, duplicate: 0.05, delayMs: 10, jitterMs: 40 },
  "20 % lost, 20 % doubled, jitter to 300 ms": { drop: 0.2, duplicate: 0.2, delayMs: 20, jitterMs: 300 },
  "half of all doubled, answers later than clients wait": { duplicate: 0.5, delayMs: 350, jitterMs: 900 },
}

function run(
  command: (number: number) => Asked,
  count: number,
  network: LineFaults,
  timing: ClientTiming,
  guarded: boolean,
) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const context = { clock, random: seededRandom(7), drops: observer }
  const board = new CountingBoard({ clock })
  const [appEnd, clientNear] = memoryPair(context, { first: "app", second: "client" })
  const [clientFar, serverNear] = memoryPair(context, { first: "client", second: "server" }, network)
  const [serverFar, boardEnd] = memoryPair(context, { first: "server", second: "board" }, { jitterMs: 1 })
  const flow = { id: 1, owner: "test", application: "app" }
  const stage = (stage: Stage, link: typeof serverFar) => (guarded ? stage(link, flow) : link)
  board.attach(boardEnd)
  joinLinks(serverNear, stage(guardScp({ clock, observer }), serverFar))
  joinLinks(clientNear, stage(answerOnce({ clock, observer }), clientFar))
  let number = 0
  // A client that never gives up, so that each request must come through in the end.
  const client = new ScpClient(appEnd, clock, { ...timing, tries: 100 }, () =>
    number < count ? command(number++) : undefined,
  ).start()
  while (!client.done) clock.advance(1_000)
  clock.advance(20_000)
  return { board, client, observer, clock }
}

for (const [network, faults] of Object.entries(NETWORKS)) {
  for (const [clientName, timing] of Object.entries({ rig: RIG, SpiNNMan: SPINNMAN })) {
    test(`${network}: each of ${COUNT} requests of ${clientName} is executed exactly once, whatever the command`, () => {
      for (const command of Object.values(COMMANDS)) {
        const { board, client } = run(command, COUNT, faults, timing, true)
        expect(client.answered).toBe(COUNT)
        expect(board.executions.size).toBe(COUNT)
        expect(board.doubled(command(0).command)).toBe(0)
        expect(board.count(command(0).command)).toBe(COUNT)
        expect(client.stray).toBe(0)
        expect(board.untagged).toBe(0)
      }
    }, 60_000)
  }
}

test("without the guard the same network makes the board execute some requests of every command twice", () => {
  for (const command of Object.values(COMMANDS)) {
    const { board, client } = run(command, 500, NETWORKS["5 % lost, 5 % doubled, jitter to 40 ms"]!, RIG, false)
    expect(board.doubled(command(0).command)).toBeGreaterThan(0)
    expect(client.stray).toBeGreaterThan(0)
  }
})
