/** Notices that this machine has slept, or has other addresses than before: connections that looked alive may not be. */
import { networkInterfaces } from "node:os"
import { isLoopback, unmapHost } from "../address.ts"
import { type Clock, every, type Timer } from "../clock.ts"
import { localAddresses } from "../local-addresses.ts"

/** What is looked at. */
export interface MachineSenses {
  /** Time of day, milliseconds: unlike the clock of timers it goes on while the machine sleeps. */
  readonly timeOfDay: () => number
  /** Everything that tells one network from another, as text. */
  readonly network: () => string
  /** Whether the machine has this address now: a connection from one that it has lost is dead. */
  readonly has: (address: string) => boolean
}

/** Between looks: 0.14 ms each. */
const LOOK_MS = 1_000
/** A jump of the time of day by more than this is a sleep. */
const JUMP_MS = 5_000

export const systemSenses: MachineSenses = {
  timeOfDay: Date.now,
  network: () =>
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address }) => address)
      .sort()
      .join(" "),
  has: (address) => isLoopback(address) || localAddresses().includes(unmapHost(address)),
}

/** Calls `onChange` when either has changed; cancel the timer to stop. */
export function watchMachine(clock: Clock, onChange: () => void, senses: MachineSenses = systemSenses): Timer {
  let time = senses.timeOfDay()
  let network = senses.network()
  return every(clock, LOOK_MS, () => {
    const nowTime = senses.timeOfDay()
    const nowNetwork = senses.network()
    const changed = Math.abs(nowTime - time - LOOK_MS) > JUMP_MS || nowNetwork !== network
    time = nowTime
    network = nowNetwork
    if (changed) onChange()
  })
}
