/** Hours in small: a steady load for minutes, and what becomes of the memory of server and client. */
import { duration, megabytes } from "../lib/say.ts"
import { type Generator, runLoad } from "./generator.ts"
import { residentBytes } from "./process-memory.ts"
import type { Scenario } from "./scenarios.ts"

/** Requests a second: about what a busy application does. */
export const SOAK_RATE = 5000
/** Outstanding at most; more than any client has, so that a short pause of the machine does not count as loss. */
const SOAK_WINDOW = 256
/** When the first figure is taken: code is compiled and heaps have found their size by then. */
const BASE_SECONDS = 120

/** The growth that each process may have between minute 2 and the end. */
export const GROWTH_LIMIT_BYTES = 5 * 2 ** 20

/** Loads one scenario for `seconds`; true if no process grew by more than 5 MB after minute 2. */
export async function soak(
  generator: Generator,
  scenario: Scenario,
  boardPort: number,
  seconds: number,
): Promise<boolean> {
  const setup = await scenario.start(boardPort)
  const children = Object.entries(setup.children)
  const baseAt = Math.min(BASE_SECONDS, seconds / 2)
  const base = new Map<string, number>()
  const sample = async (at: number): Promise<Map<string, number>> => {
    const now = new Map<string, number>()
    for (const [role, child] of children) now.set(role, (await residentBytes(child.pid)) ?? Number.NaN)
    const figures = [...now].map(([role, bytes]) => `${role} ${megabytes(bytes)}`).join(", ")
    console.log(`${scenario.name} at ${duration(at * 1000).padStart(8)}: ${figures}`)
    return now
  }
  await sample(0)
  const load = runLoad(generator, { port: setup.port, window: SOAK_WINDOW, seconds, rate: SOAK_RATE })
  const started = performance.now()
  const until = (at: number): Promise<void> => Bun.sleep(Math.max(0, started + at * 1000 - performance.now()))
  // One sample a minute, and the two that count.
  const minutes = Array.from({ length: Math.floor(seconds / 60) }, (_, i) => (i + 1) * 60)
  for (const at of [...new Set([...minutes, baseAt, seconds])].sort((a, b) => a - b)) {
    await until(at)
    const now = await sample(at)
    if (at === baseAt) for (const [role, bytes] of now) base.set(role, bytes)
    if (at !== seconds) continue
    const result = await load
    console.log(
      `${scenario.name}: ${Math.round(result.rate)} requests/s answered of ${SOAK_RATE}, ${result.lost} lost, ` +
        `p50 ${result.p50Us.toFixed(0)} µs, p99 ${result.p99Us.toFixed(0)} µs`,
    )
    let within = true
    for (const [role, bytes] of now) {
      const growth = bytes - base.get(role)!
      within &&= growth <= GROWTH_LIMIT_BYTES
      console.log(`${scenario.name}: ${role} grew by ${megabytes(growth)} since ${duration(baseAt * 1000)}`)
    }
    for (const [, child] of children) await child.stop()
    return within
  }
  return false
}
