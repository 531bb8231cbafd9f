/** Waiting for the end: Ctrl-C or SIGTERM. */
import type { CommandIo } from "./command.ts"

/** Resolves with the signal's name. Keeps the process alive meanwhile, also while no socket is open. */
export function untilStopped(io: CommandIo): Promise<string> {
  return new Promise((resolve) => {
    // The relay's own timers do not hold the process; one that waits for its address to appear has no socket yet.
    const alive = setInterval(() => {}, 1 << 30)
    const stopped = (): void => {
      clearInterval(alive)
      resolve(String(io.stop.reason))
    }
    if (io.stop.aborted) stopped()
    else io.stop.addEventListener("abort", stopped, { once: true })
  })
}
