/** A connection lost in the middle of a boot, with bytes that the system had accepted and nobody received. */
import { describe, expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { startClient } from "../../src/relay/client.ts"
import { startServer } from "../../src/relay/server.ts"
import { Application } from "../support/application.ts"
import { readCapturedBoot } from "../support/captured-boot.ts"
import { testContext, testSettings } from "../support/chain.ts"
import { Middleman } from "../support/middleman.ts"
import { until } from "../support/until.ts"

const capture = await readCapturedBoot("rig-boot-spin5")
const boot = capture.sent.filter(({ service }) => service === "boot").map(({ payload }) => payload)
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("a connection that is cut under a boot", () => {
  test.each(Array.from({ length: boot.length }, (_, index) => index + 1))(
    "after datagram %d, with everything since the half before it unread, still ends in a booted board",
    async (count) => {
      using board = disposable(await UdpBoard.open({ scpPort: 0, bootPort: 0, silentMs: 1, bootingMs: 1 }))
      const [scpTunnelPort, bootTunnelPort] = (await freePorts(2)) as [number, number]
      const server = await startServer(
        testSettings({
          ...{ scpPort: board.scp.port, bootPort: board.boot.port, scpTunnelPort, bootTunnelPort },
          bootGapMs: 1,
        }),
        testContext(),
      )
      using middleman = new Middleman(bootTunnelPort)
      const context = testContext()
      const client = await startClient(
        testSettings({ bootViaTcp: true, scpTunnelPort, bootTunnelPort: middleman.port }),
        context,
      )
      using application = await Application.open(client.ports.boot)
      await until(() => context.observer.of("connected").length === 1, "the first connection")
      for (const [index, datagram] of boot.entries()) {
        application.send(datagram)
        await turn()
        if (index + 1 === Math.ceil(count / 2)) middleman.stopReading()
        if (index + 1 === count) {
          await until(
            () => context.observer.of("boot-progress").length >= Math.min(count - 1, boot.length - 2),
            "the client to have sent them",
          )
          middleman.cut()
          middleman.pass()
        }
      }
      await until(() => board.board.image !== undefined, "the image")
      expect(board.board.image?.digest).toBe(capture.digest!)
      client.close()
      server.close()
    },
  )
})

function disposable<T extends { close(): void }>(thing: T): T & Disposable {
  return Object.assign(thing, { [Symbol.dispose]: () => thing.close() })
}
