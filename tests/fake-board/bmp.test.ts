import { describe, expect, test } from "bun:test"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"
import { type AskOptions, setUpBoard } from "./board-harness.ts"

const HOST = "127.0.0.9"
const TO = { host: HOST, port: 17_893 }

function setUp(options: Parameters<typeof setUpBoard>[0] = {}) {
  const harness = setUpBoard({ bmp: { host: HOST, powerOnMs: 2000 }, ...options })
  /** Asks the BMP, for the board in a slot. */
  const askBmp = (command: number, args: number[] = [], more: AskOptions = {}, slot = 0) =>
    harness.ask(command, args, { to: TO, dest: { x: 0, y: 0, cpu: slot }, ...more })
  return { ...harness, askBmp }
}

describe("the BMP", () => {
  test("answers on its own address, with its own name", () => {
    const { askBmp, sent } = setUp()
    const [reply] = askBmp(Command.VER)
    expect(decodeVersion(reply!)).toMatchObject({ name: "BC&MP", hardware: "Spin5-BMP", version: "2.1.2" })
    expect(sent[0]?.from).toEqual(TO)
    expect(reply?.sdp).toMatchObject({ destPort: 7, destCpu: 0 })
  })

  test("switches power: off is dark at once, on takes its time and puts the ROM back", () => {
    const { askBmp, ask, board, clock, sent, boot } = setUp({ booted: true })
    expect(ask(Command.VER)).toHaveLength(1)
    expect(askBmp(Command.POWER, [0, 1])).toMatchObject([{ result: Result.OK }])
    expect(board.phase).toBe("off")
    expect(ask(Command.VER)).toEqual([])
    boot()
    expect(board.counters.lost.get("off")).toBe(6)
    const before = sent.length
    expect(askBmp(Command.POWER, [1, 1])).toEqual([])
    clock.advance(1999)
    expect(sent).toHaveLength(before)
    expect(board.phase).toBe("off")
    clock.advance(1)
    expect(sent).toHaveLength(before + 1)
    expect(board.phase).toBe("rom")
    boot()
    clock.advance(5000)
    expect(board.phase).toBe("up")
  })

  test("switched on again takes a running SC&MP away", () => {
    const { askBmp, board, clock } = setUp({ booted: true })
    askBmp(Command.POWER, [1, 1])
    expect(board.phase).toBe("off")
    clock.advance(2000)
    expect(board.phase).toBe("rom")
  })

  test("switches the boards of its mask, one delay after another, and answers for its own", () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 } })
    const { askBmp, board, clock, sent } = setUp({ shape, poweredOff: true })
    askBmp(Command.POWER, [(100 << 16) | 1, 0b110])
    expect(sent).toHaveLength(1)
    const phases = (): string[] => [0, 1, 2].map((number) => board.phaseOf(number))
    clock.advance(2099)
    expect(phases()).toEqual(["off", "off", "off"])
    clock.advance(1)
    expect(phases()).toEqual(["off", "rom", "off"])
    clock.advance(100)
    expect(phases()).toEqual(["off", "rom", "rom"])
  })

  test("finds no board in an empty slot, and no other port", () => {
    const { askBmp } = setUp()
    expect(askBmp(Command.VER, [], {}, 5)).toMatchObject([{ result: Result.ROUTE }])
    expect(askBmp(Command.VER, [], { dest: { x: 0, y: 0, cpu: 0, port: 1 } })).toMatchObject([{ result: Result.PORT }])
    expect(askBmp(Command.SIG)).toMatchObject([{ result: Result.CMD }])
  })

  test.each([
    ["POWER 2", Command.POWER, [2, 1]],
    ["FPGA 3", Command.LINK_READ, [0, 4, 3]],
    ["257 bytes of FPGA", Command.LINK_READ, [0, 257, 0]],
    ["BMP_INFO 6", Command.BMP_INFO, [6]],
    ["BMP_EE with CRC", Command.BMP_EE, [0, 4, 2]],
    ["RESET 3", Command.RESET, [3, 1]],
    ["XILINX 3", Command.XILINX, [3]],
  ])("answers %s with ARG", (_what, command, args) => {
    const { askBmp } = setUp()
    expect(askBmp(command, args)).toMatchObject([{ result: Result.ARG }])
  })

  test("keeps FPGA registers, flash and memory of each slot apart", () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 } })
    const { askBmp } = setUp({ shape })
    const data = Uint8Array.of(1, 2, 3, 4)
    askBmp(Command.LINK_WRITE, [0x5c, 4, 1], { data })
    expect(askBmp(Command.LINK_READ, [0x5c, 4, 1])[0]?.body).toEqual(data)
    expect(askBmp(Command.LINK_READ, [0x5c, 4, 2])[0]?.body).toEqual(new Uint8Array(4))
    expect(askBmp(Command.LINK_READ, [0x5c, 4, 1], {}, 1)[0]?.body).toEqual(new Uint8Array(4))
    askBmp(Command.BMP_SF, [0x100, 4, 1], { data })
    expect(askBmp(Command.BMP_SF, [0x100, 4, 0])[0]?.body).toEqual(data)
    // CRC-32 of 01 02 03 04.
    expect(askBmp(Command.BMP_SF, [0x100, 4, 2])[0]?.body).toEqual(Uint8Array.of(0xcd, 0xfb, 0x3c, 0xb6))
  })

  test("says of each FPGA which one it is, and loads all of them anew when it switches their board on", () => {
    const { askBmp, clock } = setUp()
    const flags = (): (number | undefined)[] =>
      [0, 1, 2].map((fpga) => askBmp(Command.LINK_READ, [0x40004, 4, fpga])[0]?.body[0])
    expect(flags()).toEqual([0, 1, 2])
    const stop = (): number | undefined => askBmp(Command.LINK_READ, [0x5c, 4, 1])[0]?.body[0]
    askBmp(Command.LINK_WRITE, [0x5c, 4, 1], { data: Uint8Array.of(1, 0, 0, 0) })
    expect(stop()).toBe(1)
    askBmp(Command.POWER, [0, 1])
    expect(stop()).toBe(1)
    askBmp(Command.POWER, [1, 1])
    clock.advance(5000)
    expect(stop()).toBe(0)
    expect(flags()).toEqual([0, 1, 2])
  })

  test("gives 48 bytes of voltages, temperatures and fans", () => {
    const { askBmp } = setUp()
    const body = askBmp(Command.BMP_INFO, [3])[0]!.body
    expect(body).toHaveLength(48)
    const supply = new DataView(body.buffer, body.byteOffset).getUint16(14, true)
    expect((supply * 15) / 4096).toBeCloseTo(12, 1)
  })

  test("has eight transient tags of its own", () => {
    const { askBmp, clock, board } = setUp()
    for (let copy = 0; copy < 8; copy++) expect(askBmp(Command.POWER, [1, 1])).toEqual([])
    expect(askBmp(Command.VER)).toEqual([])
    expect(board.counters.lost.get("no-tag")).toBe(1)
    clock.advance(2560)
    expect(askBmp(Command.VER)).toHaveLength(1)
  })
})
