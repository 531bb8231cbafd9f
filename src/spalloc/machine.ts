/** One machine as the server knows it: its configuration, its free boards, its queue, and who holds what. */
import type { BoardConfig, MachineConfig } from "./config.ts"
import type { Faults } from "./fault-filter.ts"
import { LINKS_PER_BOARD, TriadTorus } from "./geometry.ts"
import type { HeldFrame } from "./holding.ts"
import { JobQueue } from "./job-queue.ts"
import { MachineAllocator } from "./machine-allocator.ts"
import type { BoardPlace, MachineRecord, PhysicalPlace } from "./types.ts"

/** A machine in use. */
export class Machine {
  readonly torus: TriadTorus
  readonly allocator: MachineAllocator
  readonly queue = new JobQueue()
  /** Live job by board. */
  readonly holders = new Map<number, number>()
  /** Boards that failed too often, and why. */
  readonly outOfService = new Map<number, string>()
  readonly #boards = new Map<number, BoardConfig>()
  readonly #byPhysical = new Map<string, number>()
  readonly #bmps = new Map<string, string>()

  constructor(public config: MachineConfig) {
    this.torus = new TriadTorus(config.width, config.height)
    for (const board of config.boards) {
      const number = this.torus.board(...board.logical)
      this.#boards.set(number, board)
      this.#byPhysical.set(board.physical.join(), number)
    }
    for (const { cabinet, frame, host } of config.bmps) this.#bmps.set(`${cabinet},${frame}`, host)
    this.allocator = new MachineAllocator(this.torus, this.#faults())
  }

  get name(): string {
    return this.config.name
  }

  /** Other tags and faults of the same machine. */
  update(config: MachineConfig): void {
    this.config = config
    this.faultsChanged()
  }

  /** To be called when `outOfService` changed. */
  faultsChanged(): void {
    this.allocator.faults = this.#faults()
  }

  hasTags(tags: readonly string[]): boolean {
    return tags.every((tag) => this.config.tags.includes(tag))
  }

  /** Where the board is in the room, if it has a place there. */
  physicalOf(board: number): PhysicalPlace | undefined {
    return this.#boards.get(board)?.physical
  }

  boardAt(cabinet: number, frame: number, board: number): number | undefined {
    return this.#byPhysical.get(`${cabinet},${frame},${board}`)
  }

  /** Host of a board's Ethernet chip. */
  hostOf(board: number): string {
    return this.#boards.get(board)?.host ?? ""
  }

  /** The boards sorted into their frames, with the links that lead out of them. */
  framesOf(boards: readonly number[]): HeldFrame[] {
    const frames = new Map<
      string,
      { cabinet: number; frame: number; boards: number[]; isolate: HeldFrame["isolate"][number][] }
    >()
    const frameOf = (board: number) => {
      const [cabinet, frame] = this.#boards.get(board)!.physical
      const key = `${cabinet},${frame}`
      const found = frames.get(key) ?? { cabinet, frame, boards: [], isolate: [] }
      frames.set(key, found)
      return found
    }
    for (const board of boards) frameOf(board).boards.push(this.#boards.get(board)!.physical[2])
    for (const { board, link } of this.torus.linksOut(boards)) {
      frameOf(board).isolate.push({ board: this.#boards.get(board)!.physical[2], link })
    }
    return [...frames.entries()].map(([key, { cabinet, frame, boards: numbers, isolate }]) => ({
      cabinet,
      frame,
      bmp: this.#bmps.get(key)!,
      boards: numbers.sort((one, other) => one - other),
      isolate,
      running: undefined,
      next: undefined,
    }))
  }

  record(): MachineRecord {
    const { name, tags, width, height, deadBoards, deadLinks } = this.config
    const configured = new Set(deadBoards.map((place) => place.join()))
    const failed = [...this.outOfService.keys()].map((board) => this.torus.place(board))
    const alsoDead = failed.filter((place) => !configured.has(place.join()))
    return { name, tags, width, height, dead_boards: [...deadBoards, ...alsoDead], dead_links: deadLinks }
  }

  #faults(): Faults {
    const number = ([x, y, z]: BoardPlace) => this.torus.board(x, y, z)
    return {
      boards: new Set([...this.config.deadBoards.map(number), ...this.outOfService.keys()]),
      links: new Set(this.config.deadLinks.map(([x, y, z, link]) => number([x, y, z]) * LINKS_PER_BOARD + link)),
    }
  }
}

/** What must stay the same for a machine's jobs to run on over a change of the configuration: size, places, hosts. */
export function fingerprintOf({ width, height, boards, bmps }: MachineConfig): string {
  return JSON.stringify([
    width,
    height,
    boards.map(({ logical, physical, host }) => [...logical, ...physical, host].join()).sort(),
    bmps.map(({ cabinet, frame, host }) => [cabinet, frame, host].join()).sort(),
  ])
}
