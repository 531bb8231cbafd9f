/**
 * A booted machine: its chips, made when first touched, and what goes on between them. It opens no socket and keeps no
 * phase; the boards (board.ts) do.
 */
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { Applications, type PlacedProgram } from "./applications.ts"
import type { Chip } from "./chip.ts"
import { type MachineFacts, startChip } from "./chip-start.ts"
import type { BoardDropReason } from "./events.ts"
import type { ChipPlace } from "./machine-shape.ts"
import { NearestNeighbour } from "./nearest-neighbour.ts"
import { SdpRouter } from "./sdp-router.ts"

/** A command that was executed. */
export interface Execution {
  readonly command: number
  readonly sequence: number
  readonly result: number
  readonly x: number
  readonly y: number
  readonly cpu: number
}

/** What a machine needs from the boards that it consists of. */
export interface MachineOutside {
  readonly clock: Clock
  /** Sends from a board's own address and `fromPort` (its SDP port where undefined). */
  send(board: number, to: Address, datagram: Uint8Array, fromPort: number | undefined): void
  /** The UDP ports on which a board's reverse IP tags listen have changed. */
  listen(board: number, ports: ReadonlySet<number>): void
  executed(execution: Execution, from: Address | undefined): void
  lost(reason: BoardDropReason): void
  /** True once VER tells the real chip. */
  networkUp(): boolean
}

/** Version of the SC&MP that a machine runs. */
export interface ScampVersion {
  /** "3.4.1", or for the old style a number: major * 100 + minor. */
  readonly version: string | number
  /** Unix seconds. */
  readonly buildTime: number
}

/** The version in the captures. */
export const CAPTURED_VERSION: ScampVersion = { version: "3.4.1", buildTime: 1_539_000_000 }

/** A booted machine. */
export class Machine {
  readonly router: SdpRouter
  readonly applications: Applications
  readonly nearestNeighbour: NearestNeighbour
  readonly #chips = new Map<number, Chip>()
  readonly #deadBoards = new Set<number>()

  constructor(
    readonly facts: MachineFacts,
    readonly version: ScampVersion,
    readonly outside: MachineOutside,
    placed: readonly PlacedProgram[] = [],
  ) {
    this.applications = new Applications(this, placed)
    this.nearestNeighbour = new NearestNeighbour(this)
    this.router = new SdpRouter(this)
  }

  /** True for SC&MP 4.0 and later, which answers some commands differently. */
  get isSince4(): boolean {
    const { version } = this.version
    return typeof version === "string" && Number(version.split(".")[0]) >= 4
  }

  /** Where "255,255" leads. */
  get root(): ChipPlace {
    return this.facts.root
  }

  /** The chip at x, y; undefined where there is none, or its board has no power. */
  chipAt(x: number, y: number): Chip | undefined {
    const address = (x << 8) | y
    const existing = this.#chips.get(address)
    if (existing) return existing
    const board = this.facts.shape.boardOf(x, y)
    if (board === undefined || this.#deadBoards.has(board)) return undefined
    const chip = startChip(this.facts, x, y)
    this.#chips.set(address, chip)
    this.applications.startPlaced(chip)
    return chip
  }

  /** Every chip with power. */
  *chips(): Generator<Chip> {
    for (const { x, y } of this.facts.shape.chips) {
      const chip = this.chipAt(x, y)
      if (chip) yield chip
    }
  }

  /** The Ethernet chip of a board; undefined if it is dead. */
  ethernetChip(board: number): Chip | undefined {
    const place = this.facts.shape.ethernetChips[board]
    return place && this.chipAt(place.x, place.y)
  }

  /** The chip at the other end of a link that works. */
  neighbour(chip: Chip, link: number): Chip | undefined {
    const place = this.facts.shape.neighbour(chip.x, chip.y, link)
    return place && this.chipAt(place.x, place.y)
  }

  /** A board lost its power: its chips are gone. */
  loseBoard(board: number): void {
    this.#deadBoards.add(board)
    for (const [address, chip] of this.#chips) {
      if (chip.board !== board) continue
      chip.release()
      this.#chips.delete(address)
    }
  }

  /** Ends everything that runs. */
  stop(): void {
    for (const chip of this.#chips.values()) chip.release()
    this.#chips.clear()
  }
}
