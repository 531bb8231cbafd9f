import { describe, expect, test } from "bun:test"
import { ConnectionListener, LISTENER_BACKLOG } from "../../src/connections/connection-listener.ts"
import { SpinnmanEOFException, SpinnmanInvalidPacketException } from "../../src/connections/exceptions.ts"
import { SDPConnection } from "../../src/connections/sdp-connection.ts"
import type { ReceiveMethod } from "../../src/connections/udp-connection.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { hex, Peer } from "./peer.ts"

/** A connection whose messages a test hands out. */
function source() {
  const waiting: { resolve: (message: number) => void; reject: (error: Error) => void }[] = []
  const receive: ReceiveMethod<number> = (_timeoutMs, signal) =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
      signal?.addEventListener("abort", () => reject(signal.reason))
    })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return {
    getReceiveMethod: () => receive,
    async give(message: number) {
      waiting.shift()!.resolve(message)
      await turn()
    },
    async fail(error: Error) {
      waiting.shift()!.reject(error)
      await turn()
    },
    get asked() {
      return waiting.length
    },
  }
}

describe("ConnectionListener", () => {
  test("hands every message of a real connection to every callback", async () => {
    await using peer = await Peer.open()
    await using connection = await SDPConnection.open({ localHost: "127.0.0.1" })
    await using listener = new ConnectionListener(connection)
    const both = Promise.withResolvers<void>()
    const got: string[] = []
    for (const name of ["a", "b"]) {
      listener.addCallback((message) => {
        got.push(`${name}${message.payload[0]}`)
        if (got.length === 4) both.resolve()
      })
    }
    listener.start()
    for (const text of ["01", "02"]) peer.send(hex(`0000 07 ff 00 ff 00 00 00 00 ${text}`), connection.localPort)
    await both.promise
    expect(got.sort()).toEqual(["a1", "a2", "b1", "b2"])
  })

  test("four callbacks run at once, and the next when one ends", async () => {
    const connection = source()
    const listener = new ConnectionListener(connection)
    const running: (() => void)[] = []
    listener.addCallback(() => new Promise<void>((resolve) => running.push(resolve)))
    listener.start()
    for (let message = 0; message < 6; message++) await connection.give(message)
    expect(running.length).toBe(4)
    running[0]!()
    await connection.give(6)
    expect(running.length).toBe(5)
    for (const end of running) end()
    const closing = listener.close()
    for (const end of running) end()
    await closing
  })

  test("an exception in a callback is reported and stops nothing", async () => {
    const connection = source()
    const observer = new RecordingObserver()
    const listener = new ConnectionListener(connection, { observer })
    const got: number[] = []
    listener.addCallback((message) => {
      got.push(message)
      if (message === 1) throw new Error("mine")
      if (message === 2) return Promise.reject(new Error("mine too"))
      return undefined
    })
    listener.start()
    for (const message of [1, 2, 3]) await connection.give(message)
    expect(got).toEqual([1, 2, 3])
    expect(observer.of("internal-error").map(({ detail }) => detail)).toEqual(["mine", "mine too"])
    await listener.close()
  })

  test("junk is skipped and counted", async () => {
    const connection = source()
    const observer = new RecordingObserver()
    const listener = new ConnectionListener(connection, { observer })
    const got: number[] = []
    listener.addCallback((message) => void got.push(message))
    listener.start()
    await connection.fail(new SpinnmanInvalidPacketException("SDP", "junk"))
    await connection.give(1)
    expect(got).toEqual([1])
    expect(observer.dropped.get("malformed")).toBe(1)
    await listener.close()
  })

  test("EOF ends the loop; closing then returns", async () => {
    const connection = source()
    const observer = new RecordingObserver()
    const listener = new ConnectionListener(connection, { observer })
    listener.start()
    await connection.fail(new SpinnmanEOFException())
    expect(connection.asked).toBe(0)
    await listener.close()
    expect(observer.events).toEqual([])
  })

  test("closing waits for callbacks that run, calls none that wait, and leaves the connection open", async () => {
    const connection = source()
    const listener = new ConnectionListener(connection, { callbacks: 1 })
    const first = Promise.withResolvers<void>()
    const got: number[] = []
    listener.addCallback((message) => {
      got.push(message)
      return first.promise
    })
    listener.start()
    for (const message of [1, 2]) await connection.give(message)
    let closed = false
    const closing = listener.close().then(() => {
      closed = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toBe(false)
    first.resolve()
    await closing
    expect(got).toEqual([1])
  })

  test("messages that wait for slow callbacks are bounded, the oldest going first", async () => {
    const connection = source()
    const observer = new RecordingObserver()
    const listener = new ConnectionListener(connection, { callbacks: 1, observer })
    const first = Promise.withResolvers<void>()
    listener.addCallback(() => first.promise)
    listener.start()
    for (let message = 0; message < LISTENER_BACKLOG + 4; message++) await connection.give(message)
    expect(observer.dropped.get("queue-full")).toBe(3)
    first.resolve()
    await listener.close()
  })
})
