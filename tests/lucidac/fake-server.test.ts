/** The fake device on real sockets: TCP and UDP, gone and back. */
import { afterEach, describe, expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { peekDatagram, type V1Message } from "../../src/lucidac/envelope.ts"
import { fakeMac } from "../../src/lucidac/fake-options.ts"
import { FakeServer, type FakeServerOptions } from "../../src/lucidac/fake-server.ts"
import { StartRunCommandSchema, UdpDataStreamingCommandSchema } from "../../src/lucidac/proto/lucidac_pb.ts"
import { peekRunData } from "../../src/lucidac/run-header.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { connectTcp, type TcpOwner } from "../../src/transport/tcp-port.ts"
import { openSocket } from "../../src/transport/udp-socket.ts"
import { until } from "../support/until.ts"
import { EXAMPLES } from "./byte-examples.ts"
import { MemoryClient } from "./memory-client.ts"

const toClose: (() => void)[] = []
afterEach(() => {
  for (const close of toClose.splice(0)) close()
})

async function open(options: Partial<FakeServerOptions> = {}): Promise<FakeServer> {
  const server = await FakeServer.open({
    address: { host: "127.0.0.1", port: 0 },
    macs: [fakeMac(0)],
    udp: false,
    ...options,
  })
  toClose.push(() => server.close())
  return server
}

/** A client whose bytes go over a socket; undefined where nobody listens. */
async function connect(server: FakeServer): Promise<MemoryClient | undefined> {
  let received: TcpOwner | undefined
  const result = await connectTcp({
    address: server.address,
    timeoutMs: 5_000,
    clock: systemClock,
    ownerOf: (port) => {
      toClose.push(() => port.abort())
      return { onData: (chunk) => client.port.write(chunk), onDrain() {}, onClose: () => client.port.end() }
    },
  })
  if (!result.ok) return undefined
  const port = result.port
  received = { onData: (chunk) => void port.write(chunk), onDrain() {}, onClose: () => port.abort() }
  const client: MemoryClient = new MemoryClient(() => received)
  return client
}

const RUN = {
  run: { id: "r" },
  runConfig: { opTime: { value: 20n, prefix: 1 } },
  daqConfig: { numChannels: 8, sampleRate: 64_000, sampleOp: true },
} as const

describe("FakeServer", () => {
  test("answers and streams over TCP", async () => {
    const client = (await connect(await open()))!
    client.sendBytes(EXAMPLES.reset)
    client.start(StartRunCommandSchema, RUN)
    await until(() => client.states.includes("DONE"), "the run's end")
    expect(client.v1[0]).toMatchObject({ id: "ab", arm: ARM.resetResponse })
    expect(client.chunks.map(({ chunk }) => chunk)).toEqual(Array.from({ length: 20 }, (_, chunk) => chunk))
  })

  test("streams by UDP to whoever asks for it", async () => {
    const server = await open({ udp: true })
    const client = (await connect(server))!
    const chunks: number[] = []
    const arms: number[] = []
    const socket = await openSocket(
      { host: "127.0.0.1", port: 0 },
      {
        onDatagram: (datagram) => {
          const { arm, payload } = peekDatagram(datagram) as V1Message
          arms.push(arm)
          if (arm === ARM.runData) chunks.push(peekRunData(payload)!.chunk)
        },
        onError() {},
        onDrain() {},
      },
    )
    toClose.push(() => socket.close())
    client.request(ARM.udpDataStreaming, UdpDataStreamingCommandSchema, { port: socket.address.port })
    client.start(StartRunCommandSchema, RUN)
    await until(() => arms.filter((arm) => arm === ARM.runStateChange).length === 5, "the run's end")
    expect(chunks).toEqual(Array.from({ length: 20 }, (_, chunk) => chunk))
    expect(client.v1.map(({ arm }) => arm)).toEqual([ARM.success, ARM.startRunResponse])
    expect(server.device.lostDatagrams).toBe(0)
  })

  test("is gone for everybody when it dies, and comes back on its port", async () => {
    const server = await open()
    const client = (await connect(server))!
    const { address } = server
    server.device.die()
    await until(() => client.ended, "the connection's end")
    expect(await connect(server)).toBeUndefined()
    server.revive()
    expect(server.address).toEqual(address)
    expect(await connect(server)).toBeDefined()
  })

  test("comes back by itself after a reboot, and after a death where it is told to", async () => {
    const server = await open({ backAfterMs: 1 })
    const answers = async () => {
      const client = await connect(server)
      client?.sendBytes(EXAMPLES.extract)
      await until(() => client === undefined || client.ended || client.v1.length > 0, "an answer")
      return (client?.v1.length ?? 0) > 0
    }
    for (const leave of [() => server.device.reboot(1), () => server.device.die()]) {
      expect(await answers()).toBe(true)
      leave()
      expect(server.device.connectionCount).toBe(0)
      let back = false
      for (let tries = 0; tries < 200 && !back; tries++) back = await answers()
      expect(back).toBe(true)
    }
  })

  test("a port that somebody has is refused, and leaves no socket behind", async () => {
    const { address } = await open()
    await expect(open({ address, udp: true })).rejects.toThrow()
  })
})
