import { describe, expect, test } from "bun:test"
import { SpinnmanIOException } from "../../src/connections/exceptions.ts"
import { IPAddressesConnection } from "../../src/connections/ip-addresses-connection.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { errorOf, hex, Peer } from "./peer.ts"

const local = { localHost: "127.0.0.1", localPort: 0 } as const

describe("IPAddressesConnection", () => {
  test("gives the sender's address if it sent from the boot port, whatever it sent", async () => {
    await using board = await Peer.open()
    await using connection = await IPAddressesConnection.open({ ...local, sourcePort: board.port })
    board.send(hex("ff"), connection.localPort)
    expect(await connection.receiveIpAddress(1000)).toBe("127.0.0.1")
  })

  test("a datagram from another port is undefined at once, and the next is looked at by the next call", async () => {
    await using board = await Peer.open()
    await using stranger = await Peer.open()
    await using connection = await IPAddressesConnection.open({ ...local, sourcePort: board.port })
    stranger.send(hex("01"), connection.localPort)
    expect(await connection.receiveIpAddress()).toBeUndefined()
    board.send(hex("01"), connection.localPort)
    expect(await connection.getReceiveMethod()()).toBe("127.0.0.1")
  })

  test("time-out and closing are undefined: it never rejects", async () => {
    const clock = new FakeClock()
    const connection = await IPAddressesConnection.open({ ...local, clock })
    const late = connection.receiveIpAddress(100)
    clock.advance(100)
    expect(await late).toBeUndefined()
    const waiting = connection.receiveIpAddress()
    connection.close()
    expect(await waiting).toBeUndefined()
    expect(await connection.receiveIpAddress()).toBeUndefined()
  })

  test("a second listener on the port is refused", async () => {
    await using connection = await IPAddressesConnection.open(local)
    const again = errorOf(IPAddressesConnection.open({ ...local, localPort: connection.localPort }))
    const error = (await again) as SpinnmanIOException
    expect(error).toBeInstanceOf(SpinnmanIOException)
    expect(error.code).toBe("EADDRINUSE")
  })

  test("listens on port 54321 if no port is named", async () => {
    // The port may be another program's on the machine that runs this.
    const outcome = await IPAddressesConnection.open({ localHost: "127.0.0.1" }).catch((error: Error) => error)
    if (outcome instanceof Error) expect(outcome.message).toContain("127.0.0.1:54321")
    else {
      expect(outcome.localPort).toBe(54321)
      outcome.close()
    }
  })
})
