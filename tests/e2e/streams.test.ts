/** Live output at the rates of real experiments, through the relay as processes: nothing is lost on loopback. */
import { describe, expect, test } from "bun:test"
import { streamThroughRelay } from "../../scripts/lib/stream-run.ts"

/** Ten minutes in the long check (FULL=1). */
const SECONDS = process.env.FULL ? 600 : 1.5

describe.each([
  { mode: "UDP", viaTcp: false },
  { mode: "-T", viaTcp: true },
])("over $mode", ({ viaTcp }) => {
  test(
    "5,000 EIEIO datagrams of 254 bytes a second arrive all, in order",
    async () => {
      const { offered, lost, late, said } = await streamThroughRelay({
        rate: 5_000,
        keys: 62,
        seconds: SECONDS,
        viaTcp,
      })
      expect({ lost, late, said: lost > 0 ? said : [] }).toEqual({ lost: 0, late: 0, said: [] })
      // A machine that is busy with other tests may take longer, never send less.
      expect(offered).toBeGreaterThan(1_000 * SECONDS)
    },
    SECONDS * 1_000 + 30_000,
  )
})
