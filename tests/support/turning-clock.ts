/**
 * Time that goes on with the event loop: a millisecond a turn, but no faster than the system's own work needs. What is in
 * this process and on its sockets has its turn before a timer falls due, however slow the machine is, and long waits
 * pass in a moment.
 */
import { FakeClock } from "./fake-clock.ts"

/** Least real time of one millisecond: the system passes loopback's packets on when it gets to it. */
const LEAST_MS = 0.02

/** A turn or more lets what loopback holds come in: setImmediate polls the sockets. */
async function turn(): Promise<void> {
  const begun = performance.now()
  do await new Promise((resolve) => setImmediate(resolve))
  while (performance.now() - begun < LEAST_MS)
}

/** A clock that `until` moves. */
export class TurningClock extends FakeClock {
  /** Goes on until `condition` holds; rejects, naming `what`, after `limitMs` of this clock's time. */
  async until(condition: () => boolean, what: string, limitMs: number): Promise<void> {
    const deadline = this.now() + limitMs
    while (!condition()) {
      if (this.now() >= deadline) throw new Error(`Waited ${limitMs} ms in vain for ${what}`)
      await turn()
      this.advance(1)
    }
  }

  /** Goes on for `ms`. */
  async pass(ms: number): Promise<void> {
    const end = this.now() + ms
    await this.until(() => this.now() >= end, "the time to pass", ms + 1)
  }
}
