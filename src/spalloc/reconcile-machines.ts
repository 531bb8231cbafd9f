/** Which machines a new configuration keeps, changes, builds anew and drops. */
import type { MachineConfig } from "./config.ts"
import { fingerprintOf, Machine } from "./machine.ts"

/** What comes of a new configuration. */
export interface Reconciled {
  /** All machines from now on, in order of priority. */
  readonly machines: Map<string, Machine>
  /** Those whose jobs end, machines that were built anew included. */
  readonly gone: readonly Machine[]
  /** Names of machines that are new or not as they were. */
  readonly changed: readonly string[]
  /** A line for people for each change. */
  readonly lines: readonly string[]
}

/** Machines whose size, places and hosts are the same are kept, with the new tags and faults. */
export function reconcileMachines(former: ReadonlyMap<string, Machine>, configs: readonly MachineConfig[]): Reconciled {
  const machines = new Map<string, Machine>()
  const changed: string[] = []
  const lines: string[] = []
  for (const config of configs) {
    const { name } = config
    const old = former.get(name)
    const isKept = old !== undefined && fingerprintOf(old.config) === fingerprintOf(config)
    const machine = isKept ? old : new Machine(config)
    machines.set(name, machine)
    if (isKept && JSON.stringify(old.config) === JSON.stringify(config)) continue
    if (isKept) machine.update(config)
    changed.push(name)
    const what = isKept
      ? "tags or faults changed, its jobs run on"
      : old
        ? "size, places or hosts changed, its jobs are destroyed"
        : "new"
    lines.push(`machine ${name}: ${what}`)
  }
  const gone = [...former.values()].filter((machine) => machines.get(machine.name) !== machine)
  for (const { name } of gone) {
    if (!machines.has(name)) lines.push(`machine ${name}: removed, its jobs are destroyed`)
  }
  return { machines, gone, changed, lines }
}
