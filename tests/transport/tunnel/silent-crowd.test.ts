/** Connections that never speak, by the hundred (a thousand with FULL=1): those who have a key do not notice. */
import { describe, expect, test } from "bun:test"
import { startChild } from "../../../scripts/lib/child.ts"
import { ADMISSION_LIMITS } from "../../../src/transport/tunnel/admission.ts"
import { utf8 } from "../../support/fuzz.ts"
import { residentBytes } from "../../support/resident-memory.ts"
import { EchoTunnel, listen } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

const FULL = process.env.FULL === "1"
const COUNT = FULL ? 1_000 : 300
const CROWD = `${import.meta.dir}/../../support/silent-crowd.ts`

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

describe("a crowd that never speaks", () => {
  test.skipIf(process.platform === "win32").each([
    ["the address of those who do", 1, ADMISSION_LIMITS.perGroup],
    // Only Linux has all of 127.0.0.0/8 without being told.
    ...(process.platform === "linux" ? ([["as many addresses", COUNT, ADMISSION_LIMITS.total]] as const) : []),
  ] as const)(
    "from %s",
    async (_from, addresses, most) => {
      using tunnel = new EchoTunnel()
      const user = tunnel.client(tunnel.keys.add("user"))
      const heard = listen(user.carrier.dialBoard("", "scp")("127.0.0.1:4000"))
      const link = user.carrier.dialBoard("", "scp")("127.0.0.1:4001")
      const echoes = listen(link)
      /** Milliseconds that each answer took. */
      const tookMs: number[] = []
      const ask = async (): Promise<void> => {
        const begun = performance.now()
        link.send(utf8(`${tookMs.length}`))
        await until(() => echoes.at(-1) === `${tookMs.length}`, "an echo for the user at work", 2_000)
        tookMs.push(performance.now() - begun)
      }
      for (let count = 0; count < 50; count++) await ask()
      const quietMs = median(tookMs.splice(0))
      const before = residentBytes(process.pid)

      await using crowd = startChild([process.execPath, CROWD, `${tunnel.port}`, `${COUNT}`, `${addresses}`])
      let isOpen = false
      const open = crowd.waitForLine(/open/, 20_000, "stdout").then(() => {
        isOpen = true
      })
      let strangers = 0
      while (!isOpen) {
        await ask()
        strangers = Math.max(strangers, tunnel.server.strangers)
      }
      await open
      expect(strangers).toBe(most)
      expect(tunnel.refused("crowded")).toBeGreaterThanOrEqual(COUNT - most)

      const begun = performance.now()
      const other = tunnel.client(tunnel.keys.add("other"))
      await until(() => other.ups.length > 0, "another user to be let in", 2_000)
      const letInMs = performance.now() - begun
      for (let count = 0; count < 50; count++) await ask()
      expect([user.ups.length, user.observer.of("connection-lost"), heard]).toEqual([1, [], []])
      const grown = residentBytes(process.pid) - before
      expect(grown).toBeLessThan(32 << 20)
      if (FULL) {
        console.log(
          `let in after ${letInMs.toFixed(1)} ms; echo ${quietMs.toFixed(2)} ms, beside the crowd ` +
            `${median(tookMs).toFixed(2)} ms, at worst ${Math.max(...tookMs).toFixed(1)} ms; ${grown >> 10} KiB more`,
        )
      }
    },
    30_000,
  )
})
