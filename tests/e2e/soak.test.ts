/** The soak for a minute, in the long check (FULL=1): scripts/soak.ts says what it does. */
import { expect, test } from "bun:test"
import { join } from "node:path"
import { ROOT } from "../../scripts/lib/relay-command.ts"

const SECONDS = 60
/** Start, warm-up, settling twice, and the end. */
const AROUND_MS = 60_000

test.skipIf(!process.env.FULL || process.platform !== "linux")(
  `${SECONDS} s of faults, restarts and address changes leave memory, descriptors and data as they were`,
  async () => {
    const soak = Bun.spawn([process.execPath, join(ROOT, "scripts", "soak.ts"), "--seconds", `${SECONDS}`], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    })
    const said = await new Response(soak.stdout).text()
    expect(said).toContain("soak: passed")
    expect(await soak.exited).toBe(0)
  },
  SECONDS * 1_000 + AROUND_MS,
)
