import { expect, test } from "bun:test"
import { type JobEvent, type JobLife, stepJob } from "../../src/spalloc/job-life.ts"

const QUEUED: JobLife = { kind: "queued" }
const POWER: JobLife = { kind: "power", on: true }
const READY: JobLife = { kind: "ready", on: true }
const GONE: JobLife = { kind: "destroyed", reason: "before" }

const ALLOCATED: JobEvent = { kind: "allocated" }
const OFF: JobEvent = { kind: "power", on: false }
const SETTLED: JobEvent = { kind: "settled" }
const DESTROY: JobEvent = { kind: "destroy", reason: "why" }

test.each<[JobLife, JobEvent, JobLife]>([
  [QUEUED, ALLOCATED, POWER],
  [QUEUED, OFF, QUEUED],
  [QUEUED, SETTLED, QUEUED],
  [QUEUED, DESTROY, { kind: "destroyed", reason: "Cancelled: why" }],
  [POWER, ALLOCATED, POWER],
  [POWER, OFF, { kind: "power", on: false }],
  [POWER, SETTLED, READY],
  [POWER, DESTROY, { kind: "destroyed", reason: "why" }],
  [READY, ALLOCATED, READY],
  [READY, OFF, { kind: "power", on: false }],
  [READY, SETTLED, READY],
  [READY, DESTROY, { kind: "destroyed", reason: "why" }],
  [GONE, ALLOCATED, GONE],
  [GONE, OFF, GONE],
  [GONE, SETTLED, GONE],
  [GONE, DESTROY, GONE],
])("a job that is %o, and then %o", (life, event, after) => {
  expect(stepJob(life, event)).toEqual(after)
})
