import { describe, expect, test } from "bun:test"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { parsePlacedProgram } from "../../src/fake-board/shape-options.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"
import { IMAGE, setUpBoard, words } from "./board-harness.ts"

describe("messages on the machine", () => {
  test("reach every chip, each with its own memory", () => {
    const { ask, board } = setUpBoard({ booted: true })
    const chips = [...board.machine!.facts.shape.chips]
    for (const { x, y } of chips) {
      const data = Uint8Array.of(x, y, 1, 2)
      expect(ask(Command.WRITE, [0x60000000, 4, 2], { dest: { x, y }, data })).toMatchObject([{ result: Result.OK }])
    }
    for (const { x, y } of chips) {
      expect(ask(Command.READ, [0x60000000, 4, 2], { dest: { x, y } })[0]?.body).toEqual(Uint8Array.of(x, y, 1, 2))
      expect(decodeVersion(ask(Command.VER, [], { dest: { x, y } })[0]!)).toMatchObject({ x, y })
    }
  })

  test("name the far chip as their source and go back to the sender", () => {
    const { ask, sent } = setUpBoard({ booted: true })
    const [reply] = ask(Command.VER, [], { dest: { x: 3, y: 2 } })
    expect(reply?.sdp).toMatchObject({
      flags: 0x07,
      tag: 8,
      srcX: 3,
      srcY: 2,
      destX: 0,
      destY: 0,
      destPort: 7,
      destCpu: 31,
    })
    expect(sent).toHaveLength(1)
  })

  test("to a dead chip get ROUTE, to a dead core CPU; physical numbers skip the dead one", () => {
    const shape = new MachineShape({ deadChips: [{ x: 1, y: 1 }], deadCores: [{ x: 0, y: 0, core: 2 }] })
    const { ask } = setUpBoard({ booted: true, shape })
    expect(ask(Command.VER, [], { dest: { x: 1, y: 1 } })).toMatchObject([{ result: Result.ROUTE }])
    expect(ask(Command.VER, [], { dest: { x: 7, y: 0 } })).toMatchObject([{ result: Result.ROUTE }])
    expect(ask(Command.VER, [], { dest: { x: 0, y: 0, cpu: 17 } })).toMatchObject([{ result: Result.CPU }])
    const [reply] = ask(Command.VER, [], { dest: { x: 0, y: 0, cpu: 2 } })
    expect(decodeVersion(reply!)).toMatchObject({ name: "SARK", virtualCpu: 2, physicalCpu: 3 })
  })

  test("with bit 5 of the flags stay on the Ethernet chip", () => {
    const { ask } = setUpBoard({ booted: true })
    const [reply] = ask(Command.VER, [], { flags: 0xa7, dest: { x: 3, y: 3 } })
    expect(decodeVersion(reply!)).toMatchObject({ x: 0, y: 0 })
  })

  test("without bit 7 are executed but not answered, nor are their errors", () => {
    const { ask, board } = setUpBoard({ booted: true })
    expect(ask(Command.VER, [], { flags: 0x07 })).toEqual([])
    expect(ask(99, [], { flags: 0x07 })).toEqual([])
    expect(ask(Command.VER, [], { flags: 0x07, dest: { x: 99, y: 99 } })).toEqual([])
    expect(board.counters.count(Command.VER)).toBe(1)
  })

  test("of cores that answer each other's answers end", () => {
    const { ask, board } = setUpBoard({ booted: true })
    // Sent in the name of core 2 to core 1: SARK answers SARK, which answers SARK.
    ask(Command.VER, [], { flags: 0x07, source: 0x02, dest: { x: 0, y: 0, cpu: 1 } })
    expect(board.counters.lost.get("loop")).toBe(1)
  })

  test("between a program and SARK, or a program and itself, end too", () => {
    const { ask, board } = setUpBoard({ booted: true, programs: [parsePlacedProgram("0,0,5=echo")] })
    const dest = { x: 0, y: 0, cpu: 5, port: 1 }
    ask(Command.VER, [], { flags: 0x07, source: 0x01, dest })
    ask(Command.VER, [], { flags: 0x07, source: 0x25, dest })
    expect(board.counters.lost.get("loop")).toBe(2)
  })
})

describe("SARK on application cores", () => {
  test("keeps bit 7 in its answers, reads shared memory and its own", () => {
    const { ask } = setUpBoard({ booted: true })
    const dest = { x: 2, y: 1, cpu: 4 }
    const [version] = ask(Command.VER, [], { dest })
    expect(version?.sdp.flags).toBe(0x87)
    expect(decodeVersion(version!)).toMatchObject({ name: "SARK", x: 2, y: 1, virtualCpu: 4 })
    ask(Command.WRITE, [0x00400000, 4, 2], { dest, data: Uint8Array.of(1, 1, 1, 1) })
    ask(Command.WRITE, [0x60000000, 4, 2], { dest, data: Uint8Array.of(2, 2, 2, 2) })
    expect(words(ask(Command.READ, [0x00400000, 4, 2], { dest })[0])).toEqual([0x01010101])
    expect(words(ask(Command.READ, [0x00400000, 4, 2], { dest: { ...dest, cpu: 5 } })[0])).toEqual([0])
    expect(words(ask(Command.READ, [0x60000000, 4, 2], { dest: { ...dest, cpu: 0 } })[0])).toEqual([0x02020202])
    expect(ask(Command.IPTAG, [], { dest })).toMatchObject([{ result: Result.CMD }])
  })

  test("answers nothing on other ports, so that the request's tag stays lent for 2.56 s", () => {
    const { ask, clock, board } = setUpBoard({ booted: true })
    const dest = { x: 0, y: 0, cpu: 1, port: 1 }
    for (let copy = 0; copy < 8; copy++) expect(ask(0, [], { dest })).toEqual([])
    expect(ask(Command.VER)).toEqual([])
    clock.advance(2560)
    expect(ask(Command.VER)).toHaveLength(1)
    expect(board.counters.lost.get("no-listener")).toBe(8)
  })

  test("on a core that is powered down takes one message silently; the next gets TIMEOUT", () => {
    const { ask } = setUpBoard({ booted: true })
    ask(Command.SIG, [0, (1 << 16) | (0xff << 8) | 0, 0xffff])
    const dest = { x: 0, y: 0, cpu: 3 }
    expect(ask(Command.VER, [], { dest })).toEqual([])
    expect(ask(Command.VER, [], { dest })).toMatchObject([{ result: Result.TIMEOUT }])
  })
})

describe("a machine of three boards", () => {
  const shape = new MachineShape({ triads: { width: 1, height: 1 } })

  test("answers on each board's own address, and 255,255 is where it was booted from", () => {
    const { ask, board, sent } = setUpBoard({ booted: true, shape })
    expect(board.hosts).toEqual(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    const to = { host: "127.0.0.2", port: board.scp.port }
    expect(decodeVersion(ask(Command.VER, [], { to })[0]!)).toMatchObject({ x: 0, y: 0 })
    expect(sent[0]?.from).toEqual(to)
    expect(decodeVersion(ask(Command.VER, [], { to, dest: { x: 8, y: 4 } })[0]!)).toMatchObject({ x: 8, y: 4 })
  })

  test("has eight transient tags a board", () => {
    const { ask, board } = setUpBoard({ booted: true, shape })
    const dest = { x: 0, y: 0, cpu: 1, port: 1 }
    for (let copy = 0; copy < 8; copy++) ask(0, [], { dest })
    expect(ask(Command.VER)).toEqual([])
    expect(ask(Command.VER, [], { to: { host: "127.0.0.3", port: board.scp.port } })).toHaveLength(1)
  })

  test("tells in INFO which board a chip is on, and the address of the Ethernet chip", () => {
    const { ask } = setUpBoard({ booted: true, shape })
    for (const [x, y, ethernet, ip] of [
      [0, 0, [0, 0], [127, 0, 0, 1]],
      [8, 4, [8, 4], [127, 0, 0, 2]],
      [9, 5, [8, 4], [0, 0, 0, 0]],
      [4, 8, [4, 8], [127, 0, 0, 3]],
    ] as const) {
      const body = ask(Command.INFO, [0x5f], { dest: { x, y } })[0]!.body
      expect([body[31]!, body[30]!]).toEqual([...ethernet])
      expect([...body.subarray(32, 36)]).toEqual([...ip])
      expect((words({ body } as never)[0]! >>> 25) & 1).toBe(ip[0] === 0 ? 0 : 1)
    }
  })

  test("boots as a whole from the image that one board's ROM gets", () => {
    const { clock, board, boot, ask } = setUpBoard({ shape })
    boot()
    clock.advance(5000)
    expect([0, 1, 2].map((number) => board.phaseOf(number))).toEqual(["up", "up", "up"])
    expect(
      ask(Command.VER, [], { to: { host: "127.0.0.3", port: board.scp.port }, dest: { x: 11, y: 11 } }),
    ).toMatchObject([{ result: Result.OK }])
  })

  test("goes on without a board that loses its power: P2P finds nobody there", () => {
    const { ask, board } = setUpBoard({ booted: true, shape })
    board.powerOff(1)
    expect(ask(Command.VER, [], { dest: { x: 9, y: 5 } })).toMatchObject([{ result: Result.P2P_NOREPLY }])
    expect(ask(Command.VER, [], { dest: { x: 5, y: 9 } })).toMatchObject([{ result: Result.OK }])
    expect(ask(Command.VER, [], { to: { host: "127.0.0.2", port: board.scp.port } })).toEqual([])
  })

  test("booted while a board is dark does without it from the start, also in its tables", () => {
    const { ask, board, boot, clock } = setUpBoard({ shape })
    board.powerOff(1)
    boot()
    clock.advance(5000)
    expect([0, 1, 2].map((number) => board.phaseOf(number))).toEqual(["up", "off", "up"])
    expect(ask(Command.VER, [], { dest: { x: 9, y: 5 } })).toMatchObject([{ result: Result.ROUTE }])
    expect(ask(Command.VER, [], { dest: { x: 5, y: 9 } })).toMatchObject([{ result: Result.OK }])
    expect(words(ask(Command.READ, [0xf5007fe0, 4, 2])[0])[0]! >>> 16).toBe(96)
  })

  test("takes a board that comes back into the machine with the next boot", () => {
    const { ask, board, boot, clock } = setUpBoard({ booted: true, shape })
    board.powerOff(1)
    board.powerOn(1)
    expect(board.phaseOf(1)).toBe("rom")
    boot(IMAGE, { host: "127.0.0.2", port: board.boot.port })
    clock.advance(5000)
    expect(ask(Command.VER, [], { dest: { x: 9, y: 5 } })).toMatchObject([{ result: Result.OK }])
    const to = { host: "127.0.0.1", port: board.scp.port }
    expect(decodeVersion(ask(Command.VER, [], { to })[0]!)).toMatchObject({ x: 8, y: 4 })
  })
})

describe("what a host reads of a chip", () => {
  const read = (ask: ReturnType<typeof setUpBoard>["ask"], address: number, length: number, x = 0, y = 0): Uint8Array =>
    ask(Command.READ, [address, length, 0], { dest: { x, y } })[0]!.body

  test("is the same in the P2P table and in how messages go", () => {
    const shape = new MachineShape({ deadChips: [{ x: 2, y: 2 }] })
    const { ask } = setUpBoard({ booted: true, shape })
    for (let x = 0; x < 8; x++) {
      const column = read(ask, 0xe1010000 + x * 128, 4)
      const word = new DataView(column.buffer, column.byteOffset).getUint32(0, true)
      for (let y = 0; y < 8; y++) {
        const entry = (word >>> (3 * y)) & 7
        const [reply] = ask(Command.VER, [], { dest: { x, y } })
        expect(entry === 6).toBe(reply?.result === Result.ROUTE)
        if (x === 0 && y === 0) expect(entry).toBe(7)
      }
    }
  })

  test("is the same in INFO, the sv struct and the vcpu blocks", () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 }, deadCores: [{ x: 8, y: 4, core: 5 }] })
    const { ask } = setUpBoard({ booted: true, shape })
    const sv = read(ask, 0xf5007f00, 256, 8, 4)
    const info = ask(Command.INFO, [0x5f], { dest: { x: 8, y: 4 } })[0]!.body
    expect([...sv.subarray(0, 4)]).toEqual([4, 8, 12, 12])
    expect(sv[0xbc]).toBe(17)
    expect(info[0]! & 31).toBe(17)
    expect([...sv.subarray(0xf0, 0xf4)]).toEqual([...info.subarray(32, 36)])
    expect([...sv.subarray(8, 10)]).toEqual([...info.subarray(30, 32)])
    // Physical core 5 has no virtual number; those behind it moved up by one.
    expect([...sv.subarray(0x94 + 4, 0x94 + 8)]).toEqual([4, 255, 5, 6])
    expect([...sv.subarray(0xa8 + 4, 0xa8 + 7)]).toEqual([4, 6, 7])
    for (let core = 0; core < 18; core++) {
      expect(read(ask, 0xe5007000 + core * 128 + 0x2e, 1, 8, 4)[0]).toBe(info[12 + core]!)
    }
  })

  test("has the sv values of the image that was booted", () => {
    const image = new Uint8Array(1024)
    image.set([3], 384 + 0x0a)
    image.set([0x78, 0x56, 0x34, 0x12], 384 + 0x1c)
    const { ask, boot, clock } = setUpBoard()
    boot(image)
    clock.advance(5000)
    const sv = read(ask, 0xf5007f00, 128, 1, 1)
    expect(sv[0x0a]).toBe(3)
    expect([...sv.subarray(0x1c, 0x20)]).toEqual([0x78, 0x56, 0x34, 0x12])
    expect([...sv.subarray(0, 2)]).toEqual([1, 1])
  })
})
