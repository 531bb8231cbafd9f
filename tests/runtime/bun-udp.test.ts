/**
 * What the relay knows about Bun's UDP sockets and builds on. When Bun is updated these say what has changed: a
 * failure here is not a fault of the relay, but may let one of its precautions go, or ask for another.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { eventLoopTurn, until } from "../support/link-contract.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.close()
})

type Handlers = {
  data?: (data: Uint8Array, port: number, address: string) => void
  error?: (...args: unknown[]) => void
}

async function socket({ data, error }: Handlers = {}, hostname = "127.0.0.1", port = 0) {
  const made = await Bun.udpSocket({
    hostname,
    port,
    binaryType: "uint8array",
    socket: {
      data: (_socket, datagram, from, address) => data?.(datagram, from, address),
      error: (...args: unknown[]) => error?.(...args),
    },
  })
  open.push(made)
  return made
}

const REUSE_ADDRESS = 16
async function shared(handlers: Handlers = {}, hostname = "127.0.0.1", port = 0) {
  const made = await Bun.udpSocket({
    hostname,
    port,
    flags: REUSE_ADDRESS,
    binaryType: "uint8array",
    socket: {
      data: (_socket: unknown, datagram: Uint8Array, from: number, address: string) =>
        handlers.data?.(datagram, from, address),
      error: () => {},
    },
  } as Bun.udp.SocketOptions<"uint8array">)
  open.push(made)
  return made
}

async function deadPort(): Promise<number> {
  const made = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 })
  const { port } = made
  made.close()
  return port
}

const linux = process.platform === "linux"

describe("the undocumented flag 16, SO_REUSEADDR", () => {
  test.if(linux)("lets two sockets that both have it share a port, and keeps out one that has not", async () => {
    const first = await shared()
    await shared({}, "0.0.0.0", first.port)
    expect(await shared({}, "127.0.0.1", first.port)).toBeDefined()
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      const failure = await socket({}, host, first.port).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: "EADDRINUSE" })
    }
  })

  test.if(linux)(
    "a broadcast on loopback goes to the wildcard socket, a unicast to the socket of its address",
    async () => {
      const got: string[] = []
      const near = await shared({ data: (data) => got.push(`near ${Buffer.from(data)}`) })
      await shared({ data: (data, port) => got.push(`wild ${Buffer.from(data)} ${port}`) }, "0.0.0.0", near.port)
      near.setBroadcast(true)
      near.send("beacon", near.port, "127.255.255.255")
      near.send("boot", near.port, "127.0.0.1")
      await until({}, () => got.length === 2)
      expect(got.toSorted()).toEqual(["near boot", `wild beacon ${near.port}`])
    },
  )
})

describe("ICMP errors", () => {
  test.if(linux)(
    "a dead peer makes an unconnected socket's next send throw, and that datagram once more goes through",
    async () => {
      const port = await deadPort()
      let got = 0
      const live = await socket({ data: () => got++ })
      const sender = await socket()
      let threw = 0
      for (let i = 0; i < 50; i++) {
        try {
          sender.send("to nobody", port, "127.0.0.1")
        } catch {
          // Another dead peer's error, taken for this one's.
        }
        try {
          sender.send("hello", live.port, "127.0.0.1")
        } catch {
          threw++
          sender.send("hello", live.port, "127.0.0.1")
        }
      }
      await until({}, () => got === 50)
      expect(threw).toBeGreaterThan(0)
    },
  )

  test.if(linux)(
    "the error handler gets the Error as its last argument, and an unconnected socket stays open",
    async () => {
      const calls: unknown[][] = []
      const sender = await socket({ error: (...args) => calls.push(args) })
      sender.send("to nobody", await deadPort(), "127.0.0.1")
      await until({}, () => calls.length > 0)
      expect(calls[0]?.at(-1)).toMatchObject({ code: "ECONNREFUSED" })
      expect(sender.closed).toBe(false)
    },
  )

  test.if(linux)("a connected socket hears of it in its error handler, stays open and keeps sending", async () => {
    const codes: unknown[] = []
    const port = await deadPort()
    const sender = await Bun.udpSocket<"buffer">({
      connect: { hostname: "127.0.0.1", port },
      socket: {
        error: (...args: unknown[]) => {
          codes.push((args.at(-1) as { code: string }).code)
        },
      },
    })
    open.push(sender)
    for (let i = 1; i <= 3; i++) {
      expect(sender.send("anybody?")).toBe(true)
      await until({}, () => codes.length === i)
    }
    expect(codes).toEqual(["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"])
    expect(sender.closed).toBe(false)
  })

  test.if(linux)("without an error handler one ICMP message ends the process", async () => {
    const program = `
      const dead = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 }); const { port } = dead; dead.close()
      const sender = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port }, socket: { data() {} } })
      sender.send("anybody?")
      setTimeout(() => process.exit(0), 2000)`
    const child = Bun.spawn([process.execPath, "-e", program], { stderr: "pipe" })
    expect(await child.exited).not.toBe(0)
    expect(await new Response(child.stderr).text()).toContain("ECONNREFUSED")
  })
})

describe("sending", () => {
  test("sendMany takes more than 204 datagrams", async () => {
    let got = 0
    const receiver = await socket({ data: () => got++ })
    const sender = await socket()
    for (let batch = 0; batch < 2; batch++) {
      const count = 120 + 100 * batch
      const all = Array.from({ length: count }, () => ["x", receiver.port, "127.0.0.1"]).flat()
      const before = got
      expect(sender.sendMany(all)).toBe(count)
      await until({}, () => got === before + count)
    }
  })

  test("65,507 bytes go and arrive whole; one more throws EMSGSIZE; none at all arrive as a datagram too", async () => {
    const lengths: number[] = []
    const receiver = await socket({ data: ({ length }) => lengths.push(length) })
    const sender = await socket()
    sender.send(new Uint8Array(65_507), receiver.port, "127.0.0.1")
    sender.send(new Uint8Array(0), receiver.port, "127.0.0.1")
    expect(() => sender.send(new Uint8Array(65_508), receiver.port, "127.0.0.1")).toThrow(
      expect.objectContaining({ code: "EMSGSIZE" }),
    )
    await until({}, () => lengths.length === 2)
    expect(lengths).toEqual([65_507, 0])
  })

  test("a send after close throws an Error without a code, and a second close is harmless", async () => {
    const sender = await socket()
    sender.close()
    sender.close()
    expect(sender.closed).toBe(true)
    let thrown: unknown
    try {
      sender.send("x", 9, "127.0.0.1")
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(Error)
    expect((thrown as { code?: string }).code).toBeUndefined()
  })

  test("a received datagram is a private copy", async () => {
    const got: Uint8Array[] = []
    const receiver = await socket({ data: (datagram) => got.push(datagram) })
    const sender = await socket()
    for (let i = 0; i < 20; i++) sender.send(new Uint8Array(8).fill(i), receiver.port, "127.0.0.1")
    await until({}, () => got.length === 20)
    expect(got.map((datagram) => datagram[7])).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(got.every(({ buffer, length }) => buffer.byteLength === length)).toBe(true)
  })
})

describe("binding", () => {
  test("a port that is taken rejects with EADDRINUSE, an address that the machine has not with EADDRNOTAVAIL", async () => {
    const first = await socket()
    await expect(socket({}, "127.0.0.1", first.port)).rejects.toMatchObject({ code: "EADDRINUSE" })
    // 192.0.2.0/24 is for documentation (RFC 5737); the machine that has this one is odd.
    await expect(socket({}, "192.0.2.253")).rejects.toMatchObject({ code: "EADDRNOTAVAIL" })
  })

  test.if(linux)("flags 16 (SO_REUSEADDR) lets two programs bind one port, silently", async () => {
    const reusing = { hostname: "127.0.0.1", flags: 16 }
    const first = await Bun.udpSocket({ ...reusing, port: 0 } as Bun.udp.SocketOptions<"buffer">)
    open.push(first)
    open.push(await Bun.udpSocket({ ...reusing, port: first.port } as Bun.udp.SocketOptions<"buffer">))
  })

  test("connecting to IPv6 takes an IPv6 address to bind; without, it throws where it should reject", async () => {
    const receiver = await socket({}, "::1").catch(() => undefined)
    if (!receiver) return
    const connect = { hostname: "::1", port: receiver.port }
    expect(() => Bun.udpSocket({ connect })).toThrow(expect.objectContaining({ code: "EAFNOSUPPORT" }))
    open.push(await Bun.udpSocket({ hostname: "::", connect }))
  })

  test.if(linux)("tells its descriptor, which setsockopt needs", async () => {
    const made = (await socket()) as unknown as { fd: number }
    expect(made.fd).toBeGreaterThan(2)
    await eventLoopTurn()
  })
})
