/** A server that is killed at any instant takes up where it was. 200 kills with FULL=1. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { Controller } from "../../src/spalloc/controller.ts"
import { JobState } from "../../src/spalloc/types.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { snapshot, type TurnLine, WORKLOAD_MACHINES } from "../support/spalloc-workload.ts"

const KILLS = process.env.FULL === "1" ? 200 : 8
const folder = mkdtempSync(join(tmpdir(), "spalloc-crash-"))
const SCRIPT = join(import.meta.dir, "..", "support", "spalloc-workload.ts")

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the workload, kills it a while after its first turn, and returns all turns that it acknowledged. */
async function killedLife(state: string, seed: number, lifeMs: number): Promise<string[]> {
  const child = Bun.spawn([process.execPath, SCRIPT, state, String(seed)], { stdout: "pipe", stderr: "inherit" })
  const decoder = new TextDecoder()
  let said = ""
  let isArmed = false
  for await (const chunk of child.stdout) {
    said += decoder.decode(chunk, { stream: true })
    if (!isArmed) setTimeout(() => child.kill("SIGKILL"), lifeMs)
    isArmed = true
  }
  await child.exited
  // The last line may have been cut by the kill; a client would not have seen it either.
  return said.split("\n").slice(0, -1)
}

test(
  `killed ${KILLS} times in the middle of its work, no job is lost, moved or doubled`,
  async () => {
    const random = seededRandom(20_260)
    const state = join(folder, "state.sqlite")
    let highest = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const lines = await killedLife(state, kill, random() * 40)
      const last = JSON.parse(lines.at(-1)!) as TurnLine
      highest = Math.max(highest, last.next)
      const settings = { ...DEFAULT_SETTINGS, maxRetiredJobs: 20 }
      const controller = new Controller({
        config: { settings, machines: WORKLOAD_MACHINES },
        state,
        clock: systemClock,
      })
      const found = snapshot(controller, highest)
      checkBoards(found)
      checkAcknowledged(last, found, controller)
      const { powerWork } = controller.flush()
      for (const { job_id, state: code } of controller.listJobs()) {
        const hasWork = powerWork.some(({ jobId }) => jobId === job_id)
        expect([job_id, hasWork]).toEqual([job_id, code === JobState.POWER])
      }
      controller.close()
    }
    expect(highest).toBeGreaterThan(KILLS)
  },
  KILLS * 3000 + 10_000,
)

function checkBoards({ jobs }: TurnLine): void {
  const held = jobs.flatMap(([, , boards]) => boards ?? [])
  expect(held.length).toBe(new Set(held).size)
}

/** One more turn than the last acknowledged one may have been committed: what it changed may differ, but never boards. */
function checkAcknowledged(last: TurnLine, found: TurnLine, controller: Controller): void {
  const now = new Map(found.jobs.map(([id, state, boards]) => [id, { state, boards }]))
  let gone = 0
  for (const [id, , boards] of last.jobs) {
    const job = now.get(id)
    if (job) {
      if (boards !== null) expect([id, job.boards]).toEqual([id, boards])
    } else {
      gone++
      expect(controller.jobState(id, "test").state).toBe(JobState.DESTROYED)
    }
  }
  // A turn has at most 5 commands, and each of them destroys at most one job.
  expect(gone).toBeLessThanOrEqual(5)
}
