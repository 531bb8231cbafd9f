import { describe, expect, test } from "bun:test"
import { BootConnection } from "../../src/connections/boot-connection.ts"
import {
  SpinnmanInvalidPacketException,
  SpinnmanInvalidParameterException,
  SpinnmanIOException,
} from "../../src/connections/exceptions.ts"
import { BootOpcode } from "../../src/protocol/boot.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { errorOf, hex, Peer } from "./peer.ts"

const message = (data: Uint8Array = new Uint8Array(0)) => ({
  opcode: BootOpcode.block,
  op1: 0xff02,
  op2: 0,
  op3: 0,
  data,
})

describe("BootConnection", () => {
  test("talks to port 54321 if no port is named", async () => {
    await using connection = await BootConnection.open({ remoteHost: "127.0.0.1" })
    expect(connection.remotePort).toBe(54321)
  })

  test("sends an 18-byte big-endian header and the data, then waits 100 ms", async () => {
    const clock = new FakeClock()
    await using peer = await Peer.open()
    await using connection = await BootConnection.open({ remoteHost: "127.0.0.1", remotePort: peer.port, clock })
    let done = false
    const sending = connection.sendBootMessage(message(hex("01020304"))).then(() => {
      done = true
    })
    expect((await peer.next()).data).toEqual(hex("0001 00000003 0000ff02 00000000 00000000 01020304"))
    clock.advance(99)
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toBe(false)
    clock.advance(1)
    await sending
    expect(done).toBe(true)
  })

  test("only listens without a host: sending says so", async () => {
    await using connection = await BootConnection.open()
    const error = await errorOf(connection.sendBootMessage(message()))
    expect(error).toBeInstanceOf(SpinnmanIOException)
    expect(error.message).toContain("Remote host")
  })

  test("refuses more than 1024 bytes of data", async () => {
    await using peer = await Peer.open()
    await using connection = await BootConnection.open({ remoteHost: "127.0.0.1", remotePort: peer.port, gapMs: 0 })
    await connection.sendBootMessage(message(new Uint8Array(1024)))
    const error = await errorOf(connection.sendBootMessage(message(new Uint8Array(1025))))
    expect(error).toBeInstanceOf(SpinnmanInvalidParameterException)
  })

  test("receives an 18-byte hello, and a whole block", async () => {
    await using peer = await Peer.open()
    await using connection = await BootConnection.open({ localHost: "127.0.0.1" })
    peer.send(hex("0001 00000041 02010000 00000000 43505453"), connection.localPort)
    const hello = await connection.receiveBootMessage(1000)
    expect(hello).toEqual({
      opcode: BootOpcode.hello,
      op1: 0x02010000,
      op2: 0,
      op3: 0x43505453,
      data: new Uint8Array(0),
    })
    peer.send(new Uint8Array(1042).fill(1).with(0, 0), connection.localPort)
    expect((await connection.getReceiveMethod()(1000)).data.length).toBe(1024)
  })

  test.each(["0001 00000041 02010000 00000000 435054", "0002 00000041 02010000 00000000 43505453"])(
    "%s is an invalid packet",
    async (text) => {
      await using peer = await Peer.open()
      await using connection = await BootConnection.open({ localHost: "127.0.0.1" })
      peer.send(hex(text), connection.localPort)
      expect(await errorOf(connection.receiveBootMessage(1000))).toBeInstanceOf(SpinnmanInvalidPacketException)
    },
  )
})
