/** A machine in a few numbers, as people ask for it. */
import type { ChipInfo } from "./chip-info.ts"
import type { MachineInfo } from "./machine-info.ts"

/** Cores of a chip where all of them work. */
const CORES_PER_CHIP = 18

/** What there is of everything. */
export interface MachineSummary {
  readonly width: number
  readonly height: number
  readonly chips: number
  /** Working cores, monitors included. */
  readonly cores: number
  /** Working links, counted once from each end. */
  readonly links: number
  /** Cores in each state that any is in, by the state's number. */
  readonly coreStates: Readonly<Record<number, number>>
  readonly ethernetChips: readonly { readonly x: number; readonly y: number; readonly ipAddress: string }[]
  /** Chips with fewer working cores than they were made with. */
  readonly chipsWithDeadCores: readonly { readonly x: number; readonly y: number; readonly cores: number }[]
  /** Chips that are in the P2P table and did not answer. */
  readonly silentChips: MachineInfo["silent"]
  /** IP address of the board that answered, as it knows it itself. */
  readonly boardAddress: string | undefined
  /** The address asked is not the board's own: a relay, or other address translation, stands between. */
  readonly throughRelay: boolean
}

/** Counts a machine that was asked at `address` (an IP literal). */
export function summarizeMachine(machine: MachineInfo, address: string): MachineSummary {
  const { version, width, height, chips, silent } = machine
  const sum = (count: (chip: ChipInfo) => number): number => chips.reduce((total, chip) => total + count(chip), 0)
  const coreStates: Record<number, number> = {}
  for (const state of chips.flatMap((chip) => chip.coreStates)) coreStates[state] = (coreStates[state] ?? 0) + 1
  const boardAddress = chips.find(({ x, y }) => x === version.x && y === version.y)?.ipAddress
  return {
    width,
    height,
    chips: chips.length,
    cores: sum((chip) => chip.cores),
    links: sum((chip) => chip.links.length),
    coreStates,
    ethernetChips: chips.flatMap(({ x, y, ipAddress }) => (ipAddress === undefined ? [] : [{ x, y, ipAddress }])),
    chipsWithDeadCores: chips.filter(({ cores }) => cores < CORES_PER_CHIP).map(({ x, y, cores }) => ({ x, y, cores })),
    silentChips: silent,
    boardAddress,
    throughRelay: boardAddress !== undefined && boardAddress !== address,
  }
}
