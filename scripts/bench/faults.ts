/**
 * What loss on the board's own leg costs, with and without the relay's stages: boots, SCP success and SCP rate over the
 * memory transport and a fake clock, so that the figures are the protocol's and the same on every machine.
 */
import { SCP_MAX_DATA } from "../../src/protocol/scp.ts"
import { BootBench } from "../../tests/support/boot-bench.ts"
import { BOOT_TIMINGS, BootClient } from "../../tests/support/boot-client.ts"
import { type Asked, type ClientTiming, RIG, ScpClient, SPINNMAN, YBUG } from "../../tests/support/scp-client.ts"
import { heading } from "../lib/say.ts"
import { syntheticImage } from "../lib/synthetic-image.ts"
import { count, table } from "./report.ts"

/** Chances of loss, each way, of each datagram between relay and board. */
const LOSSES = [0, 0.01, 0.02, 0.05, 0.1] as const
const READ: Asked = { command: 2, arg1: 0x60000000, arg2: SCP_MAX_DATA, arg3: 2 }
/** Requests of one SCP run; boots of one row are fewer, each being half a minute of its own time. */
const REQUESTS = 2_000
const BOOTS_A_RUN = 20

const percent = (share: number): string => `${(100 * share).toFixed(share === 1 ? 0 : 1)} %`

/** Share of first attempts that end with a board that answers. */
function bootsCompleted(program: keyof typeof BOOT_TIMINGS, guarded: boolean, drop: number, boots: number): number {
  let booted = 0
  for (let seed = 1; seed <= boots; seed++) {
    const bench = new BootBench({ seed, guarded, lan: { drop } })
    const timing = { ...BOOT_TIMINGS[program], attempts: 1 }
    const client = new BootClient({ ...bench.client(), clock: bench.clock, image: syntheticImage(), timing }).start()
    bench.until(() => client.outcome !== undefined)
    if (client.outcome === "booted") booted++
  }
  return booted / boots
}

/** Share of requests answered, and answers a second, of one program's reads. */
function reads(timing: ClientTiming, guarded: boolean, drop: number): { success: number; perSecond: number } {
  const bench = new BootBench({ seed: 11, guarded, booted: true, lan: { drop, delayMs: 0.2 } })
  let left = REQUESTS
  const client = new ScpClient(bench.client().scp, bench.clock, timing, () => (left-- > 0 ? READ : undefined))
  let doneAt = 0
  client.onDone = () => {
    doneAt = bench.clock.now()
  }
  const begun = bench.clock.now()
  client.start()
  bench.until(() => client.done, 3_600_000)
  return { success: client.answered / REQUESTS, perSecond: (1000 * client.answered) / (doneAt - begun) }
}

/** Prints them; `runs` sets of 20 boots for each figure. */
export function printFaultTables(runs: number): void {
  const boots = BOOTS_A_RUN * runs
  heading(
    `loss between relay and board, each way: ${boots} boots (first attempt) and ${REQUESTS} reads for each figure`,
  )
  const rows = LOSSES.map((drop) => {
    const both = <T>(measure: (guarded: boolean) => T): [T, T] => [measure(false), measure(true)]
    const cells = [
      ...both((guarded) => percent(bootsCompleted("rig", guarded, drop, boots))),
      ...both((guarded) => percent(bootsCompleted("ybug", guarded, drop, boots))),
      ...both((guarded) => percent(reads(YBUG, guarded, drop).success)),
      ...both((guarded) => count(reads(RIG, guarded, drop).perSecond)),
      ...both((guarded) => count(reads(SPINNMAN, guarded, drop).perSecond)),
    ]
    return [percent(drop), ...cells]
  })
  const pairs = ["rig boots", "ybug boots", "ybug SCP", "rig req/s", "SpiNNMan req/s"]
  console.log(table([["loss", ...pairs.flatMap((what) => [`${what}, bare`, "guarded"])], ...rows]))
}
