/**
 * The dial towards a Python server, which is fragile: a reset connection ends its process, and a second connection
 * while it still holds the first cuts that off, or blocks it until bytes come on the new one.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { createServer, type Server, type Socket } from "node:net"
import { encodeFrame } from "../../src/protocol/frame.ts"
import { encodePreface, MUX_PREFACE } from "../../src/protocol/mux.ts"
import { LastSenderMatcher } from "../../src/relay/reply-matcher.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { GREETING_TIMEOUT_MS, PARTING_TIMEOUT_MS, TcpCarrier } from "../../src/transport/tcp-dial.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { collect, eventLoopTurn, until } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { bytes } from "../support/udp.ts"

const real = {}

/** How a connection went, seen by the server. */
interface Seen {
  readonly socket: Socket
  received: Buffer
  /** The client has sent its FIN. */
  ended: boolean
  error: string | undefined
}

/** A server that says nothing by itself, and ends no connection by itself. */
class SilentServer {
  readonly connections: Seen[] = []
  /** The most connections that were open at once. */
  most = 0
  open = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const seen: Seen = { socket, received: Buffer.alloc(0), ended: false, error: undefined }
      this.connections.push(seen)
      this.most = Math.max(this.most, ++this.open)
      socket.on("data", (chunk: Buffer) => {
        seen.received = Buffer.concat([seen.received, chunk])
      })
      socket.on("error", (error: Error & { code?: string }) => {
        seen.error = error.code ?? error.message
      })
      socket.on("end", () => {
        seen.ended = true
      })
      socket.on("close", () => this.open--)
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done))
    const address = this.#server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    return address.port
  }

  close(): void {
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
  }
}

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** A carrier whose greeting has arrived at a server and is not being answered. */
async function unanswered() {
  const server = new SilentServer()
  const port = await server.listen()
  const clock = new FakeClock()
  const observer = new RecordingObserver()
  const common = { clock, random: seededRandom(1), observer }
  const resolver = new Resolver({ name: "127.0.0.1", ...common })
  const carrier = new TcpCarrier({ resolver, port, channel: "boot", matcher: new LastSenderMatcher(), ...common })
  cleanups.push(() => {
    carrier.close()
    resolver.close()
    server.close()
  })
  await until(real, () => server.connections[0]?.received.length === MUX_PREFACE)
  const greeting = server.connections[0]!
  clock.advance(GREETING_TIMEOUT_MS)
  await until(real, () => greeting.ended || greeting.error !== undefined)
  return { server, carrier, observer, clock, greeting }
}

describe("a server that does not answer the greeting", () => {
  test("sees it end without a reset, and only after its own end the next connection", async () => {
    const { server, carrier, observer, greeting } = await unanswered()
    expect(greeting.error).toBeUndefined()
    for (let turn = 0; turn < 50; turn++) await eventLoopTurn()
    expect(server.connections.length).toBe(1)

    greeting.socket.end()
    await until(real, () => server.connections.length === 2 && observer.of("connected").length === 1)
    expect(observer.of("connected")[0]?.protocol).toBe("framed")
    expect(server.most).toBe(1)
    expect(greeting.error).toBeUndefined()

    const [, plain] = server.connections
    const link = carrier.dial("127.0.0.1:40000")
    const got = collect(link)
    link.send(bytes("hello"))
    await until(real, () => plain!.received.length > 0)
    expect(Buffer.compare(plain!.received, encodeFrame(bytes("hello")))).toBe(0)
    plain!.socket.write(encodeFrame(bytes("board")))
    await until(real, () => got.length === 1)
    expect(server.connections.length).toBe(2)
  })

  test("is not waited for endlessly when it does not end its side", async () => {
    const { server, observer, clock } = await unanswered()
    clock.advance(PARTING_TIMEOUT_MS)
    await until(real, () => observer.of("connected").length === 1)
    expect(observer.of("connected")[0]?.protocol).toBe("framed")
    expect(server.connections.length).toBe(2)
  })

  test("is dropped without a reset when it sends nonsense", async () => {
    const { server, observer, greeting } = await unanswered()
    greeting.socket.end()
    await until(real, () => server.connections.length === 2)
    const plain = server.connections[1]!
    plain.socket.write(new Uint8Array([0xff, 0xff, 0xff, 0xff]))
    await until(real, () => observer.of("connection-lost").length === 1 && (plain.ended || plain.error !== undefined))
    expect(plain.error).toBeUndefined()
  })

  test("is greeted again if it answers late: it is one of ours", async () => {
    const { server, greeting } = await unanswered()
    greeting.socket.end(encodePreface())
    await until(real, () => (server.connections[1]?.received.length ?? 0) > 0)
    expect(Buffer.compare(server.connections[1]!.received, encodePreface())).toBe(0)
  })

  test("is left alone when the dial is closed meanwhile", async () => {
    const { server, carrier, greeting, clock } = await unanswered()
    carrier.close()
    greeting.socket.end()
    for (let turn = 0; turn < 50; turn++) await eventLoopTurn()
    expect(server.connections.length).toBe(1)
    expect(clock.pending).toBe(0)
  })
})
