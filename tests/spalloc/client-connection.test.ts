import { expect, test } from "bun:test"
import { ClientConnection, type ClientOwner, COMMAND_TIME_A_TURN_MS } from "../../src/spalloc/client-connection.ts"
import { Notifier } from "../../src/spalloc/notifier.ts"
import type { PausablePort } from "../../src/transport/tcp-port.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { until } from "../support/until.ts"

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
    peer: { host: "192.0.2.1", port: 1 },
    write: (bytes) => bytes.length,
    end() {},
    endSending() {},
    abort() {},
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
