import { describe, expect, test } from "bun:test"
import { bindArguments } from "../../src/spalloc/bind-arguments.ts"

const signature = { positional: ["job_id", "reason"], named: ["chip"], required: ["job_id"] }
const bind = (args: unknown[], kwargs: Record<string, unknown> = {}) => {
  const result = bindArguments("destroy_job", signature, args, kwargs)
  return result.ok ? Object.fromEntries(result.bound) : result.problem
}

describe("bindArguments", () => {
  test("takes arguments by position, by name and mixed", () => {
    expect(bind([1, "x"])).toEqual({ job_id: 1, reason: "x" })
    expect(bind([], { reason: "x", job_id: 1 })).toEqual({ job_id: 1, reason: "x" })
    expect(bind([1], { reason: "x", chip: 3 })).toEqual({ job_id: 1, reason: "x", chip: 3 })
  })

  test("takes null as absent", () => {
    expect(bind([1, null], { chip: null })).toEqual({ job_id: 1 })
    expect(bind([null])).toEqual({})
  })

  test("says what is missing, surplus, unknown or doubled", () => {
    expect(bind([])).toBe("destroy_job needs job_id")
    expect(bind([1, "x", 2])).toBe("destroy_job takes at most 2 arguments by position, got 3")
    expect(bind([1], { speed: 2 })).toBe('destroy_job has no argument "speed": it takes job_id, reason, chip')
    expect(bind([1], { job_id: 2 })).toBe("destroy_job got two values for job_id: one by position and one by name")
    expect(bindArguments("version", {}, [1], {})).toEqual({
      ok: false,
      problem: "version takes no positional arguments, got 1",
    })
  })

  test("is not fooled by names that every object has", () => {
    expect(bind([1], JSON.parse('{"__proto__": 1}'))).toContain('no argument "__proto__"')
    expect(bind([1], { toString: 1 })).toContain('no argument "toString"')
  })
})
