import { afterEach, describe, expect, test } from "bun:test"
import { createSocket } from "node:dgram"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { encodeIptagRequest, IptagOp } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, decodeScpRequest, encodeScpRequest } from "../../src/protocol/scp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

async function client(port: number, hostname = "127.0.0.1") {
  const waiting: ((datagram: Uint8Array) => void)[] = []
  const socket = await Bun.udpSocket({
    connect: { hostname, port },
    socket: { data: (_socket, datagram) => waiting.shift()?.(datagram), error() {} },
  })
  open.push(socket)
  const ask = (datagram: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      socket.send(datagram)
    })
  return { socket, ask }
}

const VER = Buffer.from("000087ff00ffffff00000000000000000000000000000000" + "0000", "hex")

describe("a board on UDP", () => {
  test("boots and answers on free ports", async () => {
    const booted = Promise.withResolvers<void>()
    const up = Promise.withResolvers<void>()
    const board = await UdpBoard.open({
      scpPort: 0,
      bootPort: 0,
      silentMs: 0,
      bootingMs: 0,
      onEvent: (event) => {
        if (event.type === "booted") booted.resolve()
        if (event.type === "phase" && event.phase === "up") up.resolve()
      },
    })
    open.push(board)
    expect(board.scp.port).not.toBe(board.boot.port)
    const boot = await client(board.boot.port)
    for (const datagram of encodeBootImage(new Uint8Array(1024).fill(3))) boot.socket.send(datagram)
    await booted.promise
    await up.promise
    const scp = await client(board.scp.port)
    const reply = await scp.ask(VER)
    expect(Buffer.from(reply).subarray(26, 31).toString()).toBe("SC&MP")
  })

  test("goes on answering others when clients vanish with answers on the way", async () => {
    const board = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true })
    open.push(board)
    const healthy = await client(board.scp.port)
    for (let round = 0; round < 20; round++) {
      const gone = await client(board.scp.port)
      for (let copy = 0; copy < 5; copy++) gone.socket.send(VER)
      gone.socket.close()
      await healthy.ask(VER)
    }
  })

  test("shares its boot port with a program that listens for hellos, as rig-discover does", async () => {
    const board = await UdpBoard.open({ host: "127.0.33.1", scpPort: 0, bootPort: 0 })
    open.push(board)
    const discover = createSocket({ type: "udp4", reuseAddr: true })
    open.push(discover)
    const bound = Promise.withResolvers<void>()
    discover.once("listening", bound.resolve).once("error", bound.reject).bind(board.boot.port, "0.0.0.0")
    await bound.promise
  })

  test("rejects with the system's code where a port is taken", async () => {
    const board = await UdpBoard.open({ scpPort: 0, bootPort: 0 })
    open.push(board)
    expect(UdpBoard.open({ scpPort: 0, bootPort: board.boot.port })).rejects.toMatchObject({ code: "EADDRINUSE" })
    expect(UdpBoard.open({ scpPort: board.scp.port, bootPort: 0 })).rejects.toMatchObject({ code: "EADDRINUSE" })
  })

  test("opens the port of a reverse tag before it says that the tag is set, and closes it with the tag", async () => {
    const board = await UdpBoard.open({
      scpPort: 0,
      bootPort: 0,
      booted: true,
      programs: [parsePlacedProgram("0,0,5=echo")],
    })
    open.push(board)
    const scp = await client(board.scp.port)
    const iptag = (operation: number, port: number): Uint8Array =>
      encodeScpRequest({
        sdp: decodeScpRequest(VER)!.sdp,
        command: Command.IPTAG,
        sequence: 1,
        ...encodeIptagRequest({
          operation,
          tag: 3,
          timeoutCode: 0,
          strip: true,
          reverse: true,
          useSender: false,
          port,
          address: 0,
          destAddress: 0,
          destPort: (1 << 5) | 5,
        }),
        data: new Uint8Array(0),
      })
    const port = await freePort()
    await scp.ask(iptag(IptagOp.set, port))
    const spikes = await client(port)
    expect(await spikes.ask(Uint8Array.of(1, 12, 7))).toEqual(Buffer.of(1, 12, 7))
    await scp.ask(iptag(IptagOp.clear, port))
    // The port is free again: somebody else can have it.
    const other = await Bun.udpSocket({ hostname: "127.0.0.1", port })
    open.push(other)
  })

  test("is many boards on as many addresses, and a BMP", async () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 } })
    const board = await UdpBoard.open({
      host: "127.0.31.1",
      scpPort: 0,
      bootPort: 0,
      booted: true,
      shape,
      bmp: { host: "127.0.31.9" },
    })
    open.push(board)
    for (const [host, name] of [
      ["127.0.31.1", "SC&MP"],
      ["127.0.31.3", "SC&MP"],
      ["127.0.31.9", "BC&MP"],
    ] as const) {
      const reply = await (await client(board.scp.port, host)).ask(VER)
      expect(decodeVersion(decodeScpReply(reply)!)).toMatchObject({ name })
    }
  })

  test("shows every datagram to whoever records", async () => {
    const seen: string[] = []
    const board = await UdpBoard.open({
      scpPort: 0,
      bootPort: 0,
      booted: true,
      onDatagram: (from, to) => seen.push(`${from.port} ${to.port}`),
    })
    open.push(board)
    const { ask, socket } = await client(board.scp.port)
    await ask(VER)
    expect(seen).toEqual([`${socket.port} ${board.scp.port}`, `${board.scp.port} ${socket.port}`])
  })

  // The issue asks for 30,000 a second on this machine; a loaded one must not fail the run for it.
  test("answers READs of 256 bytes fast enough never to be the bottleneck", async () => {
    const board = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true })
    open.push(board)
    const total = process.env.FULL === "1" ? 100_000 : 5000
    const read = encodeScpRequest({
      ...decodeScpRequest(VER)!,
      command: Command.READ,
      arg1: 0x60640000,
      arg2: 256,
      arg3: 2,
    })
    const done = Promise.withResolvers<void>()
    let answers = 0
    let asked = 0
    const socket = await Bun.udpSocket({
      connect: { hostname: "127.0.0.1", port: board.scp.port },
      socket: {
        data(_own, datagram) {
          if (datagram.length !== 270) done.reject(new Error(`${datagram.length} bytes`))
          if (++answers === total) done.resolve()
          else if (asked < total) {
            asked++
            socket.send(read)
          }
        },
        error() {},
      },
    })
    open.push(socket)
    const begun = performance.now()
    for (; asked < 8; asked++) socket.send(read)
    await done.promise
    const perSecond = total / ((performance.now() - begun) / 1000)
    if (process.env.FULL === "1") console.log(`${Math.round(perSecond)} reads a second, client in the same process`)
    expect(perSecond).toBeGreaterThan(process.env.FULL === "1" ? 30_000 : 3000)
  })
})

async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1" })
  const { port } = socket
  socket.close()
  return port
}
