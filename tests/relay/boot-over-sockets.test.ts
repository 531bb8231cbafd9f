/** The fault tests' boots once more, over real sockets: a LAN that loses and doubles, a ROM that misses what comes too soon. */
import { describe, expect, test } from "bun:test"
import { syntheticImage } from "../../scripts/lib/synthetic-image.ts"
import { imageDigest } from "../../src/fake-board/boot-rom.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { Application } from "../support/application.ts"
import { type Chain, MODES, startChain } from "../support/chain.ts"
import { until } from "../support/until.ts"

const IMAGE = syntheticImage()

/** A chain to a board behind a bad LAN. */
function badChain(mode: (typeof MODES)[number], seed: number, bootRepair: boolean): Promise<Chain> {
  return startChain(mode, {
    change: { bootRepair },
    board: {
      seed,
      // The board shares our event loop, which is late by some milliseconds where a network would not be.
      bootGapMs: 5,
      silentMs: 50,
      bootingMs: 50,
      faults: { boot: { drop: 0.05, duplicate: 0.05, jitterMs: 2 } },
    },
  })
}

/** The whole image in one burst, as a network that was stuck for a while delivers it. */
async function burst(chain: Chain): Promise<void> {
  using application = await Application.open(chain.client.ports.boot)
  for (const datagram of encodeBootImage(IMAGE)) {
    application.send(datagram)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe.each([MODES[0], MODES[3]])("over $name", (mode) => {
  test.each([1, 2])("a burst of a boot ends booted, with the right digest (seed %d)", async (seed) => {
    await using chain = await badChain(mode, seed, true)
    await burst(chain)
    await until(() => chain.serverObserver.of("boot-answered").length > 0, "the board's answer", 20_000)
    expect(chain.board.board.image?.digest).toBe(imageDigest(IMAGE))
    expect(chain.serverObserver.of("boot-failed")).toEqual([])
  })
})

test("with --no-boot-repair the same burst boots nothing", async () => {
  await using chain = await badChain(MODES[3], 1, false)
  await burst(chain)
  await until(() => chain.serverObserver.of("boot-sent").length > 0, "the boot's END")
  // Longer than the board's jitter.
  await Bun.sleep(50)
  expect(chain.board.board.image).toBeUndefined()
})
