/** What the relay costs before it does anything: time until it listens, and memory while nobody talks. */
import { startChild } from "../lib/child.ts"
import { freePorts } from "../lib/free-port.ts"
import { relayCommand } from "../lib/relay-command.ts"
import { residentBytes } from "./process-memory.ts"
import { median } from "./report.ts"
import { LISTENING } from "./scenarios.ts"

/** Figures of a server at rest; `idleBytes` is undefined where the system does not tell. */
export interface AtRest {
  readonly startMs: number
  readonly idleBytes: number | undefined
}

// The collector and the allocator have settled by then.
const SETTLE_MS = 1000

/** Median over `runs` starts of a server. */
export async function measureAtRest(runs: number): Promise<AtRest> {
  const times: number[] = []
  const sizes: number[] = []
  for (let run = 0; run < runs; run++) {
    const [scp, boot, scpTunnel, bootTunnel] = await freePorts(4)
    const ports = [
      `--scp-port=${scp}`,
      `--boot-port=${boot}`,
      `--scp-tunnel-port=${scpTunnel}`,
      `--boot-tunnel-port=${bootTunnel}`,
    ]
    const started = performance.now()
    await using server = startChild([...relayCommand(), "-s", "127.0.0.1", "--bind", "127.0.0.1", ...ports])
    await server.waitForLine(LISTENING)
    times.push(performance.now() - started)
    await Bun.sleep(SETTLE_MS)
    const bytes = await residentBytes(server.pid)
    if (bytes !== undefined) sizes.push(bytes)
  }
  return { startMs: median(times), idleBytes: sizes.length > 0 ? median(sizes) : undefined }
}
