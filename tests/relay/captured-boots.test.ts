/** Boots that real programs sent, replayed datagram by datagram through client and server to a board's boot ROM. */
import { describe, expect, test } from "bun:test"
import { CAPTURED_BOOTS, readCapturedBoot, replayBoot } from "../support/captured-boot.ts"
import { MODES, startChain } from "../support/chain.ts"
import { until } from "../support/until.ts"

describe.each(MODES)("a captured boot over $name", (mode) => {
  test.each(CAPTURED_BOOTS)("%s ends at the board as it did when it was captured", async (name) => {
    const capture = await readCapturedBoot(name)
    const incomplete: number[][] = []
    await using chain = await startChain(mode, {
      change: { bootGapMs: 1 },
      board: {
        silentMs: 1,
        bootingMs: 1,
        faults: { boot: { dropList: [...capture.dropped] } },
        onEvent: (event) => {
          if (event.type === "boot-incomplete") incomplete.push([...event.missing])
        },
      },
    })
    await replayBoot(capture, chain.client.ports)
    const ended =
      capture.digest === undefined ? () => incomplete.length > 0 : () => chain.board.board.image !== undefined
    await until(ended, "the end of the boot")
    if (capture.digest === undefined) {
      expect(incomplete.at(-1)).toEqual([...capture.missing])
      expect(chain.board.board.phase).toBe("rom")
    } else {
      expect(chain.board.board.image?.digest).toBe(capture.digest)
    }
  })
})
