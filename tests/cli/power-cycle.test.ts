import { describe, expect, test } from "bun:test"
import { powerCycles } from "../../src/cli/power-cycle.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { Peer } from "../connections/peer.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const io = { stop: new AbortController().signal }

describe("a power cycle between two users", () => {
  test.if(manyLoopbacks)(
    "goes through the BMP that the configuration names, and ends when the board is ready",
    async () => {
      const clock = new FakeClock()
      const bmp = { host: "127.0.0.33", powerOnMs: 1 }
      const board = await UdpBoard.open({ host: "127.0.0.34", bmp, booted: true, scpPort: 0, bootPort: 0 })
      const place = { host: "127.0.0.33", port: board.board.bmpAddress!.port, board: 0 }
      let done = false
      const cycle = powerCycles(io, (name) => (name === "board-a" ? place : undefined), clock)("board-a")
      void cycle.then(() => {
        done = true
      })
      const phases = new Set<string>()
      // In small steps, so that no answer comes too late by this clock.
      await until(() => {
        phases.add(board.board.phase)
        clock.advance(10)
        return done
      }, "the end of the cycle")
      expect([...phases]).toEqual(["up", "off", "rom"])
      expect(clock.now()).toBeGreaterThanOrEqual(7_000)
      board.close()
    },
  )

  test("says which BMP does not answer, and what to look at", async () => {
    const clock = new FakeClock()
    await using bmp = await Peer.open()
    const cycle = powerCycles(io, () => ({ host: "127.0.0.1", port: bmp.port, board: 3 }), clock)("board-a")
    await bmp.next()
    clock.advance(2_000)
    await expect(cycle).rejects.toThrow(
      /^Power cycle of board 3 through its BMP 127\.0\.0\.1 failed: .*Is 127\.0\.0\.1 the BMP's address, and not the board's\?/,
    )
  })

  test("of a board that has no BMP is refused in a line", async () => {
    await expect(powerCycles(io, () => undefined)("board-a")).rejects.toThrow("it has no bmp in the configuration")
  })
})
