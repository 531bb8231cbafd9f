/** A laboratory that isn't there: fake boards and BMPs on loopback, and the configuration that describes them. */
import { UdpBmp } from "../fake-board/udp-bmp.ts"
import { UdpBoard } from "../fake-board/udp-board.ts"
import type { Clock } from "../transport/clock.ts"
import { type BmpConfig, type BoardConfig, DEFAULT_SETTINGS, type MachineConfig, type SpallocConfig } from "./config.ts"
import { POWER_TIMING, type PowerTiming } from "./power-work.ts"

/** Slots of a real frame. */
const FRAME_BOARDS = 24
/** Most triads: 16 frames' worth of boards would be 384, and each has two sockets and up to some megabytes. */
export const MAX_FAKE_TRIADS = 128
/** As the addresses of real frames are laid out: a frame is a /24, and a board has eight addresses. */
const FRAME_STRIDE = 256
const BOARD_STRIDE = 8

/** How long a fake BMP takes to load FPGAs: long enough to be seen, short enough not to be waited for. */
const POWER_ON_MS = 300
/** Waits that fit boards which are ready when their BMP has switched them. */
export const FAKE_TIMING: PowerTiming = { ...POWER_TIMING, readyMs: 2 * POWER_ON_MS }

/** Fake supplies run empty at once; a rest that can be seen is enough. */
const FAKE_REST_S = 1

export interface FakeLabOptions {
  /** Triads. */
  readonly width: number
  readonly height: number
  /** Loopback address of the first frame's BMP; boards and further frames follow upward. */
  readonly base: string
  readonly clock: Clock
  readonly scpPort?: number
  readonly bootPort?: number
}

/** The boards and BMPs, and what the server has to be told of them. */
export class FakeLab {
  readonly config: SpallocConfig
  readonly #boards: UdpBoard[] = []
  readonly #bmps: UdpBmp[] = []

  private constructor(readonly options: FakeLabOptions) {
    const settings = { ...DEFAULT_SETTINGS, secondsBeforeFree: FAKE_REST_S }
    this.config = { settings, machines: [fakeMachine(options)] }
  }

  /** Binds everything; rejects with the system's error where an address or port cannot be had. */
  static async open(options: FakeLabOptions): Promise<FakeLab> {
    const lab = new FakeLab(options)
    try {
      await lab.#open()
    } catch (error) {
      lab.close()
      throw error
    }
    return lab
  }

  /** The fake boards, in the configuration's order, for tests that look inside. */
  get boards(): readonly UdpBoard[] {
    return this.#boards
  }

  close(): void {
    for (const board of this.#boards) board.close()
    for (const bmp of this.#bmps) bmp.close()
  }

  async #open(): Promise<void> {
    const { clock, scpPort = 17893, bootPort = 54321 } = this.options
    const [machine] = this.config.machines
    for (const { host } of machine!.boards) {
      const board = await UdpBoard.open({
        hosts: [host],
        scpPort,
        bootPort,
        poweredOff: true,
        helloBroadcast: undefined,
        unixTime: Math.floor(Date.now() / 1000),
        clock,
      })
      this.#boards.push(board)
    }
    for (const { host, frame } of machine!.bmps) {
      const first = frame * FRAME_BOARDS
      const boards = Math.min(FRAME_BOARDS, machine!.boards.length - first)
      const power = (number: number, on: boolean): void => {
        const board = this.#boards[first + number]?.board
        if (on) board?.powerOn()
        else board?.powerOff()
      }
      const address = { host: hostOf(host), port: scpPort }
      this.#bmps.push(await UdpBmp.open({ address, boards, powerOnMs: POWER_ON_MS, clock, power }))
    }
  }
}

const hostOf = (bmp: string): string => bmp.split(":")[0]!

function fakeMachine({ width, height, base, scpPort = 17893 }: FakeLabOptions): MachineConfig {
  const boards: BoardConfig[] = []
  const bmps: BmpConfig[] = []
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      for (let z = 0; z < 3; z++) {
        const [frame, board] = [Math.floor(boards.length / FRAME_BOARDS), boards.length % FRAME_BOARDS]
        const host = addressAt(base, frame * FRAME_STRIDE + board * BOARD_STRIDE + 1)
        boards.push({ logical: [x, y, z], physical: [0, frame, board], host })
      }
    }
  }
  for (let frame = 0; frame * FRAME_BOARDS < boards.length; frame++) {
    const host = addressAt(base, frame * FRAME_STRIDE)
    bmps.push({ cabinet: 0, frame, host: scpPort === 17893 ? host : `${host}:${scpPort}` })
  }
  return { name: "fake", tags: ["default", "fake"], width, height, deadBoards: [], deadLinks: [], boards, bmps }
}

function addressAt(base: string, offset: number): string {
  const value = base.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0) + offset
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff].join(".")
}
