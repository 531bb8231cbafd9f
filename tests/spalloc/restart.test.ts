import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { JobState } from "../../src/spalloc/types.ts"
import { Lab, labMachine } from "../support/spalloc-lab.ts"

const HOST = "192.0.2.1"
let folder = ""
let state = ""

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spalloc-restart-"))
  state = join(folder, "state.sqlite")
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const MACHINES = [labMachine(1, 2)]

describe("after a restart", () => {
  test("jobs, boards, queue, reasons and ids are as they were; keepalives start afresh and hosts are unknown", () => {
    const before = new Lab(MACHINES, {}, state)
    const ready = before.create([1, 1], { keepalive: 60, owner: "me" })
    before.settle()
    const single = before.create()
    const queued = before.create([1, 2])
    const dead = before.create([9, 9])
    before.clock.advance(59_000)
    const jobs = before.controller.listJobs()
    before.controller.close()
    const after = new Lab(MACHINES, {}, state)
    expect(after.controller.listJobs()).toEqual(jobs.map((job) => ({ ...job, keepalivehost: "" })))
    expect([ready, single, queued].map((id) => after.state(id))).toEqual([
      JobState.READY,
      JobState.POWER,
      JobState.QUEUED,
    ])
    expect(after.reason(dead)).toBe("Cancelled: No suitable machines available.")
    expect(after.pending).toMatchObject([{ jobId: single, on: true }])
    after.pass(59)
    expect(after.state(ready)).toBe(JobState.READY)
    expect(after.create()).toBe(dead + 1)
    after.controller.close()
  })

  test("boards of a job that was ended are still switched off, and still rest", () => {
    const before = new Lab(MACHINES, {}, state)
    const id = before.create([1, 2])
    before.settle()
    before.destroy(id)
    before.controller.close()
    const middle = new Lab(MACHINES, {}, state)
    expect(middle.pending).toMatchObject([{ jobId: null, on: false, boards: [0, 1, 2, 3, 4, 5] }])
    const waits = middle.create([1, 2], { keepalive: null })
    middle.settle()
    middle.controller.close()
    const after = new Lab(MACHINES, {}, state)
    expect(after.pending).toEqual([])
    expect(after.state(waits)).toBe(JobState.QUEUED)
    after.pass(30)
    expect(after.state(waits)).toBe(JobState.POWER)
    after.controller.close()
  })

  test("with another machine of that name, its jobs are gone and their boards are switched off where they were", () => {
    const before = new Lab(MACHINES, {}, state)
    const id = before.create([1, 2])
    before.settle()
    before.controller.close()
    const after = new Lab([labMachine(2, 2, { bmps: [{ cabinet: 0, frame: 0, host: "other" }] })], {}, state)
    expect(after.reason(id)).toBe("Machine removed.")
    expect(after.pending).toMatchObject([{ bmp: "lab-bmp-0", on: false }])
    expect(after.state(after.create([2, 2]))).toBe(JobState.POWER)
    after.controller.close()
  })

  test("a board is still out of service", () => {
    const before = new Lab(MACHINES, { secondsBeforeFree: 0 }, state)
    before.wearOut([0, 0, 1])
    before.controller.close()
    const after = new Lab(MACHINES, { secondsBeforeFree: 0 }, state)
    expect(after.controller.listMachines()[0]?.dead_boards).toEqual([[0, 0, 1]])
    expect(after.controller.restoreBoard("lab", [0, 0, 1])).toBe(true)
    after.controller.close()
    const last = new Lab(MACHINES, {}, state)
    expect(last.controller.listMachines()[0]?.dead_boards).toEqual([])
    last.controller.close()
  })

  test("a board that was being tried out is switched off", () => {
    const before = new Lab(MACHINES, { secondsBeforeFree: 0 }, state)
    before.wearOut([0, 0, 1])
    before.pass(600)
    expect(before.pending).toMatchObject([{ boards: [1], on: true }])
    before.controller.close()
    const after = new Lab(MACHINES, {}, state)
    expect(after.pending).toMatchObject([{ boards: [1], on: false, jobId: null }])
    after.controller.close()
  })

  test("owner-only still knows who created a job", () => {
    const before = new Lab(MACHINES, { ownerOnly: true }, state)
    const id = before.create()
    before.controller.close()
    const after = new Lab(MACHINES, { ownerOnly: true }, state)
    expect(() => after.controller.destroyJob(id, null, "192.0.2.7")).toThrow("owner-only")
    after.controller.destroyJob(id, null, HOST)
    after.controller.close()
  })
})

test("two servers cannot have one state", () => {
  const first = new Lab(MACHINES, {}, state)
  expect(() => new Lab(MACHINES, {}, state)).toThrow("another server")
  first.controller.close()
  new Lab(MACHINES, {}, state).controller.close()
}, 10_000)

test("a file that is no state is refused and left alone", async () => {
  await Bun.write(state, "these are my notes, not a database, and they are long enough to be looked at ".repeat(20))
  expect(() => new Lab(MACHINES, {}, state)).toThrow(state)
  expect(await Bun.file(state).text()).toStartWith("these are my notes")
})
