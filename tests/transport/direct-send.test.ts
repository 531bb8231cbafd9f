import { describe, expect, test } from "bun:test"
import { systemClock } from "../../src/transport/clock.ts"
import { directWriter, loadSendCalls, type SendCalls, sendDirectly } from "../../src/transport/direct-send.ts"
import { MAX_DATAGRAM } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { StreamListener } from "../../src/transport/stream-listener.ts"
import { connectTcp, type TcpPort } from "../../src/transport/tcp-port.ts"
import { openSocket, type RawSocket, type SocketOwner } from "../../src/transport/udp-socket.ts"
import { integer, randomBytes } from "../support/fuzz.ts"
import { until } from "../support/until.ts"

const linux = process.platform === "linux"
const HOST = "127.0.0.1"

/** Notes what comes to it: length, first and last byte. */
function noting(): { owner: SocketOwner; got: string[] } {
  const got: string[] = []
  const owner: SocketOwner = {
    onDatagram: (datagram) => void got.push(`${datagram.length} ${datagram[0] ?? "-"} ${datagram.at(-1) ?? "-"}`),
    onError: (code) => void got.push(code),
    onDrain() {},
  }
  return { owner, got }
}

/** A socket that only says what it was asked. */
function fakeSocket(options: { host?: string; fd?: number; takes?: boolean } = {}) {
  const asked: string[] = []
  const socket = {
    send(datagram: Uint8Array, port?: number, host?: string) {
      asked.push(`bun ${datagram.length} ${host}:${port}`)
      return options.takes ?? true
    },
    close() {
      socket.closed = true
    },
    closed: false as boolean,
    address: { address: options.host ?? HOST, port: 4000 },
    fd: options.fd ?? 7,
  } satisfies RawSocket
  const calls = (sent: (length: number) => number): SendCalls => ({
    send(fd, _datagram, length, flags) {
      asked.push(`send ${fd} ${length} ${flags}`)
      return sent(length)
    },
    sendto(fd, _datagram, length, flags, address, addressLength) {
      asked.push(`sendto ${fd} ${length} ${flags} ${[...address].join(".")} ${addressLength}`)
      return sent(length)
    },
  })
  return { socket, asked, calls }
}

describe("sendDirectly()", () => {
  test("delivers every length, views and empty datagrams too, from connected sockets and others", async () => {
    const { owner, got } = noting()
    const to = await openSocket({ host: HOST, port: 0 }, owner)
    const { port } = to.address
    const connected = await openSocket({ host: HOST, port: 0, connect: { host: HOST, port } }, noting().owner)
    const other = await openSocket({ host: HOST, port: 0 }, noting().owner)
    const view = Uint8Array.of(1, 2, 3, 4).subarray(1, 3)
    for (const datagram of [new Uint8Array(0), Uint8Array.of(9), view, new Uint8Array(MAX_DATAGRAM).fill(5)]) {
      expect(connected.send(datagram)).toBe(true)
      expect(other.send(datagram, port, HOST)).toBe(true)
    }
    await until(() => got.length === 8, "eight datagrams")
    const each = ["0 - -", "1 9 9", "2 2 3", `${MAX_DATAGRAM} 5 5`]
    expect(got.toSorted()).toEqual([...each, ...each].toSorted())
    for (const socket of [to, connected, other]) socket.close()
  })

  test("keeps receivers apart that are sent to in turn", async () => {
    const a = noting()
    const b = noting()
    const atA = await openSocket({ host: HOST, port: 0 }, a.owner)
    const atB = await openSocket({ host: "127.0.0.2", port: 0 }, b.owner)
    const from = await openSocket({ host: "0.0.0.0", port: 0 }, noting().owner)
    for (let i = 0; i < 6; i++) {
      const to = i % 2 === 0 ? atA : atB
      from.send(Uint8Array.of(i), to.address.port, to.address.address)
    }
    await until(() => a.got.length === 3 && b.got.length === 3, "three datagrams each")
    expect([a.got, b.got]).toEqual([
      ["1 0 0", "1 2 2", "1 4 4"],
      ["1 1 1", "1 3 3", "1 5 5"],
    ])
    for (const socket of [atA, atB, from]) socket.close()
  })

  test("makes one system call of a datagram, without Bun", () => {
    const { socket, asked, calls } = fakeSocket()
    const all = () => calls((length) => length)
    expect(sendDirectly(socket, true, all).send(new Uint8Array(5))).toBe(true)
    const other = sendDirectly(socket, false, all)
    for (const [port, host] of [
      [0x1234, "192.0.2.7"],
      [80, "192.0.2.7"],
      [80, "10.0.0.255"],
    ] as const)
      other.send(new Uint8Array(3), port, host)
    const rest = "0.0.0.0.0.0.0.0 16"
    expect(asked).toEqual([
      "send 7 5 64",
      `sendto 7 3 64 2.0.18.52.192.0.2.7.${rest}`,
      `sendto 7 3 64 2.0.0.80.192.0.2.7.${rest}`,
      `sendto 7 3 64 2.0.0.80.10.0.0.255.${rest}`,
    ])
  })

  test("leaves to Bun what the system refuses, and says what Bun says", () => {
    for (const takes of [true, false]) {
      const { socket, asked, calls } = fakeSocket({ takes })
      const direct = sendDirectly(socket, true, () => calls(() => -1))
      expect(direct.send(new Uint8Array(5))).toBe(takes)
      expect(asked).toEqual(["send 7 5 64", "bun 5 undefined:undefined"])
    }
  })

  test("does not touch the descriptor of a socket that was closed, by whomever", () => {
    const { socket, asked, calls } = fakeSocket()
    const direct = sendDirectly(socket, true, () => calls((length) => length))
    socket.closed = true
    direct.send(new Uint8Array(1))
    expect(asked).toEqual(["bun 1 undefined:undefined"])
    expect(direct.closed).toBe(true)
  })

  test("leaves names and IPv6 addresses to Bun", () => {
    const { socket, asked, calls } = fakeSocket()
    const direct = sendDirectly(socket, false, () => calls((length) => length))
    for (const host of ["localhost", "::1", "1.2.3", ""]) direct.send(new Uint8Array(1), 9, host)
    expect(asked).toEqual(["bun 1 localhost:9", "bun 1 ::1:9", "bun 1 1.2.3:9", "bun 1 :9"])
    const six = fakeSocket({ host: "::" })
    expect(sendDirectly(six.socket, false, () => six.calls(() => 0))).toBe(six.socket)
  })

  test("leaves all to Bun where there is no libc or no descriptor", () => {
    const { socket, calls } = fakeSocket()
    const none = () => {
      throw new Error("no libc")
    }
    expect(sendDirectly(socket, true, none)).toBe(socket)
    const without = fakeSocket({ fd: -1 })
    expect(sendDirectly(without.socket, true, () => calls(() => 0))).toBe(without.socket)
  })

  test.skipIf(!linux)("is what Linux's sockets get", async () => {
    expect(() => loadSendCalls()).not.toThrow()
    const socket = await openSocket({ host: HOST, port: 0 }, noting().owner)
    expect(socket.constructor.name).toBe("DirectSocket")
    socket.close()
  })

  test.skipIf(!linux)("hears of a dead receiver as before, and the next datagram goes all the same", async () => {
    const dead = await openSocket({ host: HOST, port: 0 }, noting().owner)
    const { port } = dead.address
    const { owner, got } = noting()
    const alive = noting()
    const to = await openSocket({ host: HOST, port: 0 }, alive.owner)
    const from = await openSocket({ host: HOST, port: 0 }, owner)
    dead.close()
    for (let i = 0; i < 5; i++) {
      expect(from.send(Uint8Array.of(0), port, HOST)).toBe(true)
      expect(from.send(Uint8Array.of(i), to.address.port, HOST)).toBe(true)
    }
    await until(() => alive.got.length === 5 && got.includes("ECONNREFUSED"), "five datagrams and an error")
    expect(alive.got).toEqual([0, 1, 2, 3, 4].map((i) => `1 ${i} ${i}`))
    for (const socket of [to, from]) socket.close()
  })
})

describe("directWriter()", () => {
  /** A stream socket of which both the system and Bun take so many bytes at a time. */
  function fakeStream(systemTakes: number, bunTakes: number) {
    const asked: string[] = []
    const socket = {
      write(bytes: Uint8Array) {
        asked.push(`bun ${bytes.join(".")}`)
        return Math.min(bunTakes, bytes.length)
      },
      fd: 9,
    }
    const calls: SendCalls = {
      send(to, bytes, length, flags) {
        asked.push(`send ${to} ${bytes.join(".")} ${flags}`)
        return Math.min(systemTakes, length)
      },
      sendto: () => -1,
    }
    return { asked, write: directWriter(socket, () => calls) }
  }
  const bytes = Uint8Array.of(1, 2, 3, 4)

  test("writes with one system call, without Bun and without a signal", () => {
    const { asked, write } = fakeStream(100, 0)
    expect(write(bytes)).toBe(4)
    expect(asked).toEqual(["send 9 1.2.3.4 16448"])
  })

  test.each([
    [3, 0, 3, "bun 4"],
    [1, 2, 3, "bun 2.3.4"],
    [-1, 4, 4, "bun 1.2.3.4"],
    [-1, -1, 0, "bun 1.2.3.4"],
    [2, -1, 2, "bun 3.4"],
  ])("gives Bun what is left when the system takes %p, so that it waits for room", (system, bun, taken, said) => {
    const { asked, write } = fakeStream(system, bun)
    expect(write(bytes)).toBe(taken)
    expect(asked).toEqual(["send 9 1.2.3.4 16448", said])
  })

  test("leaves all to Bun once the socket is closed, and where it has no descriptor", () => {
    for (const fd of [{ fd: -1 }, {}]) {
      const socket = { write: ({ length }: Uint8Array) => length, ...fd }
      const calls: SendCalls = { send: () => expect.unreachable(), sendto: () => expect.unreachable() }
      expect(directWriter(socket, () => calls)(bytes)).toBe(4)
    }
  })

  test("leaves all to Bun where there is no libc", () => {
    const none = () => {
      throw new Error("no libc")
    }
    expect(directWriter({ write: () => 3 }, none)(bytes)).toBe(3)
  })

  test("carries megabytes to a reader that pauses, whole and in order", async () => {
    const random = seededRandom(5)
    const pieces = Array.from({ length: 300 }, () => randomBytes(random, integer(random, 1, 65_536)))
    const whole = Buffer.concat(pieces)
    const got: Uint8Array[] = []
    let received = 0
    const listener = new StreamListener({
      address: { host: HOST, port: 0 },
      onConnection: (port) => {
        port.pause()
        setImmediate(() => port.resume())
        return {
          onData(chunk) {
            got.push(chunk)
            received += chunk.length
            // Again and again, so that the writer meets a full buffer.
            if (got.length % 3 === 0) {
              port.pause()
              setImmediate(() => port.resume())
            }
          },
          onDrain() {},
          onClose() {},
        }
      },
    })
    let blocked = 0
    const waiting = [...pieces]
    const opened = Promise.withResolvers<TcpPort>()
    const pump = async (): Promise<void> => {
      const port = await opened.promise
      for (let piece = waiting[0]; piece; piece = waiting[0]) {
        const taken = port.write(piece)
        if (taken < piece.length) {
          waiting[0] = piece.subarray(taken)
          blocked++
          return
        }
        waiting.shift()
      }
    }
    await connectTcp({
      address: listener.address,
      timeoutMs: 5_000,
      clock: systemClock,
      ownerOf: (port) => {
        opened.resolve(port)
        return { onData() {}, onDrain: () => void pump(), onClose() {} }
      },
    })
    void pump()
    await until(() => received === whole.length, "all bytes")
    expect(blocked).toBeGreaterThan(0)
    expect(Buffer.concat(got).equals(whole)).toBe(true)
    ;(await opened.promise).end()
    listener.close()
  })
})
