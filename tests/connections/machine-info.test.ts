import { afterEach, describe, expect, test } from "bun:test"
import { decodeChipInfo } from "../../src/connections/chip-info.ts"
import { getMachineInfo } from "../../src/connections/machine-info.ts"
import { SCAMPConnection } from "../../src/connections/scamp-connection.ts"
import { SCPRequestPipeLine } from "../../src/connections/scp-request-pipeline.ts"
import { MachineShape, type ShapeOptions } from "../../src/fake-board/machine-shape.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { Command, decodeScpReply, decodeScpRequest, Result } from "../../src/protocol/scp.ts"
import { hex } from "./peer.ts"
import { ScriptedScp } from "./scripted-scp.ts"

const open: { close(): void }[] = []
afterEach(() => {
  for (const thing of open.splice(0)) thing.close()
})

async function ask(shape: ShapeOptions, onProgress?: (done: number, total: number) => void) {
  const board = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true, shape: new MachineShape(shape) })
  const connection = await SCAMPConnection.open({ remoteHost: "127.0.0.1", remotePort: board.scp.port })
  open.push(board, connection)
  return await getMachineInfo(new SCPRequestPipeLine(connection), onProgress)
}

describe("decodeChipInfo", () => {
  test("reads the INFO of a capture", () => {
    const datagram = hex(
      "00000708ff000000000080000200 12ffff02 e4ff1b07 e0560000 070f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f 0000 7f000001",
    )
    expect(decodeChipInfo(0, 0, decodeScpReply(datagram)!)).toEqual({
      x: 0,
      y: 0,
      cores: 18,
      links: [0, 1, 2, 3, 4, 5],
      freeRouterEntries: 1023,
      ethernetUp: true,
      freeSdram: 0x071bffe4,
      freeSystemRam: 0x56e0,
      coreStates: [7, ...Array(17).fill(15)],
      ethernetX: 0,
      ethernetY: 0,
      ipAddress: "127.0.0.1",
    })
    expect(decodeChipInfo(0, 0, decodeScpReply(datagram.subarray(0, -1))!)).toBeUndefined()
  })
})

describe("getMachineInfo", () => {
  test("a SpiNN-5 board has 48 chips, one with Ethernet", async () => {
    const seen: number[] = []
    const machine = await ask({}, (done, total) => {
      expect(total).toBe(48)
      seen.push(done)
    })
    expect([machine.width, machine.height, machine.chips.length]).toEqual([8, 8, 48])
    expect(machine.version.name).toBe("SC&MP")
    expect(machine.chips.filter(({ ipAddress }) => ipAddress).map(({ x, y }) => [x, y])).toEqual([[0, 0]])
    expect(seen.at(-1)).toBe(48)
    const corner = machine.chips.find(({ x, y }) => x === 7 && y === 7)
    expect([corner?.links, corner?.ethernetX, corner?.ethernetY]).toEqual([[3, 4, 5], 0, 0])
  })

  test("dead chips, cores and links are not counted", async () => {
    const deadChips = [{ x: 3, y: 3 }]
    const machine = await ask({ deadChips, deadCores: [{ x: 0, y: 0, core: 4 }], deadLinks: [{ x: 0, y: 0, link: 0 }] })
    expect(machine.chips.length).toBe(47)
    expect(machine.chips.some(({ x, y }) => x === 3 && y === 3)).toBe(false)
    expect([machine.chips[0]?.cores, machine.chips[0]?.links]).toEqual([17, [1, 2]])
  })

  test("a SpiNN-3 board has 2 x 2 chips", async () => {
    const machine = await ask({ type: "spin3" })
    expect([machine.width, machine.height, machine.chips.length, machine.silent]).toEqual([2, 2, 4, []])
  })

  test("a chip of the P2P table that does not answer is listed with the reason, and the others are told", async () => {
    const board = await UdpBoard.open({ scpPort: 0, bootPort: 0, booted: true })
    const connection = await SCAMPConnection.open({ remoteHost: "127.0.0.1", remotePort: board.scp.port })
    open.push(board, connection)
    // A board where one chip refuses INFO: what the real answers would be, with that one changed.
    const scripted = new ScriptedScp()
    const inner = new SCPRequestPipeLine(connection)
    scripted.send = async (data) => {
      const { sdp, command, arg1, arg2, arg3, sequence } = decodeScpRequest(data)!
      if (command === Command.INFO && sdp.destX === 2 && sdp.destY === 2) {
        await scripted.reply(sequence, Result.P2P_REJECT)
        return
      }
      const { body } = await inner.request({ command, destX: sdp.destX, destY: sdp.destY, arg1, arg2, arg3 })
      await scripted.reply(sequence, Result.OK, body)
    }
    const machine = await getMachineInfo(new SCPRequestPipeLine(scripted, { clock: scripted.clock }))
    expect(machine.chips.length).toBe(47)
    expect(machine.silent).toEqual([{ x: 2, y: 2, reason: expect.stringContaining("P2P_REJECT") }])
  })
})
