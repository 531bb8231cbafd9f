import { describe, expect, test } from "bun:test"
import { HELLO } from "../../src/fake-board/board.ts"
import { HELLO_RETRY_MS, HelloListener, isHello } from "../../src/relay/hello-listener.ts"
import type { OpenSocket } from "../../src/transport/udp-socket.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { eventLoopTurn } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { closing, plain, SpyingOpener } from "../support/udp.ts"
import { until } from "../support/until.ts"

function setup(open: OpenSocket) {
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const heard: string[] = []
  const onHello = (host: string): void => void heard.push(host)
  const address = { host: "127.0.0.1", port: 0 }
  const listener = closing(new HelloListener({ ...address, clock, observer, expectTaken: false, onHello, open }))
  return { clock, observer, heard, listener }
}

describe("HelloListener", () => {
  test("hears beacons and nothing else", async () => {
    const opener = new SpyingOpener()
    const { heard, listener, observer } = setup(opener.open)
    await until(() => listener.listening, "the socket")
    const board = await plain()
    board.send("no beacon", opener.sockets[0]!.address.port)
    board.socket.send(HELLO, opener.sockets[0]!.address.port, "127.0.0.1")
    await until(() => heard.length === 1, "the beacon")
    expect(heard).toEqual(["127.0.0.1"])
    expect(observer.dropped.get("malformed")).toBe(1)
  })

  test("warns once where the port is taken, looks every 30 s, and says when it has it", async () => {
    const opener = new SpyingOpener()
    opener.failures.push("EADDRINUSE", "EADDRINUSE", "EADDRINUSE")
    const { clock, listener, observer } = setup(opener.open)
    for (let tries = 3; tries > 0; tries--) {
      await until(() => opener.failures.length < tries, "a try")
      await eventLoopTurn()
      expect(observer.of("hello-unheard")).toMatchObject([{ detail: "EADDRINUSE", retryMs: HELLO_RETRY_MS }])
      clock.advance(HELLO_RETRY_MS)
    }
    await until(() => listener.listening, "the socket")
    expect(observer.of("hello-listening")).toHaveLength(1)
    opener.sockets[0]!.close()
    clock.advance(HELLO_RETRY_MS)
    await until(() => listener.listening, "another socket")
  })

  test("closed while it opens, it leaves nothing open", async () => {
    const opener = new SpyingOpener()
    const { clock, listener } = setup(opener.open)
    listener.close()
    await until(() => opener.sockets.length === 1, "the socket")
    await eventLoopTurn()
    expect(opener.sockets[0]!.closed).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test("isHello() knows the beacon of the captures, and no boot datagram", () => {
    expect(isHello(HELLO)).toBe(true)
    const start = new Uint8Array(HELLO)
    start[5] = 1
    expect(isHello(start)).toBe(false)
    for (let length = 0; length < HELLO.length; length++) expect(isHello(HELLO.subarray(0, length))).toBe(false)
  })
})
