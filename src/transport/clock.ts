/** Time, injected: everything that waits or measures takes a `Clock`, so that tests can use a fake one. */

/** A pending call that can be called off. */
export interface Timer {
  cancel(): void
}

/** Monotonic time and timers. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /** Calls `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Timer
}

/** The machine's own clock. Its timers do not keep the process alive: sockets do that. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, Math.max(0, delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Calls `run` every `periodMs` until cancelled. */
export function every(clock: Clock, periodMs: number, run: () => void): Timer {
  let timer = clock.after(periodMs, tick)
  let cancelled = false
  function tick(): void {
    run()
    if (!cancelled) timer = clock.after(periodMs, tick)
  }
  return {
    cancel() {
      cancelled = true
      timer.cancel()
    },
  }
}
