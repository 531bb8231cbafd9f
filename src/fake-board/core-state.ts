/** States of a core, as its vcpu block and INFO show them. Source: spinnaker_tools 4.0.0, cpu_state_e in sark.h. */
export const CoreState = {
  dead: 0,
  powerDown: 1,
  runtimeException: 2,
  watchdog: 3,
  initialising: 4,
  waiting: 5,
  cMain: 6,
  running: 7,
  sync0: 8,
  sync1: 9,
  paused: 10,
  exited: 11,
  idle: 15,
} as const

/** Signals to applications. Source: signal_e in sark.h. */
export const Signal = {
  initialise: 0,
  powerDown: 1,
  stop: 2,
  start: 3,
  sync0: 4,
  sync1: 5,
  pause: 6,
  continue: 7,
  exit: 8,
  timer: 9,
} as const

/** The state that a signal leaves a core in; undefined where it changes nothing that can be seen. */
export function afterSignal(signal: number, state: number): number | undefined {
  switch (signal) {
    case Signal.start:
      return state === CoreState.waiting ? CoreState.running : undefined
    case Signal.sync0:
      return state === CoreState.sync0 ? CoreState.running : undefined
    case Signal.sync1:
      return state === CoreState.sync1 ? CoreState.running : undefined
    case Signal.pause:
      return state === CoreState.running ? CoreState.paused : undefined
    case Signal.continue:
      return state === CoreState.paused ? CoreState.running : undefined
    case Signal.exit:
      return CoreState.exited
    default:
      return undefined
  }
}
