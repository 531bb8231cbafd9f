/** Power cycles between two users of a board, as a running server does them: through the BMP of its configuration. */
import { cyclePower } from "../connections/power.ts"
import type { PowerCycle } from "../relay/leased.ts"
import type { BmpPlace } from "../relay/server-config.ts"
import { systemClock } from "../transport/clock.ts"
import type { CommandIo } from "./command.ts"
import { inWords } from "./failure.ts"

/** Power cycles by the boards' names; `bmpOf` is asked each time, so that a reload counts. */
export function powerCycles(
  io: Pick<CommandIo, "stop">,
  bmpOf: (board: string) => BmpPlace | undefined,
  clock = systemClock,
): PowerCycle {
  return async (name) => {
    const place = bmpOf(name)
    if (!place) throw new Error("it has no bmp in the configuration")
    const { host, port, board } = place
    const what = `Power cycle of board ${board} through its BMP ${host}`
    await inWords(io, { what, label: host, bmp: true }, () =>
      cyclePower({ bmp: host, port, boards: [board], clock, signal: io.stop }),
    )
  }
}
