import { describe, expect, test } from "bun:test"
import { ReceiveTuning } from "../../src/transport/receive-tuning.ts"
import { RX_PORT_LIMIT, RxPorts, type RxUser } from "../../src/transport/rx-ports.ts"
import type { OpenSocket } from "../../src/transport/udp-socket.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { bytes, closing, deadPort, plain, text } from "../support/udp.ts"
import { until } from "../support/until.ts"

const HOST = "127.0.0.1"

class User implements RxUser {
  readonly got: string[] = []
  allowed = true
  admits(): boolean {
    return this.allowed
  }
  onDatagram(datagram: Uint8Array): void {
    this.got.push(text(datagram))
  }
}

function portsOf(openSocket?: OpenSocket) {
  const observer = new RecordingObserver()
  const options = { drops: observer, receiveTuning: new ReceiveTuning(observer) }
  return { ports: closing(new RxPorts({ ...options, ...(openSocket && { openSocket }) })), observer }
}

describe("a port for a reverse tag", () => {
  test("takes what comes, and answers whoever sent last", async () => {
    const { ports, observer } = portsOf()
    const port = await deadPort()
    const user = new User()
    expect(await ports.claim(HOST, port, user)).toBeUndefined()
    ports.reply(HOST, port, user, bytes("to nobody yet"))
    expect(observer.dropped.get("tag-stray")).toBe(1)
    const [a, b] = [await plain(), await plain()]
    a.send("from a", port)
    await until(() => user.got.length === 1, "a's datagram")
    b.send("from b", port)
    await until(() => user.got.length === 2, "b's datagram")
    ports.reply(HOST, port, user, bytes("back"))
    await until(() => b.got.length === 1, "the reply")
    expect(b.got).toEqual([{ text: "back", port, host: HOST }])
    expect(a.got).toEqual([])
  })

  test("that another program has is told by its code, and can be had later", async () => {
    const { ports } = portsOf()
    const other = await plain()
    const user = new User()
    expect(await ports.claim(HOST, other.port, user)).toBe("EADDRINUSE")
    expect(ports.count).toBe(0)
    other.close()
    expect(await ports.claim(HOST, other.port, user)).toBeUndefined()
  })

  test("claimed again belongs to the later one, who hears nothing of the earlier's senders", async () => {
    const { ports } = portsOf()
    const port = await deadPort()
    const [first, second] = [new User(), new User()]
    const sender = await plain()
    await ports.claim(HOST, port, first)
    sender.send("one", port)
    await until(() => first.got.length === 1, "the first's datagram")
    await ports.claim(HOST, port, second)
    ports.reply(HOST, port, second, bytes("not to the first's sender"))
    ports.reply(HOST, port, first, bytes("not the first's any more"))
    ports.release(HOST, port, first)
    sender.send("two", port)
    await until(() => second.got.length === 1, "the second's datagram")
    expect([first.got, second.got, sender.got]).toEqual([["one"], ["two"], []])
    ports.release(HOST, port, second)
    expect(ports.count).toBe(0)
  })

  test("lets in only whom its user admits", async () => {
    const { ports, observer } = portsOf()
    const port = await deadPort()
    const user = new User()
    user.allowed = false
    await ports.claim(HOST, port, user)
    const sender = await plain()
    sender.send("no", port)
    await until(() => observer.dropped.get("not-allowed") === 1, "the refusal")
    expect(user.got).toEqual([])
  })

  test("released while it is being opened is closed; port 0 is none, and there is an end to them", async () => {
    const closed: string[] = []
    const opened = Promise.withResolvers<void>()
    const { ports } = portsOf(async ({ host, port }) => {
      await opened.promise
      const address = { address: host, port }
      return { send: () => true, close: () => closed.push(`${port}`), closed: false, address, fd: undefined }
    })
    const user = new User()
    const claims = Array.from({ length: RX_PORT_LIMIT }, (_, index) => ports.claim(HOST, 1 + index, user))
    expect(await ports.claim(HOST, 0, user)).toBe("EINVAL")
    expect(await ports.claim(HOST, 60_000, user)).toBe("EMFILE")
    ports.release(HOST, 1, user)
    opened.resolve()
    expect(await claims[0]).toBe("ECANCELED")
    expect(await claims[1]).toBeUndefined()
    expect(closed).toEqual(["1"])
  })
})
