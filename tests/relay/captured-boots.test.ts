/** Boots that real programs sent, replayed datagram by datagram through client and server to a board's boot ROM. */
import { describe, expect, test } from "bun:test"
import { Application } from "../support/application.ts"
import { type CapturedBoot, readCapturedBoot } from "../support/captured-boot.ts"
import { type Chain, MODES, startChain } from "../support/chain.ts"
import { until } from "../support/until.ts"

const BOOTS = [
  "rig-boot-spin3",
  "rig-boot-spin5",
  "spinnman-boot-spin5",
  "ybug-boot-spin5",
  "rig-boot-lossy",
  "spinnman-boot-lossy",
]

/** Sends the capture's datagrams in their own order, each socket of the capture from a socket of its own. */
async function replay(capture: CapturedBoot, chain: Chain): Promise<void> {
  const sockets = new Map<string, Application>()
  for (const { socket, service, payload } of capture.sent) {
    const application = sockets.get(socket) ?? (await Application.open(chain.client.ports[service]))
    sockets.set(socket, application)
    application.send(payload)
    // One turn of the loop for everybody: the order is the capture's, the pace is not.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe.each(MODES)("a captured boot over $name", (mode) => {
  test.each(BOOTS)("%s ends at the board as it did when it was captured", async (name) => {
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
    await replay(capture, chain)
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
