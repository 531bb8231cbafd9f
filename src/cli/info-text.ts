/** The findings of `info` in words and as JSON. */
import { CORE_STATES } from "../connections/chip-info.ts"
import type { Look } from "../connections/look-at.ts"
import type { MachineSummary } from "../connections/machine-summary.ts"
import type { Version } from "../protocol/version.ts"
import type { MachineTarget } from "./machine-target.ts"

/** Places listed by name before only their number is told. */
const LISTED = 8

/** A few lines for people. */
export function describeLook(target: MachineTarget, { address, identity, machine }: Look): string {
  const name = target.host === address ? target.label : `${target.label} (${address})`
  switch (identity.kind) {
    case "booted":
      return [
        `${name}: SpiNNaker board, booted`,
        ...softwareRows(identity.version),
        ...(machine ? machineRows(machine) : []),
      ]
        .map((line) => `${line}\n`)
        .join("")
    case "booting":
      return `${name}: SpiNNaker board, booting (SC&MP answers, its network is not up yet; ask again in a few seconds)\n`
    case "bmp":
      return [`${name}: BMP, not a board`, ...bmpRows(identity.version)].map((line) => `${line}\n`).join("")
    case "unbooted":
      return `${name}: SpiNNaker board, not booted (its boot ROM says hello); "spinnaker-relay boot ${target.host} --image FILE" boots it\n`
    case "no-answer":
      return `${name}: ${identity.detail}, and ${silence(identity.deaf, target.bootPort)}\n${NO_ANSWER_ADVICE}\n`
    default:
      return identity satisfies never
  }
}

function silence(deaf: string | undefined, bootPort: number): string {
  if (deaf !== undefined) return `beacons could not be listened for (${deaf})`
  return `no beacon from port ${bootPort} either`
}

const NO_ANSWER_ADVICE =
  "Is it switched on and on this network? Behind a router or a relay an unbooted board cannot be heard: try to boot it."

/** The same for programs. */
export function lookAsJson(target: MachineTarget, { address, identity, machine }: Look): object {
  const asked = { host: target.host, address, scpPort: target.scpPort }
  return { ...asked, ...identity, ...(machine && { machine: withStateNames(machine) }) }
}

function withStateNames(machine: MachineSummary): object {
  const states = Object.entries(machine.coreStates).map(([state, count]) => [stateName(Number(state)), count])
  return { ...machine, coreStates: Object.fromEntries(states) }
}

const stateName = (state: number): string => CORE_STATES[state] ?? String(state)

const row = (name: string, value: string): string => `  ${name.padEnd(15)}${value}`

function softwareRows(version: Version): string[] {
  const built = new Date(version.buildTime * 1000).toISOString().slice(0, 10)
  return [row("software", `${version.name} ${version.version} (${version.hardware}), built ${built}`)]
}

function bmpRows(version: Version): string[] {
  const { virtualCpu: board, physicalCpu: can, y: frame } = version
  return [...softwareRows(version), row("place", `board ${board} (CAN ${can}) of frame ${frame}`)]
}

function machineRows(machine: MachineSummary): string[] {
  const { chipsWithDeadCores, silentChips, ethernetChips } = machine
  const states = Object.entries(machine.coreStates).map(([state, count]) => `${count} ${stateName(Number(state))}`)
  const rows = [
    row("size", `${machine.width} x ${machine.height}, ${machine.chips} chips work`),
    row("cores", `${machine.cores} work (${states.join(", ")})`),
    row("links", `${machine.links} work`),
    row("Ethernet", list(ethernetChips.map(({ x, y, ipAddress }) => `${x},${y} at ${ipAddress}`))),
  ]
  if (chipsWithDeadCores.length > 0) {
    rows.push(row("dead cores", list(chipsWithDeadCores.map(({ x, y, cores }) => `${x},${y} has ${cores} of 18`))))
  }
  if (silentChips.length > 0) {
    rows.push(row("no answer from", list(silentChips.map(({ x, y, reason }) => `${x},${y} (${reason})`))))
  }
  if (machine.throughRelay) {
    rows.push(row("far end", `the board's own address is ${machine.boardAddress}: a relay stands between`))
  }
  return rows
}

function list(places: readonly string[]): string {
  if (places.length === 0) return "none"
  const more = places.length - LISTED
  return places.slice(0, LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "")
}
