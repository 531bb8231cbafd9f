import { afterEach, describe, expect, test } from "bun:test"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

async function client(port: number) {
  const waiting: ((datagram: Uint8Array) => void)[] = []
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
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

  test("rejects with the system's code where a port is taken", async () => {
    const board = await UdpBoard.open({ scpPort: 0, bootPort: 0 })
    open.push(board)
    expect(UdpBoard.open({ scpPort: board.scp.port, bootPort: 0 })).rejects.toMatchObject({ code: "EADDRINUSE" })
  })
})
