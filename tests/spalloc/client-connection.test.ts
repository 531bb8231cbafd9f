import { expect, test } from "bun:test"
import {
  ClientConnection,
  type ClientOwner,
  COMMAND_TIME_A_TURN_MS,
  HIGH_WATER_BYTES,
} from "../../src/spalloc/client-connection.ts"
import { Notifier } from "../../src/spalloc/notifier.ts"
import type { PausablePort } from "../../src/transport/tcp-port.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { until } from "../support/until.ts"

/** A connection that takes whatever is written. */
const wideOpen: PausablePort = {
  peer: { host: "192.0.2.1", port: 1 },
  write: (bytes) => bytes.length,
  end() {},
  endSending() {},
  abort() {},
  pause() {},
  resume() {},
}

test("a client whose commands take long has a few of them done in a turn, then it is the others' turn", async () => {
  const clock = new FakeClock()
  let asked = 0
  const owner: ClientOwner = {
    clock,
    notifier: new Notifier(),
    onRequest() {
      asked++
      clock.advance(COMMAND_TIME_A_TURN_MS * 0.6)
    },
    later: (run) => void setImmediate(run),
    onHeld: () => true,
    onOver() {},
  }
  let paused = false
  const port: PausablePort = {
    ...wideOpen,
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
    },
  }
  const client = new ClientConnection(port, owner)
  client.onData(new TextEncoder().encode('{"command": "version"}\n'.repeat(9)))
  expect([asked, paused]).toEqual([2, true])
  await until(() => !paused, "the rest")
  expect(asked).toBe(9)
})

test("a client whose replies were too many to be taken at once has the rest of its commands done when they are gone", async () => {
  const clock = new FakeClock()
  let asked = 0
  const owner: ClientOwner = {
    clock,
    notifier: new Notifier(),
    onRequest(client) {
      asked++
      client.owe(new Uint8Array(HIGH_WATER_BYTES + 1))
    },
    later: (run) => void setImmediate(run),
    onHeld: () => true,
    onOver() {},
  }
  const client = new ClientConnection(wideOpen, owner)
  client.onData(new TextEncoder().encode('{"command": "list_jobs"}\n'.repeat(3)))
  for (let turn = 1; turn <= 3; turn++) {
    expect(asked).toBe(turn)
    client.pay()
    if (turn < 3) await until(() => asked > turn, "the next command")
  }
})
