import { describe, expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { getMachineInfo } from "../../src/connections/machine-info.ts"
import { SCAMPConnection } from "../../src/connections/scamp-connection.ts"
import { SCPRequestPipeLine } from "../../src/connections/scp-request-pipeline.ts"
import { HELLO } from "../../src/fake-board/board.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { encodeIptagRequest } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { encodeSdp } from "../../src/protocol/sdp.ts"
import type { AddressBook } from "../../src/relay/address-book.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { TcpCarrier } from "../../src/transport/tcp-dial.ts"
import { openSocket } from "../../src/transport/udp-socket.ts"
import { Application } from "../support/application.ts"
import { readCapturedBoot } from "../support/captured-boot.ts"
import { testContext } from "../support/chain.ts"
import { readRequest, scpRequest, verRequest } from "../support/scp-requests.ts"
import { startSeveralBoards } from "../support/several-boards.ts"
import { iptag, TagProgram } from "../support/tag-program.ts"
import { closing, manyLoopbacks, plain } from "../support/udp.ts"
import { until } from "../support/until.ts"

/** Addresses of this file's own, so that others do not meet it there. */
const HOST = "127.41.0.1"
const BIND = "127.41.1.1"

describe.if(manyLoopbacks)("several boards behind one client", () => {
  test("each has an address here, and a program finds and uses all of them as the machine tells it", async () => {
    await using all = await startSeveralBoards({ host: HOST, bind: BIND })
    const locals = all.machine.board.hosts.map((host) => all.localOf(host))
    expect(locals).toEqual(["127.41.1.1", "127.41.1.2", "127.41.1.3"])
    const remotePort = all.clientSettings.scpPort
    await using scamp = await SCAMPConnection.open({ remoteHost: BIND, remotePort })
    const machine = await getMachineInfo(new SCPRequestPipeLine(scamp, { channels: 6 }))
    expect(machine.chips).toHaveLength(144)
    const ethernets = machine.chips.filter((chip) => chip.ethernetUp)
    expect(ethernets.map(({ ipAddress }) => ipAddress).toSorted()).toEqual(locals as string[])
    for (const { x, y, ipAddress } of ethernets) {
      await using connection = await SCAMPConnection.open({ remoteHost: ipAddress!, remotePort, chipX: x, chipY: y })
      const found = await getMachineInfo(new SCPRequestPipeLine(connection, { channels: 4 }))
      // 255,255 is the chip that the machine booted from, whichever board is asked.
      expect(found.chips).toHaveLength(144)
    }
    expect(all.clientObserver.of("board-elsewhere")).toEqual([])
    expect(all.clientObserver.of("internal-error")).toEqual([])
  })

  test("a read that has sv.ip_addr in its middle, by either address of system RAM, tells the address here", async () => {
    await using all = await startSeveralBoards({ host: HOST, bind: BIND })
    using program = await Application.open(all.clientSettings.scpPort, BIND)
    for (const base of [0xf500_7f00, 0xe500_7f00]) {
      program.send(readRequest(1, base, 256))
      const reply = decodeScpReply((await program.next())!)!
      expect([...reply.body.subarray(0xf0, 0xf4)]).toEqual([127, 41, 1, 1])
    }
    using direct = await Application.open(all.machine.scp.port, HOST)
    direct.send(readRequest(1, 0xf500_7ff0, 4))
    expect([...decodeScpReply((await direct.next())!)!.body]).toEqual([127, 41, 0, 1])
  })

  test("an address given with --address is used, and one that was given before is given again", async () => {
    let book: AddressBook = {}
    const store = {
      load: () => book,
      save(next: AddressBook) {
        book = next
      },
    }
    const tunnels: Record<string, string> = {}
    {
      const addresses = new Map([["127.41.0.2", "127.41.1.9"]])
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, store, client: { addresses } })
      expect(all.localOf("127.41.0.2")).toBe("127.41.1.9")
      expect(all.localOf("127.41.0.3")).toBe("127.41.1.2")
      const relay = `127.0.0.1:${all.clientSettings.scpTunnelPort}`
      expect(book).toEqual({ [relay]: { "127.41.0.3": "127.41.1.2" } })
      Object.assign(tunnels, { relay })
    }
    {
      book = { [tunnels.relay!]: { "127.41.0.2": "127.41.1.7" } }
      const scpTunnelPort = Number(tunnels.relay!.split(":")[1])
      const same = { server: { scpTunnelPort }, client: { scpTunnelPort } }
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, store, ...same })
      expect(all.localOf("127.41.0.2")).toBe("127.41.1.7")
      expect(all.localOf("127.41.0.3")).toBe("127.41.1.2")
    }
  })

  test("an address whose port another program has is passed over; one that was fixed is complained of", async () => {
    const thief = await plain("127.41.1.2")
    const client = { scpPort: thief.port }
    {
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, client })
      expect(all.localOf("127.41.0.2")).toBe("127.41.1.3")
    }
    const addresses = new Map([["127.41.0.2", "127.41.1.2"]])
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, client: { ...client, addresses } }, 2)
    await until(() => all.clientObserver.of("board-no-address").length === 1, "the complaint")
    expect(all.clientObserver.of("board-no-address")[0]).toMatchObject({ board: "127.41.0.2", address: "127.41.1.2" })
    expect(all.localOf("127.41.0.3")).toBe("127.41.1.3")
  })

  test.each([
    ["UDP", { bootViaTcp: false, sdpViaTcp: false }],
    ["-t", { bootViaTcp: true, sdpViaTcp: false }],
    ["-T", { bootViaTcp: false, sdpViaTcp: true }],
  ])(
    "what each board sends by the same IP tag comes from that board's address here, over %s",
    async (_mode, client) => {
      const programs = ["0,0,5=echo", "8,4,5=echo", "4,8,5=echo"].map(parsePlacedProgram)
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, board: { programs }, client })
      const port = all.clientSettings.scpPort
      for (const [board, [destX, destY]] of [
        [0, 0],
        [8, 4],
        [4, 8],
      ].entries() as Iterable<[number, [number, number]]>) {
        const local = all.localOf(all.machine.board.hosts[board]!)!
        using program = await TagProgram.open(port, local)
        // To the board's own Ethernet chip: 255,255 is the first board's, whichever board is asked.
        const words = encodeIptagRequest(iptag({ tag: 1, port: program.receiver.port, strip: true }))
        program.scp.send(scpRequest({ sequence: 1, command: Command.IPTAG, sdp: toChip(destX, destY), ...words }))
        expect(decodeScpReply((await program.scp.next())!)?.result).toBe(Result.OK)
        const header = { flags: 7, tag: 1, destPort: 1, destCpu: 5, srcPort: 7, srcCpu: 31, srcX: 0, srcY: 0 }
        const text = `from board ${board}`
        program.scp.send(encodeSdp({ ...header, destX, destY }, new TextEncoder().encode(text)))
        const received = await program.receiver.next()
        expect([received?.text, received?.from]).toEqual([text, `${local}:${port}`])
      }
    },
  )

  test("over UDP a further board is booted over the connection beside the UDP flows", async () => {
    const client = { bootViaTcp: false, sdpViaTcp: false }
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, board: { booted: false }, client })
    const capture = await readCapturedBoot("rig-boot-spin5")
    using program = await Application.open(all.clientSettings.bootPort, all.localOf("127.41.0.2")!)
    for (const { payload } of capture.sent.filter(({ service }) => service === "boot")) {
      program.send(payload)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => all.machine.board.image !== undefined, "the image")
    expect(all.machine.board.image?.digest).toBe(capture.digest!)
  })

  test("with --boards all the server asks the machine for its boards, also when it is booted later", async () => {
    const server = { boards: "all" as const }
    {
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, server })
      expect(all.machine.board.hosts.map((host) => all.localOf(host))).toEqual([
        "127.41.1.1",
        "127.41.1.2",
        "127.41.1.3",
      ])
      expect(all.serverObserver.of("boards-found")).toEqual([
        { type: "boards-found", board: HOST, served: ["127.41.0.2", "127.41.0.3"], ignored: [] },
      ])
    }
    const board = { booted: false, silentMs: 50, bootingMs: 50 }
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, board, server }, 1)
    using program = await Application.open(all.clientSettings.bootPort, BIND)
    const { sent } = await readCapturedBoot("rig-boot-spin5")
    for (const { service, payload } of sent) if (service === "boot") program.send(payload)
    await until(() => all.localOf("127.41.0.3") !== undefined, "the boards of the booted machine", 10_000)
  })

  test("a board that the server does not serve is told of when a program reads its address", async () => {
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, server: { boards: [] } }, 1)
    expect(all.clientObserver.of("board-address").map(({ board }) => board)).toEqual([HOST])
    using program = await Application.open(all.clientSettings.scpPort, BIND)
    program.send(scpRequest({ sequence: 1, command: Command.INFO }))
    expect(decodeScpReply((await program.next())!)?.result).toBe(Result.OK)
    program.send(scpRequest({ sequence: 2, command: Command.INFO, sdp: toChip(8, 4) }))
    await program.next()
    expect(all.clientObserver.of("board-elsewhere")).toMatchObject([{ address: "127.41.0.2" }])
  })
})

describe.if(manyLoopbacks)("a flow of a mux connection", () => {
  test("to a board that the server does not serve, or to boot a BMP, is refused and nothing is sent", async () => {
    const bmp = "127.41.0.9"
    await using all = await startSeveralBoards({
      host: HOST,
      bind: BIND,
      board: { bmp: { host: bmp } },
      server: { bmp },
    })
    const context = testContext()
    const carrier = closing(
      new TcpCarrier({
        ...context,
        resolver: closing(new Resolver({ ...context, name: "127.0.0.1" })),
        port: all.serverSettings.scpTunnelPort,
        channel: "scp",
        matcher: { requested() {}, ownerOf: () => undefined, forget() {} },
      }),
    )
    const reasons: string[] = []
    for (const [board, channel] of [
      ["127.41.0.77", "scp"],
      ["198.51.100.1", "boot"],
      [bmp, "boot"],
    ] as const) {
      const link = carrier.dialBoard(board, channel)("127.0.0.1:4000")
      link.onClose = ({ code, detail }) => reasons.push(`${code} ${detail}`)
      link.onDatagram = () => reasons.push("an answer")
      link.send(verRequest(1))
    }
    await until(() => reasons.length === 3, "three refusals")
    expect(reasons.toSorted()).toEqual([
      "refused 127.41.0.9 is a BMP and takes no boots",
      "refused this server has no board 127.41.0.77",
      "refused this server has no board 198.51.100.1",
    ])
  })
})

describe.if(manyLoopbacks)("a BMP behind the relay", () => {
  test("has an address of its own, takes no boots, and is switched once, however often POWER is asked for", async () => {
    const bmp = "127.41.0.9"
    const board = { bmp: { host: bmp, powerOnMs: 300 } }
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, board, server: { bmp } }, 4)
    const local = all.localOf(bmp)!
    expect(local).toBe("127.41.1.4")
    using program = await Application.open(all.clientSettings.scpPort, local)
    program.send(verRequest(1))
    const version = decodeScpReply((await program.next())!)!
    expect(Buffer.from(version.body).toString()).toContain("BC&MP")
    const power = scpRequest({ sequence: 2, command: Command.POWER, arg1: 1, arg2: 1, sdp: bmpBoard0() })
    for (let repeat = 0; repeat < 5; repeat++) program.send(power)
    expect(decodeScpReply((await program.next(3_000))!)?.result).toBe(Result.OK)
    program.send(power)
    await program.next(200)
    expect(all.machine.board.counters.count(Command.POWER)).toBe(1)
    const boots = await plain(local, all.clientSettings.bootPort)
    expect(boots.port).toBe(all.clientSettings.bootPort)
  })
})

describe.if(process.platform === "linux")("the beacon of an unbooted board", () => {
  test.each([
    ["-T", true],
    ["UDP", false],
  ])(
    "is told once, and reaches a program beside the client as if the board were there, over %s",
    async (_mode, sdpViaTcp) => {
      await using all = await startSeveralBoards({ host: HOST, bind: BIND, client: { sdpViaTcp } })
      const heard: string[] = []
      const { bootPort } = all.clientSettings
      // As rig-discover does it: the port is shared with whoever asks for the same.
      const data = (_socket: unknown, datagram: Buffer, port: number, host: string): void => {
        heard.push(`${host}:${port} ${datagram.toString("hex")}`)
      }
      const options = { hostname: "0.0.0.0", port: bootPort, flags: 16, socket: { data, error() {} } }
      const discover = await Bun.udpSocket(options as Bun.udp.SocketOptions<"buffer">)
      closing(discover)
      const rom = await openSocket({ host: "127.41.0.2", port: 0 }, { onDatagram() {}, onError() {}, onDrain() {} })
      closing(rom)
      rom.setBroadcast?.(true)
      await until(() => {
        rom.send(HELLO, all.serverSettings.bootPort, "127.255.255.255")
        return heard.length > 0
      }, "the beacon")
      expect(new Set(heard)).toEqual(new Set([`127.41.1.2:${bootPort} ${Buffer.from(HELLO).toString("hex")}`]))
      expect(all.serverObserver.of("board-unbooted")).toEqual([
        { type: "board-unbooted", board: "127.41.0.2", served: true },
      ])
    },
  )

  test("is told apart from boots where the server takes boots at the beacons' port", async () => {
    const [port] = (await freePorts(1)) as [number]
    const server = { bootPort: port, bootTunnelPort: port }
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, server, client: { bootTunnelPort: port } })
    const rom = await plain("127.41.0.3")
    rom.socket.send(HELLO, port, "127.0.0.1")
    await until(() => all.serverObserver.of("board-unbooted").length === 1, "the beacon")
    expect(all.server.counts.flows).toBe(0)
    const program = await plain("127.41.9.9")
    program.socket.send(HELLO, port, "127.0.0.1")
    await until(() => all.server.counts.flows === 1, "the boot")
    expect(all.serverObserver.of("board-unbooted")).toHaveLength(1)
  })

  test("does not keep anything from working where its port is taken", async () => {
    const thief = await plain("127.255.255.255")
    const [server, client] = [{ bootPort: thief.port }, { bootListener: false }]
    await using all = await startSeveralBoards({ host: HOST, bind: BIND, server, client })
    await until(() => all.serverObserver.of("hello-unheard").length === 1, "the warning")
    using program = await Application.open(all.clientSettings.scpPort, BIND)
    program.send(verRequest(1))
    expect(decodeScpReply((await program.next())!)?.result).toBe(Result.OK)
    // With --no-boot-listener the boot port is anybody's.
    expect((await plain(BIND, all.clientSettings.bootPort)).port).toBe(all.clientSettings.bootPort)
  })
})

const fromHost = { flags: 0x87, tag: 0xff, destPort: 0, destCpu: 0, srcPort: 7, srcCpu: 31, srcX: 0, srcY: 0 }
const toChip = (destX: number, destY: number) => ({ ...fromHost, destX, destY })
const bmpBoard0 = () => ({ ...fromHost, destX: 0, destY: 0 })
