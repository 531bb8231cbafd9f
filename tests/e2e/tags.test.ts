/**
 * IP tags with board, server and client as processes: every kind of tag in every mode, and straight at the server. The
 * board's echo program answers by the tag that it is asked by.
 */
import { describe, expect, test } from "bun:test"
import { type IptagRequest, ipToWord } from "../../src/protocol/iptag.ts"
import { Result } from "../../src/protocol/scp.ts"
import { SDP_PAYLOAD_OFFSET } from "../../src/protocol/sdp.ts"
import { type Child, freePorts, startBoard, startRelay } from "../support/relay-process.ts"
import { sdpToEcho, TagProgram } from "../support/tag-program.ts"
import { manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const BOARD_HOST = manyLoopbacks ? "127.0.0.79" : "127.0.0.1"

interface Case {
  readonly name: string
  readonly asked: (program: TagProgram) => Partial<IptagRequest>
  /** What comes by the tag: whole SDP, or its payload. */
  readonly stripped: boolean
  /** At the socket that asked, not at the receiver. */
  readonly toSender?: boolean
}

const LOCAL = ipToWord("127.0.0.1")

const CASES: readonly Case[] = [
  {
    name: "an address and a port",
    asked: ({ receiver }) => ({ address: LOCAL, port: receiver.port }),
    stripped: false,
  },
  { name: "0.0.0.0 and a port", asked: ({ receiver }) => ({ port: receiver.port }), stripped: false },
  { name: "a port, stripped", asked: ({ receiver }) => ({ port: receiver.port, strip: true }), stripped: true },
  { name: "the sender", asked: () => ({ useSender: true }), stripped: false, toSender: true },
  {
    name: "the sender, with 127.0.0.1 as SpiNNMan says it, stripped",
    asked: () => ({ useSender: true, address: LOCAL, strip: true }),
    stripped: true,
    toSender: true,
  },
]

/** Where programs go, and how the client is told to carry. */
const MODES: readonly { name: string; flags: readonly string[] | undefined }[] = [
  { name: "UDP", flags: [] },
  { name: "-t", flags: ["-t"] },
  { name: "-T", flags: ["-T"] },
  { name: "-t -T", flags: ["-t", "-T"] },
  { name: "no client, straight at the server", flags: undefined },
]

describe.each(MODES)("over $name", ({ flags }) => {
  test("every kind of tag brings the program what the board sends, and reverse tags carry both ways", async () => {
    await using board = await startBoard(["--booted", "--listen", BOARD_HOST, "--program", "0,0,5=echo"])
    const ports = (await freePorts(5)) as [number, number, number, number, number]
    const [scpTunnel, bootTunnel, scp, boot, rx] = ports
    const tunnels = ["--scp-tunnel-port", `${scpTunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
    const boardPorts = ["--scp-port", `${board.scp.port}`, "--boot-port", `${board.boot.port}`]
    await using server = startRelay(["-s", BOARD_HOST, "--bind", "127.0.0.1", ...boardPorts, ...tunnels])
    await server.waitForLine(/listening for boot/i)
    let client: Child | undefined
    if (flags) {
      const local = ["--scp-port", `${scp}`, "--boot-port", `${boot}`]
      client = startRelay(["-c", "127.0.0.1", ...flags, ...local, ...tunnels])
      await client.waitForLine(/listening for boot/i)
    }
    await using _client = client ?? { [Symbol.asyncDispose]: async () => {} }
    const at = flags ? scp : scpTunnel
    for (const { name, asked, stripped, toSender } of CASES) {
      using program = await TagProgram.open(at)
      expect((await program.ask({ tag: 1, ...asked(program) }))?.result).toBe(Result.OK)
      program.scp.send(sdpToEcho(name))
      const got = toSender ? await program.scp.next() : await program.receiver.next()
      const datagram = got instanceof Uint8Array ? got : got?.datagram
      const payload = datagram?.subarray(stripped ? 0 : SDP_PAYLOAD_OFFSET)
      expect(Buffer.from(payload ?? []).toString()).toBe(name)
      if (got && !(got instanceof Uint8Array)) expect(got.from).toBe(`127.0.0.1:${at}`)
    }
    if (!manyLoopbacks) return
    using program = await TagProgram.open(at)
    const reverse = { tag: 3, reverse: true, strip: true, port: rx, destPort: (1 << 5) | 5 }
    expect((await program.ask(reverse))?.result).toBe(Result.OK)
    program.receiver.send(new TextEncoder().encode("in"), rx)
    expect(await program.receiver.next()).toMatchObject({ text: "in", from: `127.0.0.1:${rx}` })
  })
})

test("text output by tag 0 comes to port 17892's program, and a program that is killed loses its tag", async () => {
  await using board = await startBoard(["--booted", "--program", "0,0,5=stream:tag=0,rate=50,keys=1"])
  const [scpTunnel, bootTunnel, scp, boot] = (await freePorts(4)) as [number, number, number, number]
  const tunnels = ["--scp-tunnel-port", `${scpTunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
  const boardPorts = ["--scp-port", `${board.scp.port}`, "--boot-port", `${board.boot.port}`]
  await using server = startRelay(["-s", "127.0.0.1", "--bind", "127.0.0.1", ...boardPorts, ...tunnels])
  await server.waitForLine(/listening for boot/i)
  const local = ["--scp-port", `${scp}`, "--boot-port", `${boot}`, "--idle-timeout", "1"]
  await using client = startRelay(["-c", "127.0.0.1", ...local, ...tunnels])
  await client.waitForLine(/listening for boot/i)
  const program = await TagProgram.open(scp)
  await program.ask({ tag: 0, port: program.receiver.port })
  await until(() => program.receiver.all.length > 5, "some text")
  await server.waitForLine(/has set IP tag 0/)
  program[Symbol.dispose]()
  await server.waitForLine(/left SCP: (idle|peer-closed)/)
})
