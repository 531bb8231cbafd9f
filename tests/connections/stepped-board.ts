/** A fake board that boots in steps instead of by time: silent until its image runs, 255,255 for exactly one VER, then up. */
import { UdpBoard, type UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { FakeClock } from "../support/fake-clock.ts"

const STEP_MS = 1000

/** Opens one on free ports; with `stuck` it never gets beyond 255,255. */
export async function openSteppedBoard(options: UdpBoardOptions & { stuck?: boolean } = {}): Promise<UdpBoard> {
  const clock = new FakeClock()
  // Later, since a board tells what it does before it has set its timer.
  const step = () => queueMicrotask(() => clock.advance(STEP_MS))
  const board: UdpBoard = await UdpBoard.open({
    scpPort: 0,
    bootPort: 0,
    silentMs: STEP_MS,
    bootingMs: STEP_MS,
    clock,
    onEvent(event) {
      if (event.type === "phase" && event.phase === "silent") step()
      if (event.type === "command" && board.board.phase === "booting" && !options.stuck) step()
    },
    ...options,
  })
  return board
}
