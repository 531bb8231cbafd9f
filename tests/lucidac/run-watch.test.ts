import { describe, expect, test } from "bun:test"
import { RUN_GRACE_MS, RUN_LIMIT_MS, RunWatch } from "../../src/lucidac/run-watch.ts"

describe("a run", () => {
  test("is over once every device is done", () => {
    const run = new RunWatch("r", [0, 1], 100, 0)
    expect(run.finished(1, "done", 1)).toBe("going-on")
    expect(run.finished(1, "done", 1)).toBe("ignored")
    expect(run.finished(0, "done", 1)).toBe("over")
    expect(run.deadline).toBeUndefined()
  })

  test("is over at the first error, and later ones are no news", () => {
    const run = new RunWatch("r", [0, 1], 100, 0)
    expect(run.finished(1, "error", 1)).toBe("failed")
    expect(run.finished(0, "error", 1)).toBe("ignored")
    expect(run.finished(0, "done", 1)).toBe("ignored")
  })

  test("goes on without a device that is gone", () => {
    const run = new RunWatch("r", [0, 1], 100, 0)
    expect(run.withdrawn(0)).toBe("going-on")
    expect(run.finished(1, "done", 1)).toBe("over")
  })

  test("has a time limit that samples put off, but not for ever", () => {
    const run = new RunWatch("r", [0], 1_000, 500)
    expect(run.deadline).toBe(1_500 + RUN_GRACE_MS)
    run.chunk(0, "A", 0, 9_000)
    expect(run.deadline).toBe(9_000 + RUN_GRACE_MS)
    run.chunk(0, "A", 1, 900_000)
    expect(run.deadline).toBe(1_500 + RUN_LIMIT_MS)
    expect(new RunWatch("r", [0], undefined, 0).deadline).toBeUndefined()
  })

  test("counts missing chunks for each carrier, and takes back those that were only late", () => {
    const run = new RunWatch("r", [0, 1], 1_000, 0)
    for (const number of [0, 1, 4, 3]) run.chunk(0, "A", number, 0)
    run.chunk(1, "B", 2, 0)
    run.lost({ backend: 1, carrier: "B", cause: "full", count: 1 }, 0)
    run.lost({ backend: 1, carrier: "B", cause: "full", count: 1 }, 0)
    expect(run.takeLosses()).toEqual([
      { backend: 0, carrier: "A", cause: "gap", count: 1 },
      { backend: 1, carrier: "B", cause: "gap", count: 2 },
      { backend: 1, carrier: "B", cause: "full", count: 2 },
    ])
    expect(run.takeLosses()).toEqual([])
    expect(run.lostTotal).toBe(5)
  })
})
