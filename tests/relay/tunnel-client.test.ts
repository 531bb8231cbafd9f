/** Programs beside a client of the safe tunnel: boots, memory, tags and beacons as if the board were here. */
import { describe, expect, test } from "bun:test"
import { HELLO } from "../../src/fake-board/board.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import type { UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { ipToWord } from "../../src/protocol/iptag.ts"
import { decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { openSocket } from "../../src/transport/udp-socket.ts"
import { Application } from "../support/application.ts"
import { CAPTURED_BOOTS, readCapturedBoot, replayBoot } from "../support/captured-boot.ts"
import { SafeChain } from "../support/safe-chain.ts"
import { readRequest, SDRAM, verRequest, writeRequest } from "../support/scp-requests.ts"
import { Receiver, sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { closing, manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const ECHO: UdpBoardOptions = {
  booted: true,
  host: manyLoopbacks ? "127.44.0.1" : "127.0.0.1",
  programs: [parsePlacedProgram("0,0,5=echo")],
}

describe("through the safe tunnel", () => {
  test.each(CAPTURED_BOOTS)("%s ends at the board as it did when it was captured", async (name) => {
    const capture = await readCapturedBoot(name)
    const incomplete: number[][] = []
    await using chain = await SafeChain.start({
      usual: { bootGapMs: 1 },
      boards: [
        {
          silentMs: 1,
          bootingMs: 1,
          faults: { boot: { dropList: [...capture.dropped] } },
          onEvent: (event) => {
            if (event.type === "boot-incomplete") incomplete.push([...event.missing])
          },
        },
      ],
    })
    const { client } = await chain.client(chain.key("alice"))
    await replayBoot(capture, client.ports)
    const { board } = chain.board
    const ended = capture.digest === undefined ? () => incomplete.length > 0 : () => board.image !== undefined
    await until(ended, "the end of the boot")
    if (capture.digest === undefined) {
      expect(incomplete.at(-1)).toEqual([...capture.missing])
      expect(board.phase).toBe("rom")
    } else expect(board.image?.digest).toBe(capture.digest)
  })

  test("memory that is written is read back", async () => {
    await using chain = await SafeChain.start()
    const { client } = await chain.client(chain.key("alice"))
    using program = await Application.open(client.ports.scp)
    const data = Uint8Array.from({ length: 256 }, (_, index) => index)
    program.send(writeRequest(1, SDRAM, data))
    expect(decodeScpReply((await program.next())!)).toMatchObject({ result: Result.OK, sequence: 1 })
    program.send(readRequest(2, SDRAM, 256))
    const reply = decodeScpReply((await program.next())!)
    expect([reply?.sequence, reply?.body]).toEqual([2, data])
  })

  test("a tag for an address and one for the sender bring what the board sends, from the board's address here", async () => {
    await using chain = await SafeChain.start({ boards: [ECHO] })
    const { client } = await chain.client(chain.key("alice"))
    using program = await TagProgram.open(client.ports.scp)
    const { port } = program.receiver
    const address = ipToWord("127.0.0.1")
    expect((await program.ask({ tag: 1, address, port, strip: true }))?.result).toBe(Result.OK)
    program.scp.send(sdpToEcho("to a port"))
    expect(await program.receiver.next()).toMatchObject({ text: "to a port", from: `127.0.0.1:${client.ports.scp}` })
    await program.ask({ tag: 1, useSender: true, strip: true, address })
    program.scp.send(sdpToEcho("to you"))
    expect(await program.scp.next()).toEqual(new TextEncoder().encode("to you"))
  })

  test.skipIf(!manyLoopbacks)("a reverse tag carries both ways", async () => {
    await using chain = await SafeChain.start({ boards: [ECHO] })
    const { client } = await chain.client(chain.key("alice"))
    using program = await TagProgram.open(client.ports.scp)
    const rxPort = await freePort()
    const destPort = (1 << 5) | 5
    await program.ask({ tag: 1, port: program.receiver.port, strip: true })
    const reply = await program.ask({ tag: 3, reverse: true, strip: true, port: rxPort, destPort })
    expect(reply?.result).toBe(Result.OK)
    program.receiver.send(new TextEncoder().encode("in and out"), rxPort)
    expect(await program.receiver.next()).toMatchObject({ text: "in and out", from: `127.0.0.1:${rxPort}` })
  })

  test.skipIf(process.platform !== "linux")("the beacon of a board reaches its users, and nobody else", async () => {
    const boards = [
      { booted: true, host: "127.44.1.1" },
      { booted: true, host: "127.44.1.2" },
    ]
    const bootPort = await freePort()
    await using chain = await SafeChain.start({ boards, usual: { bootPort } })
    const alice = await chain.client(chain.key("alice", ["board-a"]))
    const bob = await chain.client(chain.key("bob", ["board-b"]))
    const heard: string[] = []
    for (const { settings } of [alice, bob]) {
      const data = (_own: unknown, datagram: Buffer, port: number): void => {
        if (datagram.equals(HELLO)) heard.push(port === alice.settings.bootPort ? "alice" : "bob")
      }
      const options = { hostname: "0.0.0.0", port: settings.bootPort, flags: 16, socket: { data, error() {} } }
      closing(await Bun.udpSocket(options as Bun.udp.SocketOptions<"buffer">))
    }
    const rom = closing(
      await openSocket({ host: "127.44.1.1", port: 0 }, { onDatagram() {}, onError() {}, onDrain() {} }),
    )
    rom.setBroadcast?.(true)
    await until(() => {
      rom.send(HELLO, bootPort, "127.255.255.255")
      return heard.length > 0
    }, "the beacon")
    // What the server had for Bob would have come before this answer.
    using program = await Application.open(bob.client.ports.scp)
    program.send(verRequest(1))
    expect(await program.next()).toBeDefined()
    expect(new Set(heard)).toEqual(new Set(["alice"]))
  })
})

async function freePort(): Promise<number> {
  using receiver = await Receiver.open()
  return receiver.port
}
