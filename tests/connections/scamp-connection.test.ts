import { describe, expect, test } from "bun:test"
import {
  SpinnmanInvalidPacketException,
  SpinnmanInvalidParameterException,
  SpinnmanTimeoutException,
} from "../../src/connections/exceptions.ts"
import { SCAMPConnection } from "../../src/connections/scamp-connection.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { errorOf, hex, Peer } from "./peer.ts"

async function pair(options: Parameters<typeof SCAMPConnection.open>[0] = {}) {
  const peer = await Peer.open()
  const connection = await SCAMPConnection.open({ remoteHost: "127.0.0.1", remotePort: peer.port, ...options })
  const close = async () => {
    connection.close()
    peer.close()
  }
  return { peer, connection, [Symbol.asyncDispose]: close }
}

const VER = { command: Command.VER, destX: 0, destY: 0 } as const
const OK_7 = hex("0000 07 08 ff 00 00 00 00 00 8000 0700 0102")

describe("SCAMPConnection", () => {
  test("talks to port 17893 if no port is named", async () => {
    await using connection = await SCAMPConnection.open({ remoteHost: "127.0.0.1" })
    expect(connection.remotePort).toBe(17893)
  })

  test("is at chip 255,255 until told otherwise", async () => {
    await using ends = await pair()
    expect([ends.connection.chipX, ends.connection.chipY]).toEqual([255, 255])
    ends.connection.updateChipCoordinates(3, 4)
    expect([ends.connection.chipX, ends.connection.chipY]).toEqual([3, 4])
    expect(() => ends.connection.updateChipCoordinates(3, 256)).toThrow(SpinnmanInvalidParameterException)
  })

  test("VER is 26 bytes, byte for byte what SpiNNMan sends", async () => {
    await using ends = await pair()
    expect(ends.connection.getScpData(VER)).toEqual(hex("0000 87ff00ff 0000 ffff 0000 0000 00000000 00000000 00000000"))
  })

  test("getScpData: x,y are the source; sequence, arguments and data are the request's", async () => {
    await using ends = await pair()
    const write = { command: Command.WRITE, destX: 1, destY: 2, destCpu: 3, destPort: 1, sequence: 0x1234 }
    const request = { ...write, arg1: 0x60000000, arg2: 2, arg3: 1 << 31, data: hex("aabb") }
    expect(ends.connection.getScpData(request, 5, 6)).toEqual(
      hex("0000 87ff23ff 0201 0605 0300 3412 00000060 02000000 00000080 aabb"),
    )
  })

  test.each([
    { ...VER, sequence: 65536 },
    { ...VER, destX: 256 },
    { ...VER, data: new Uint8Array(257) },
    { ...VER, command: -1 },
  ])("getScpData refuses what does not fit (%#)", async (request) => {
    await using ends = await pair()
    expect(() => ends.connection.getScpData(request)).toThrow(SpinnmanInvalidParameterException)
  })

  test("sendScpRequest sends getScpData, once", async () => {
    await using ends = await pair()
    await ends.connection.sendScpRequest({ ...VER, sequence: 9 })
    expect((await ends.peer.next()).data).toEqual(ends.connection.getScpData({ ...VER, sequence: 9 }))
    expect(ends.peer.got).toEqual([])
  })

  test("sendScpRequestTo sends elsewhere, with the source chip given", async () => {
    await using ends = await pair()
    await using other = await Peer.open()
    await ends.connection.sendScpRequestTo(VER, 1, 2, "127.0.0.1", other.port)
    expect((await other.next()).data).toEqual(ends.connection.getScpData(VER, 1, 2))
  })

  test("receiveScpResponse gives result, sequence, the datagram and offset 2", async () => {
    await using ends = await pair()
    ends.peer.send(OK_7, ends.connection.localPort)
    expect(await ends.connection.receiveScpResponse()).toEqual({
      result: Result.OK,
      sequence: 7,
      data: OK_7,
      offset: 2,
    })
  })

  test("receiveScpResponseWithAddress says who answered as well", async () => {
    await using ends = await pair()
    ends.peer.send(OK_7, ends.connection.localPort)
    const from = { ipAddress: "127.0.0.1", port: ends.peer.port }
    expect(await ends.connection.receiveScpResponseWithAddress()).toEqual({
      result: Result.OK,
      sequence: 7,
      data: OK_7,
      offset: 2,
      ...from,
    })
  })

  test("waits one second if no time is named", async () => {
    const clock = new FakeClock()
    await using ends = await pair({ clock })
    for (const receive of ["receiveScpResponse", "receiveScpResponseWithAddress"] as const) {
      const waiting = errorOf(ends.connection[receive]())
      clock.advance(999)
      expect(clock.pending).toBe(1)
      clock.advance(1)
      expect(await waiting).toBeInstanceOf(SpinnmanTimeoutException)
    }
  })

  test("an error result is returned, not thrown", async () => {
    await using ends = await pair()
    ends.peer.send(hex("0000 07 08 ff 00 00 00 00 00 8700 0100"), ends.connection.localPort)
    expect((await ends.connection.receiveScpResponse()).result).toBe(Result.ROUTE)
  })

  test.each([
    ["13 bytes", "0000 07 08 ff 00 00 00 00 00 8000 01", "13 bytes, expected at least 14"],
    ["an unknown result", "0000 07 08 ff 00 00 00 00 00 9000 0100", "result 0x90"],
  ])("%s is an invalid packet", async (_name, text, problem) => {
    await using ends = await pair()
    ends.peer.send(hex(text), ends.connection.localPort)
    const error = await errorOf(ends.connection.receiveScpResponse())
    expect(error).toBeInstanceOf(SpinnmanInvalidPacketException)
    expect(error.message).toContain(problem)
  })

  test("getReceiveMethod gives SDP messages, as inherited", async () => {
    await using ends = await pair()
    ends.peer.send(OK_7, ends.connection.localPort)
    expect((await ends.connection.getReceiveMethod()(1000)).payload).toEqual(OK_7.subarray(10))
  })
})
