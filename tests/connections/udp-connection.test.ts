import { describe, expect, test } from "bun:test"
import {
  SpinnmanEOFException,
  SpinnmanException,
  SpinnmanIOException,
  SpinnmanTimeoutException,
} from "../../src/connections/exceptions.ts"
import { RECEIVE_QUEUE_LIMIT } from "../../src/connections/receive-queue.ts"
import { UDPConnection } from "../../src/connections/udp-connection.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { errorOf, hex, Peer } from "./peer.ts"

const local = { localHost: "127.0.0.1" } as const
const to = (peer: Peer) => ({ remoteHost: "127.0.0.1", remotePort: peer.port })

describe("opening", () => {
  test("binds to all interfaces and a free port if nothing is named", async () => {
    await using connection = await UDPConnection.open()
    expect(connection.localIpAddress).toBe("0.0.0.0")
    expect(connection.localPort).toBeGreaterThan(0)
  })

  test("once connected, the local address is the one that it sends from", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    expect(connection.localIpAddress).toBe("127.0.0.1")
    expect([connection.remoteIpAddress, connection.remotePort]).toEqual(["127.0.0.1", peer.port])
  })

  test.each([{ remoteHost: "127.0.0.1" }, { remotePort: 4 }, {}])("only listens with %p", async (options) => {
    await using connection = await UDPConnection.open({ ...local, ...options })
    expect([connection.remoteIpAddress, connection.remotePort]).toEqual([undefined, undefined])
    const error = await errorOf(connection.send(hex("01")))
    expect(error).toBeInstanceOf(SpinnmanIOException)
    expect(error.message).toContain("Remote host and/or port not set")
  })

  test("resolves the remote's name, IPv4 first", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open({ remoteHost: "localhost", remotePort: peer.port })
    expect(connection.remoteIpAddress).toBe("127.0.0.1")
  })

  test("a name that does not exist is a SpinnmanIOException that says so", async () => {
    const error = await errorOf(UDPConnection.open({ remoteHost: "no-such-board.invalid", remotePort: 1 }))
    expect(error).toBeInstanceOf(SpinnmanIOException)
    expect(error.message).toContain("Error getting IP address for no-such-board.invalid")
  })

  test("a port in use is a SpinnmanIOException with host, port and code", async () => {
    await using peer = await Peer.open()
    const error = (await errorOf(UDPConnection.open({ ...local, localPort: peer.port }))) as SpinnmanIOException
    expect(error).toBeInstanceOf(SpinnmanIOException)
    expect(error.code).toBe("EADDRINUSE")
    expect(error.message).toContain(`Error binding socket to 127.0.0.1:${peer.port}`)
  })

  test("any local port will do, reserved ones included, where the system allows it", async () => {
    const outcome = await UDPConnection.open({ ...local, localPort: 1023 }).catch((error: SpinnmanIOException) => error)
    if (outcome instanceof SpinnmanIOException) expect(outcome.code).toMatch(/EACCES|EADDRINUSE/)
    else {
      expect(outcome.localPort).toBe(1023)
      outcome.close()
    }
  })

  test("asks for a larger receive buffer and says what it got; too little is no failure", async () => {
    const observer = new RecordingObserver()
    await using connection = await UDPConnection.open({ ...local, observer })
    expect(connection.closed).toBe(false)
    const [told] = observer.of("receive-buffer")
    if (process.platform === "linux") expect(told?.grantedBytes).toBeGreaterThan(0)
    if (told) expect(told.wantedBytes).toBeGreaterThanOrEqual(1 << 20)
  })

  test("says what it is", async () => {
    await using peer = await Peer.open()
    await using listener = await UDPConnection.open(local)
    await using connection = await UDPConnection.open(to(peer))
    expect(String(listener)).toBe(`UDPConnection(local=127.0.0.1:${listener.localPort}, remote=undefined)`)
    expect(String(connection)).toContain(`remote=127.0.0.1:${peer.port})`)
  })

  test("asyncDispose closes it and lets an exception through", async () => {
    let kept: UDPConnection | undefined
    const use = async () => {
      await using connection = await UDPConnection.open(local)
      kept = connection
      throw new Error("mine")
    }
    expect((await errorOf(use())).message).toBe("mine")
    expect(kept?.closed).toBe(true)
  })
})

describe("send", () => {
  test("sends one datagram to the remote", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    await connection.send(hex("010203"))
    expect(await peer.next()).toEqual({ data: hex("010203"), port: connection.localPort })
  })

  test("an empty datagram goes once and the promise resolves", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    await connection.send(new Uint8Array(0))
    await connection.send(hex("01"))
    expect((await peer.next()).data.length).toBe(0)
    expect((await peer.next()).data).toEqual(hex("01"))
  })

  test("sendTo works from a listener, from its own port, and to a name", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(local)
    await connection.sendTo(hex("01"), { host: "127.0.0.1", port: peer.port })
    expect(await peer.next()).toEqual({ data: hex("01"), port: connection.localPort })
    await connection.sendTo(hex("02"), { host: "localhost", port: peer.port })
    expect((await peer.next()).data).toEqual(hex("02"))
  })

  test("sendTo works from a connected one too, to others and to its own remote", async () => {
    await using peer = await Peer.open()
    await using other = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    await connection.sendTo(hex("01"), { host: "127.0.0.1", port: other.port })
    expect((await other.next()).data).toEqual(hex("01"))
    await connection.sendTo(hex("02"), { host: "127.0.0.1", port: peer.port })
    expect(await peer.next()).toEqual({ data: hex("02"), port: connection.localPort })
  })

  test("ICMP port-unreachable comes out of the next send, once", async () => {
    const peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    peer.close()
    let refusals = 0
    for (let sends = 0; sends < 50 && refusals === 0; sends++) {
      await connection.send(hex("01")).catch((error: SpinnmanIOException) => {
        expect(error).toBeInstanceOf(SpinnmanIOException)
        expect(error.code).toBe("ECONNREFUSED")
        expect(error.message).toContain("Error sending to 127.0.0.1:")
        refusals++
      })
      await connection.isReadyToReceive(0)
    }
    expect(refusals).toBe(1)
    await connection.send(hex("02"))
  })

  test("a vanished peer of a listener costs no other peer its datagram", async () => {
    const gone = await Peer.open()
    const goneAt = { host: "127.0.0.1", port: gone.port }
    gone.close()
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(local)
    for (let round = 0; round < 20; round++) {
      await connection.sendTo(hex("00"), goneAt)
      await connection.sendTo(Uint8Array.of(round), { host: "127.0.0.1", port: peer.port })
      expect((await peer.next()).data).toEqual(Uint8Array.of(round))
    }
  })

  test("a datagram beyond UDP's limit is a SpinnmanIOException", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    const error = (await errorOf(connection.send(new Uint8Array(65_508)))) as SpinnmanIOException
    expect([error.name, error.code]).toEqual(["SpinnmanIOException", "EMSGSIZE"])
  })
})

describe("receive", () => {
  test("gives datagrams in order, an empty one too", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    for (const data of ["01", "", "03"]) peer.send(hex(data), connection.localPort)
    expect(await connection.receive()).toEqual(hex("01"))
    expect(await connection.receive()).toEqual(new Uint8Array(0))
    expect(await connection.receive()).toEqual(hex("03"))
  })

  test("gives the sender's address as well", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(local)
    peer.send(hex("01"), connection.localPort)
    const { data, address } = await connection.receiveWithAddress()
    expect([data, address]).toEqual([hex("01"), { host: "127.0.0.1", port: peer.port }])
  })

  test("hands over a boot block of 1042 bytes whole", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(local)
    peer.send(new Uint8Array(1042).fill(7), connection.localPort)
    expect(await connection.receive()).toEqual(new Uint8Array(1042).fill(7))
  })

  test("times out after the milliseconds asked for, with operation and time in the exception", async () => {
    const clock = new FakeClock()
    await using connection = await UDPConnection.open({ ...local, clock })
    const waiting = errorOf(connection.receive(250))
    clock.advance(249)
    expect(clock.pending).toBe(1)
    clock.advance(1)
    const error = (await waiting) as SpinnmanTimeoutException
    expect(error).toBeInstanceOf(SpinnmanTimeoutException)
    expect(error).not.toBeInstanceOf(SpinnmanIOException)
    expect([error.operation, error.timeoutMs]).toEqual(["receive", 250])
    expect(error.message).toBe("Operation receive timed out after 0.25 seconds")
  })

  test("without a time it sets no timer: it waits for ever", async () => {
    const clock = new FakeClock()
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open({ ...to(peer), clock })
    const waiting = connection.receive()
    expect(clock.pending).toBe(0)
    peer.send(hex("01"), connection.localPort)
    expect(await waiting).toEqual(hex("01"))
  })

  test("with 0 it takes what has come and waits for nothing else", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    expect(await errorOf(connection.receive(0))).toBeInstanceOf(SpinnmanTimeoutException)
    peer.send(hex("01"), connection.localPort)
    expect(await connection.isReadyToReceive(1000)).toBe(true)
    expect(await connection.receive(0)).toEqual(hex("01"))
  })

  test("on a closed connection it is an EOF, which is an IO exception", async () => {
    const connection = await UDPConnection.open(local)
    connection.close()
    for (const call of [
      connection.receive(),
      connection.send(hex("01")),
      connection.sendTo(hex("01"), { host: "127.0.0.1", port: 9 }),
    ]) {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(SpinnmanEOFException)
      expect(error).toBeInstanceOf(SpinnmanIOException)
      expect(error).toBeInstanceOf(SpinnmanException)
    }
  })

  test("closing ends a wait at once, with EOF", async () => {
    const connection = await UDPConnection.open(local)
    const waiting = errorOf(connection.receive())
    connection.close()
    expect(await waiting).toBeInstanceOf(SpinnmanEOFException)
  })

  test("a signal calls a wait off and loses no datagram", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    const stop = new AbortController()
    const waiting = errorOf(connection.receive(1000, stop.signal))
    stop.abort(new Error("enough"))
    expect((await waiting).message).toBe("enough")
    peer.send(hex("01"), connection.localPort)
    expect(await connection.receive()).toEqual(hex("01"))
  })

  test("a connected one never sees datagrams from other addresses", async () => {
    await using peer = await Peer.open()
    await using stranger = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    stranger.send(hex("66"), connection.localPort)
    peer.send(hex("01"), connection.localPort)
    expect(await connection.receive()).toEqual(hex("01"))
    expect(await connection.isReadyToReceive(0)).toBe(false)
  })

  test("keeps a bounded number of datagrams and drops the oldest, counted", async () => {
    const observer = new RecordingObserver()
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open({ ...to(peer), observer })
    const number = (value: number) => Uint8Array.of(value >> 8, value & 0xff)
    const extra = 10
    for (let sent = 0; sent < RECEIVE_QUEUE_LIMIT.datagrams + extra; sent++) {
      peer.send(number(sent), connection.localPort)
      // Turns of the loop let the socket be emptied, so that the kernel loses none.
      if (sent % 64 === 63) await connection.isReadyToReceive(0)
      if (sent % 64 === 63) await new Promise((resolve) => setImmediate(resolve))
    }
    while ((observer.dropped.get("queue-full") ?? 0) < extra) await new Promise((resolve) => setImmediate(resolve))
    expect(observer.dropped.get("queue-full")).toBe(extra)
    expect(await connection.receive()).toEqual(number(extra))
  })
})

describe("the rest", () => {
  test("isReadyToReceive is false while nothing is there, and true when closed", async () => {
    const connection = await UDPConnection.open(local)
    expect(await connection.isReadyToReceive()).toBe(false)
    const waiting = connection.isReadyToReceive(60_000)
    connection.close()
    expect(await waiting).toBe(true)
    expect(await connection.isReadyToReceive()).toBe(true)
  })

  test("isReadyToReceive becomes true when a datagram comes, and takes nothing", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    const waiting = connection.isReadyToReceive(60_000)
    peer.send(hex("01"), connection.localPort)
    expect(await waiting).toBe(true)
    expect(await connection.receive(0)).toEqual(hex("01"))
  })

  test("isConnected pings up to five times and says true at the first answer", async () => {
    await using peer = await Peer.open()
    const asked: string[] = []
    const answering = (after: number) => async (host: string) => asked.push(host) > after
    await using late = await UDPConnection.open({ ...to(peer), ping: answering(3) })
    expect(await late.isConnected()).toBe(true)
    expect(asked).toEqual(Array(4).fill("127.0.0.1"))
    asked.length = 0
    await using never = await UDPConnection.open({ ...to(peer), ping: answering(99) })
    expect(await never.isConnected()).toBe(false)
    expect(asked.length).toBe(5)
  })

  test("isConnected is false without a ping if closed or only listening", async () => {
    const ping = () => Promise.reject(new Error("not to be asked"))
    const listener = await UDPConnection.open({ ...local, ping })
    expect(await listener.isConnected()).toBe(false)
    await using peer = await Peer.open()
    const closed = await UDPConnection.open({ ...to(peer), ping })
    for (const connection of [listener, closed]) connection.close()
    expect(await closed.isConnected()).toBe(false)
  })

  test("closing twice is closing once", async () => {
    const connection = await UDPConnection.open(local)
    const before = String(connection)
    connection.close()
    connection.close()
    expect(connection.closed).toBe(true)
    expect(String(connection)).toBe(before)
  })

  test("getReceiveMethod is receive", async () => {
    await using peer = await Peer.open()
    await using connection = await UDPConnection.open(to(peer))
    peer.send(hex("01"), connection.localPort)
    expect(await connection.getReceiveMethod()(1000)).toEqual(hex("01"))
  })

  test("iterating gives what comes until the connection is closed", async () => {
    await using peer = await Peer.open()
    const connection = await UDPConnection.open(to(peer))
    for (const data of ["01", "02"]) peer.send(hex(data), connection.localPort)
    const got: unknown[] = []
    for await (const data of connection) {
      got.push(data)
      if (got.length === 2) connection.close()
    }
    expect(got).toEqual([hex("01"), hex("02")])
  })
})
