import { describe, expect, test } from "bun:test"
import { encodeFrame } from "../../src/protocol/frame.ts"
import { FramedConnection } from "../../src/transport/framed-connection.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { FakePort } from "../support/fake-port.ts"
import { eventLoopTurn } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

function setup() {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const port = new FakePort()
  const got: Uint8Array[] = []
  const dead: string[] = []
  const connection = new FramedConnection({
    port,
    peer: "peer",
    clock,
    drops: observer,
    maxAgeMs: 400,
    onDatagram: (datagram) => got.push(datagram),
    onDead: (detail) => dead.push(detail),
  })
  return { clock, observer, port, got, dead, connection }
}

describe("FramedConnection", () => {
  test("writes each datagram with its length before it", async () => {
    const { connection, port } = setup()
    connection.send(Uint8Array.of(1, 2))
    connection.send(new Uint8Array(0))
    await eventLoopTurn()
    expect([...port.taken()]).toEqual([0, 0, 0, 2, 1, 2, 0, 0, 0, 0])
  })

  test("hands over datagrams however they are cut, and says how much is unfinished", () => {
    const { connection, got } = setup()
    const stream = Buffer.concat([encodeFrame(Uint8Array.of(1, 2, 3)), encodeFrame(Uint8Array.of(4))])
    connection.received(stream.subarray(0, 5))
    expect(connection.pendingBytes).toBe(5)
    connection.received(stream.subarray(5))
    expect(got.map((datagram) => [...datagram])).toEqual([[1, 2, 3], [4]])
    expect(connection.pendingBytes).toBe(0)
  })

  test("is dead at a frame that announces more than 65,507 bytes, and says how many", () => {
    const { connection, dead, got } = setup()
    connection.received(Buffer.concat([encodeFrame(Uint8Array.of(1)), Uint8Array.of(0, 1, 0, 0)]))
    expect(got).toHaveLength(1)
    expect(dead).toEqual([expect.stringMatching(/65536 bytes.*65507/)])
    expect(connection.pendingBytes).toBe(0)
  })

  test("drops and counts a datagram that no frame holds", async () => {
    const { connection, port, observer } = setup()
    connection.send(new Uint8Array(65_508))
    await eventLoopTurn()
    expect(port.taken().length).toBe(0)
    expect(observer.dropped.get("oversize")).toBe(1)
  })

  test("forgets datagrams that waited longer than anybody waits for them, but finishes the one it has begun", async () => {
    const { connection, port, observer, clock } = setup()
    port.takes = 5
    connection.send(Uint8Array.of(1, 1))
    connection.send(Uint8Array.of(2))
    await eventLoopTurn()
    expect(connection.queuedBytes).toBe(1 + 5)
    clock.advance(400)
    port.takes = Number.POSITIVE_INFINITY
    connection.drained()
    expect([...port.taken()]).toEqual([0, 0, 0, 2, 1, 1])
    expect(observer.dropped.get("queue-old")).toBe(1)
  })

  test("a peer that stops reading costs 1 MiB at most, the rest is dropped and counted", () => {
    const { connection, port, observer } = setup()
    port.takes = 0
    for (let i = 0; i < 40; i++) connection.send(new Uint8Array(60_000))
    expect(connection.queuedBytes).toBeLessThanOrEqual(1 << 20)
    expect(observer.dropped.get("queue-full")).toBe(40 - 17)
  })

  test("close() counts what still waited", () => {
    const { connection, port, observer } = setup()
    port.takes = 0
    connection.send(Uint8Array.of(1))
    connection.close()
    expect(observer.dropped.get("closed")).toBe(1)
    expect(connection.queuedBytes).toBe(0)
  })
})
