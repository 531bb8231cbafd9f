import { afterEach, describe, expect, test } from "bun:test"
import { identify } from "../../src/connections/identify.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { errorOf, hex, Peer } from "./peer.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

/** Waits at a fiftieth of their length. */
const quick = { ask: { timeoutMs: 10, retries: 4 }, helloWaitMs: 90 }

async function board(options: object): Promise<UdpBoard> {
  const made = await UdpBoard.open({ scpPort: 0, bootPort: 0, ...options })
  open.push(made)
  return made
}

async function freePort(): Promise<number> {
  await using peer = await Peer.open()
  return peer.port
}

describe("identify", () => {
  test("a booted board", async () => {
    const { scp } = await board({ booted: true })
    const found = await identify({ host: "127.0.0.1", scpPort: scp.port, helloPort: await freePort() })
    expect(found).toMatchObject({ kind: "booted", version: { name: "SC&MP", x: 0, y: 0 } })
  })

  test("a board whose network is not up yet, and a BMP", async () => {
    await using peer = await Peer.open()
    const answer = (text: string, arg1: string) => (request: Uint8Array) => {
      const reply = hex(`0000 07 08 ff 00 00 00 00 00 8000 0000 ${arg1} 0001ffff 00000000`)
      reply.set(request.subarray(12, 14), 12)
      return Uint8Array.from([...reply, ...Buffer.from(text)])
    }
    const options = { host: "127.0.0.1", scpPort: peer.port, helloPort: await freePort() }
    peer.answer = answer("SC&MP/SpiNNaker\x004.0.0\0", "0000ffff")
    expect(await identify(options)).toMatchObject({ kind: "booting" })
    peer.answer = answer("BC&MP/Spin5-BMP\x002.1.2\0", "00000200")
    expect(await identify(options)).toMatchObject({ kind: "bmp", version: { version: "2.1.2" } })
  })

  test("an unbooted board, by its hello; another sender's hello is not it", async () => {
    await using scp = await Peer.open()
    await using rom = await Peer.open()
    await using stranger = await Peer.open()
    const helloPort = await freePort()
    const options = { host: "127.0.0.1", scpPort: scp.port, bootPort: rom.port, helloPort, ...quick }
    // VER is heard by nobody who answers; the beacon comes while it is being asked.
    scp.answer = () => {
      stranger.send(hex("00"), helloPort)
      rom.send(hex("0001 00000041 02010000 00000000 43505453"), helloPort)
      return undefined
    }
    // Ends with the beacon: a long wait costs nothing, and a busy machine needs it.
    expect(await identify({ ...options, helloWaitMs: 5_000 })).toEqual({ kind: "unbooted" })
    scp.answer = () => {
      stranger.send(hex("00"), helloPort)
      return undefined
    }
    expect(await identify(options)).toEqual({ kind: "no-answer", detail: "no answer to VER", deaf: undefined })
  })

  test("nobody, with a port that is closed said as such", async () => {
    const scpPort = await freePort()
    const found = await identify({ host: "127.0.0.1", scpPort, helloPort: await freePort(), ...quick })
    expect(found).toMatchObject({ kind: "no-answer", detail: expect.stringContaining("ECONNREFUSED") })
  })

  test("nobody, and the beacon's port is another program's", async () => {
    await using scp = await Peer.open()
    await using other = await Peer.open()
    const found = await identify({ host: "127.0.0.1", scpPort: scp.port, helloPort: other.port, ...quick })
    expect(found).toMatchObject({ kind: "no-answer", deaf: expect.stringContaining("EADDRINUSE") })
  })

  test("a name without an address rejects", async () => {
    expect((await errorOf(identify({ host: "no-such-board.invalid" }))).message).toContain("no-such-board.invalid")
  })

  test("a signal ends it", async () => {
    await using scp = await Peer.open()
    const stop = new AbortController()
    scp.answer = () => {
      stop.abort(new Error("enough"))
      return undefined
    }
    const options = { host: "127.0.0.1", scpPort: scp.port, helloPort: await freePort(), signal: stop.signal }
    expect((await errorOf(identify(options))).message).toBe("enough")
  })
})
