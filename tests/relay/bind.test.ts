import { expect, test } from "bun:test"
import { TcpBinding } from "../../src/relay/bind.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

test("why an address cannot be listened on is the system's own code, told once", () => {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const common = { channel: "scp", role: "server", allow: undefined, random: Math.random, onLink() {} } as const
  // TEST-NET-1: no machine has it.
  const binding = new TcpBinding({ ...common, port: 17894, bind: ["192.0.2.1"], clock, observer })
  clock.advance(60_000)
  expect(observer.events).toEqual([
    { type: "listen-waiting", address: "192.0.2.1:17894", detail: "EADDRNOTAVAIL", retryMs: expect.any(Number) },
  ])
  binding.close()
  expect(clock.pending).toBe(0)
})
