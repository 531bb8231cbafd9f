import { describe, expect, test } from "bun:test"
import { CoreState, Signal } from "../../src/fake-board/core-state.ts"
import { MachineShape } from "../../src/fake-board/machine-shape.ts"
import { regionHas, regionOfChip } from "../../src/fake-board/regions.ts"
import { encodeIptagRequest, IptagOp } from "../../src/protocol/iptag.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { setUpBoard, words } from "./board-harness.ts"

const APLX = 0x67800000
const CHIPS = [
  { x: 0, y: 0 },
  { x: 1, y: 2 },
  { x: 5, y: 5 },
]

type Harness = ReturnType<typeof setUpBoard>

/** Loads `image` on `cores` (a mask) of `chips` as rig does: FFS, FFCS, FFD blocks, FFE. */
function floodFill(
  { ask }: Harness,
  image: Uint8Array,
  { chips = CHIPS, cores = 0b110, app = 30, wait = false, id = 2, skipBlock = -1 } = {},
): void {
  const blocks = Math.ceil(image.length / 256)
  const forward = 0x3f18
  ask(Command.NNP, [((6 << 24) | (id << 16) | (blocks << 8)) >>> 0, 0, (1 << 31) | forward])
  for (const { x, y } of chips) ask(Command.NNP, [((7 << 24) | cores) >>> 0, regionOfChip(x, y), forward])
  for (let block = 0; block < blocks; block++) {
    if (block === skipBlock) continue
    const data = image.subarray(block * 256, block * 256 + 256)
    const sizes = (block << 16) | ((Math.ceil(data.length / 4) - 1) << 8)
    ask(Command.FFD, [(forward << 16) | id, sizes, APLX + block * 256], { data })
  }
  // Core select and end go without a generated identifier: the low bits of their keys mean something else.
  ask(Command.NNP, [((15 << 24) | id) >>> 0, (app << 24) | (wait ? 1 << 18 : 0), forward])
}

const states = ({ board }: Harness, { x, y }: { x: number; y: number }): number[] =>
  [1, 2, 3].map((core) => board.chipAt(x, y)!.coreState(core))

const count = ({ ask }: Harness, app: number, state: number): number =>
  words(ask(Command.SIG, [1, (3 << 26) | (1 << 22) | (2 << 20) | (state << 16) | (0xff << 8) | app, 0xffff])[0])[0]!

const signal = ({ ask }: Harness, number: number, app: number): unknown =>
  ask(Command.SIG, [0, (number << 16) | (0xff << 8) | app, 0xffff])[0]?.result

const image = Uint8Array.from({ length: 700 }, (_, index) => index * 3)

describe("a flood fill", () => {
  test("loads the bytes on the selected chips and no others, and starts the selected cores", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image)
    for (const chip of CHIPS) {
      expect(harness.board.chipAt(chip.x, chip.y)!.memory.read(APLX, 700)).toEqual(image)
      expect(states(harness, chip)).toEqual([CoreState.running, CoreState.running, CoreState.idle])
    }
    expect(harness.board.chipAt(1, 1)!.memory.read(APLX, 700)).toEqual(new Uint8Array(700))
    expect(count(harness, 30, CoreState.running)).toBe(6)
  })

  test("with the wait flag leaves cores waiting for the start signal", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image, { wait: true })
    expect(count(harness, 30, CoreState.waiting)).toBe(6)
    expect(signal(harness, Signal.start, 30)).toBe(Result.OK)
    expect(count(harness, 30, CoreState.running)).toBe(6)
  })

  test("that misses a block starts nothing", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image, { skipBlock: 1 })
    expect(count(harness, 30, CoreState.running)).toBe(0)
    floodFill(harness, image)
    expect(count(harness, 30, CoreState.running)).toBe(6)
  })

  test("counts a repeated block once and takes no block of another fill", () => {
    const harness = setUpBoard({ booted: true })
    const { ask } = harness
    ask(Command.NNP, [((6 << 24) | (2 << 16) | (2 << 8)) >>> 0, 0, (1 << 31) | 0x3f18])
    ask(Command.NNP, [((7 << 24) | 2) >>> 0, regionOfChip(0, 0), 0x3f18])
    for (const id of [2, 2, 4]) ask(Command.FFD, [id, 0, APLX], { data: Uint8Array.of(id, 0, 0, 0) })
    ask(Command.NNP, [((15 << 24) | 2) >>> 0, 30 << 24, 0x3f18])
    expect(count(harness, 30, CoreState.running)).toBe(0)
    expect(harness.board.chipAt(0, 0)!.memory.readU8(APLX)).toBe(2)
  })
})

describe("regions", () => {
  test("of one chip hold that chip alone", () => {
    for (const [x, y] of [
      [0, 0],
      [3, 7],
      [200, 9],
    ] as const) {
      const region = regionOfChip(x, y)
      const held: number[][] = []
      for (let atX = 0; atX < 256; atX++)
        for (let atY = 0; atY < 256; atY++) if (regionHas(region, atX, atY)) held.push([atX, atY])
      expect(held).toEqual([[x, y]])
    }
  })

  test("of coarser levels hold blocks of 4, 16 and 64 chips a side", () => {
    // Level 2, base 0,0, block (1, 0): chips 4..7 by 0..3.
    const region = (2 << 16) | (1 << 1)
    const held = Array.from({ length: 16 }, (_, x) => regionHas(region, x, 3))
    expect(held.map(Number).join("")).toBe("0000111100000000")
    expect(regionHas((0 << 16) | (1 << 4), 5, 64)).toBe(true)
    expect(regionHas((0 << 16) | (1 << 4), 5, 63)).toBe(false)
    expect(regionHas((1 << 16) | (1 << 0), 15, 15)).toBe(true)
  })
})

describe("signals and counts", () => {
  test("stop gives cores, memory and routing entries back", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image)
    const [pointer] = words(harness.ask(Command.ALLOC, [30 << 8, 1000, 5])[0])
    expect(pointer).toBe(0x60640018)
    expect(words(harness.ask(Command.ALLOC, [(30 << 8) | 3, 10])[0])).toEqual([1])
    expect(words(harness.ask(Command.ALLOC, [(30 << 8) | 7, 5])[0])).toEqual([pointer!])
    signal(harness, Signal.stop, 30)
    expect(states(harness, CHIPS[0]!)).toEqual([CoreState.idle, CoreState.idle, CoreState.idle])
    expect(words(harness.ask(Command.ALLOC, [(30 << 8) | 7, 5])[0])).toEqual([0])
    expect(words(harness.ask(Command.ALLOC, [6])[0])[1]).toBe(119_275_492)
    expect(words(harness.ask(Command.INFO)[0])[0]! >>> 14).toBe(1023 | (1 << 11))
  })

  test("move cores through their states", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image)
    for (const [number, state] of [
      [Signal.pause, CoreState.paused],
      [Signal.continue, CoreState.running],
      [Signal.timer, CoreState.running],
      [Signal.exit, CoreState.exited],
      [Signal.powerDown, CoreState.powerDown],
    ] as const) {
      signal(harness, number, 30)
      expect(states(harness, CHIPS[1]!)[0]).toBe(state)
    }
  })

  test("leave other applications alone", () => {
    const harness = setUpBoard({ booted: true })
    floodFill(harness, image, { app: 30 })
    floodFill(harness, image, { app: 31, cores: 0b1000, id: 4 })
    signal(harness, Signal.stop, 30)
    expect(count(harness, 30, CoreState.running)).toBe(0)
    expect(count(harness, 31, CoreState.running)).toBe(3)
  })

  test("must go to the root chip, and type 1 without the count bit or from 4.0 on is refused", () => {
    const harness = setUpBoard({ booted: true })
    expect(harness.ask(Command.SIG, [0, 3 << 16], { dest: { x: 1, y: 0 } })).toMatchObject([{ result: Result.ARG }])
    expect(harness.ask(Command.SIG, [1, 0])).toMatchObject([{ result: Result.ARG }])
    expect(harness.ask(Command.SIG, [3, 0])).toMatchObject([{ result: Result.ARG }])
    const newer = setUpBoard({ booted: true, version: { version: "4.0.0", buildTime: 1 } })
    expect(newer.ask(Command.SIG, [1, 1 << 22])).toMatchObject([{ result: Result.ARG }])
    expect(newer.ask(Command.INFO)[0]?.body).toHaveLength(38)
  })

  test("COUNT takes 10 ms, counts this board, and refuses a second one meanwhile", () => {
    const shape = new MachineShape({ triads: { width: 1, height: 1 } })
    const harness = setUpBoard({ booted: true, shape })
    floodFill(harness, image, { chips: [...CHIPS, { x: 9, y: 5 }] })
    const { ask, clock, sent } = harness
    const before = sent.length
    expect(ask(Command.COUNT, [30, CoreState.running])).toEqual([])
    expect(ask(Command.COUNT, [30, CoreState.running])).toMatchObject([{ result: Result.P2P_BUSY }])
    clock.advance(10)
    expect(sent).toHaveLength(before + 2)
    expect(new DataView(sent.at(-1)!.datagram.buffer).getUint32(14, true)).toBe(6)
    expect(ask(Command.COUNT, [30, CoreState.running])).toEqual([])
  })
})

describe("AR, AS and APP_COPY_RUN", () => {
  test("start cores, but never the monitor", () => {
    const harness = setUpBoard({ booted: true })
    expect(harness.ask(Command.AR, [(16 << 24) | 0b1110])).toMatchObject([{ result: Result.OK }])
    expect(states(harness, { x: 0, y: 0 })).toEqual([CoreState.running, CoreState.running, CoreState.running])
    expect(harness.ask(Command.AR, [(16 << 24) | 1])).toMatchObject([{ result: Result.ARG }])
    harness.ask(Command.AS, [0x60000000, (17 << 24) | (1 << 18) | 0b10])
    expect(states(harness, { x: 0, y: 0 })[0]).toBe(CoreState.waiting)
    expect(harness.board.chipAt(0, 0)!.appId(1)).toBe(17)
  })

  test("APP_COPY_RUN takes the neighbour's image if its sum is right", () => {
    const harness = setUpBoard({ booted: true })
    const { ask, board } = harness
    const data = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0)
    ask(Command.WRITE, [APLX, 8, 2], { data, dest: { x: 1, y: 0 } })
    const link = 0
    expect(words(ask(Command.APP_COPY_RUN, [link | (99 << 3), 8, (16 << 24) | 2])[0])).toEqual([3])
    expect(states(harness, { x: 0, y: 0 })[0]).toBe(CoreState.idle)
    expect(ask(Command.APP_COPY_RUN, [link | (3 << 3), 8, (16 << 24) | 2])).toMatchObject([{ result: Result.OK }])
    expect(board.chipAt(0, 0)!.memory.read(APLX, 8)).toEqual(data)
    expect(states(harness, { x: 0, y: 0 })[0]).toBe(CoreState.running)
    for (const args of [
      [6, 8, 2],
      [0, 7, 2],
      [0, 8, 1],
    ]) {
      expect(ask(Command.APP_COPY_RUN, args)).toMatchObject([{ result: Result.ARG }])
    }
    expect(ask(Command.APP_COPY_RUN, [4, 8, 2])).toMatchObject([{ result: Result.TIMEOUT }])
  })
})

describe("REMAP, LINK_READ, LED and SROM", () => {
  test("REMAP takes a core away and restarts the others under new numbers", () => {
    const harness = setUpBoard({ booted: true })
    const { ask } = harness
    floodFill(harness, image)
    expect(ask(Command.REMAP, [2])).toMatchObject([{ result: Result.OK }])
    expect(words(ask(Command.INFO)[0])[0]! & 31).toBe(17)
    expect(states(harness, { x: 0, y: 0 })).toEqual([CoreState.idle, CoreState.idle, CoreState.idle])
    expect(harness.board.chipAt(0, 0)!.physicalCore(2)).toBe(3)
    expect(ask(Command.REMAP, [2, 1])).toMatchObject([{ result: Result.ARG }])
    expect(ask(Command.REMAP, [0])).toMatchObject([{ result: Result.ARG }])
  })

  test("LINK_READ and LINK_WRITE reach the neighbour, and TIMEOUT where there is none", () => {
    const { ask } = setUpBoard({ booted: true })
    const data = Uint8Array.of(5, 6, 7, 8)
    expect(ask(Command.LINK_WRITE, [0x60000000, 4, 1], { data })).toMatchObject([{ result: Result.OK }])
    expect(ask(Command.READ, [0x60000000, 4, 2], { dest: { x: 1, y: 1 } })[0]?.body).toEqual(data)
    expect(ask(Command.LINK_READ, [0x60000000, 4, 1])[0]?.body).toEqual(data)
    expect(ask(Command.LINK_READ, [0x60000000, 4, 4])).toMatchObject([{ result: Result.TIMEOUT }])
    expect(ask(Command.LINK_READ, [0x60000000, 4, 6])).toMatchObject([{ result: Result.ARG }])
    expect(ask(Command.LINK_READ, [0x60000000, 257, 1])).toMatchObject([{ result: Result.ARG }])
  })

  test("LED, SROM and SYNC answer", () => {
    const { ask, board } = setUpBoard({ booted: true })
    ask(Command.LED, [0b11_00_11])
    ask(Command.LED, [0b01_00_10])
    expect(board.chipAt(0, 0)!.leds).toBe(0)
    ask(Command.LED, [0b01])
    expect(board.chipAt(0, 0)!.leds).toBe(1)
    expect(ask(Command.SROM, [(4 << 16) | 32, 3 << 24])[0]?.body).toEqual(Uint8Array.of(255, 255, 255, 255))
    expect(ask(Command.SROM, [257 << 16])).toMatchObject([{ result: Result.ARG }])
    expect(ask(Command.SYNC, [0])).toMatchObject([{ result: Result.OK }])
  })
})

describe("programs", () => {
  const tagOne = encodeIptagRequest({
    operation: IptagOp.set,
    tag: 1,
    timeoutCode: 0,
    strip: true,
    reverse: false,
    useSender: false,
    port: 9000,
    address: 0,
    destAddress: 0,
    destPort: 0,
  })
  const named = (text: string): Uint8Array => new Uint8Array(Buffer.from(`fake-board:${text}\0`.padEnd(64, "\0")))

  test("named by a loaded image start with it: echo answers by its tag, from its own place", () => {
    const harness = setUpBoard({ booted: true })
    const { ask, sent } = harness
    ask(Command.IPTAG, [tagOne.arg1, tagOne.arg2, tagOne.arg3])
    floodFill(harness, named("echo"))
    ask(7, [], { flags: 0x07, dest: { x: 5, y: 5, cpu: 2, port: 3 } })
    expect(sent.at(-1)).toMatchObject({ to: { port: 9000 } })
    const before = sent.length
    signal(harness, Signal.stop, 30)
    ask(7, [], { flags: 0x07, dest: { x: 5, y: 5, cpu: 2, port: 3 } })
    expect(sent).toHaveLength(before + 1)
  })

  test("stream sends EIEIO at its rate from the start signal on, until stopped", () => {
    const harness = setUpBoard({ booted: true })
    const { ask, sent, clock } = harness
    ask(Command.IPTAG, [tagOne.arg1, tagOne.arg2, tagOne.arg3])
    floodFill(harness, named("stream:tag=1,rate=500,keys=3"), { chips: [{ x: 1, y: 1 }], cores: 2, wait: true })
    clock.advance(1000)
    const spikes = (): Uint8Array[] => sent.filter(({ to }) => to.port === 9000).map(({ datagram }) => datagram)
    expect(spikes()).toEqual([])
    signal(harness, Signal.start, 30)
    clock.advance(2000)
    expect(spikes()).toHaveLength(1000)
    // Three 32-bit keys, payload base is the message's number: header 0x03 0x38.
    expect(Buffer.from(spikes()[1]!).toString("hex")).toBe("0338" + "01000000" + "03100000" + "04100000" + "05100000")
    signal(harness, Signal.stop, 30)
    clock.advance(1000)
    expect(spikes()).toHaveLength(1000)
  })
})
