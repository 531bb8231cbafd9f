import { describe, expect, test } from "bun:test"
import { BMPConnection } from "../../src/connections/bmp-connection.ts"
import { SDPConnection } from "../../src/connections/sdp-connection.ts"
import { UDPConnection } from "../../src/connections/udp-connection.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { hex, Peer } from "./peer.ts"

async function pair() {
  const peer = await Peer.open()
  const connection = await BMPConnection.open({
    cabinet: 1,
    frame: 2,
    ipAddress: "127.0.0.1",
    boards: [0, 4],
    portNum: peer.port,
  })
  const close = async () => {
    connection.close()
    peer.close()
  }
  return { peer, connection, [Symbol.asyncDispose]: close }
}

describe("BMPConnection", () => {
  test("connects to the address and to port 17893 if no port is named", async () => {
    await using connection = await BMPConnection.open({ ipAddress: "127.0.0.1" })
    expect([connection.remoteIpAddress, connection.remotePort]).toEqual(["127.0.0.1", 17893])
    expect([connection.cabinet, connection.frame, connection.boards]).toEqual([0, 0, [0]])
  })

  test("knows cabinet, frame and boards; its chip is 0,0", async () => {
    await using ends = await pair()
    const { cabinet, frame, boards, chipX, chipY } = ends.connection
    expect({ cabinet, frame, boards, chipX, chipY }).toEqual({
      cabinet: 1,
      frame: 2,
      boards: [0, 4],
      chipX: 0,
      chipY: 0,
    })
    expect(String(ends.connection)).toStartWith("BMPConnection(cabinet=1, frame=2, boards=0,4, local=127.0.0.1:")
  })

  test("getScpData has source chip 0,0 and the board as destination core", async () => {
    await using ends = await pair()
    // The bytes of both spalloc servers for "board 0 on".
    const power = { command: Command.POWER, destX: 0, destY: 0, sequence: 7, arg1: 1, arg2: 1 }
    expect(ends.connection.getScpData(power)).toEqual(
      hex("0000 87ff00ff 00000000 3900 0700 01000000 01000000 00000000"),
    )
    expect(ends.connection.getScpData({ ...power, destCpu: 4 })[4]).toBe(4)
  })

  test("sends requests and receives responses", async () => {
    await using ends = await pair()
    ends.peer.answer = () => hex("0000 07 08 ff e0 00 00 02 00 8000 0500")
    await ends.connection.sendScpRequest({ command: Command.VER, destX: 0, destY: 0, sequence: 5 })
    const { result, sequence, offset } = await ends.connection.receiveScpResponse()
    expect({ result, sequence, offset }).toEqual({ result: Result.OK, sequence: 5, offset: 2 })
  })

  test("is a UDPConnection and no SDPConnection: getReceiveMethod gives raw datagrams", async () => {
    await using ends = await pair()
    expect(ends.connection).toBeInstanceOf(UDPConnection)
    expect(ends.connection).not.toBeInstanceOf(SDPConnection)
    expect("receiveSdpMessage" in ends.connection).toBe(false)
    ends.peer.send(hex("01"), ends.connection.localPort)
    expect(await ends.connection.getReceiveMethod()(1000)).toEqual(hex("01"))
  })
})
