import { describe, expect, test } from "bun:test"
import { type QueueAction, type QueueLimits, SessionQueue } from "../../src/lucidac/session-queue.ts"

const LIMITS: QueueLimits = { maxSessions: 4, idleMs: 10_000, holdMs: 4_000, maxHoldMs: 30_000 }

type Step =
  | { at: number; connect: number; expect: boolean }
  | { at: number; request: number; expect: "serve" | "hold" }
  | { at: number; leave: number }
  | { at: number; ready: boolean }
  | { at: number; traffic: number }
  | { at: number; running: number; until: number }
  | { at: number; tick: true }

/** Plays `steps` and returns what was to be done, each as `activate 1`. */
function play(steps: readonly Step[], limits: QueueLimits = LIMITS): string[] {
  const queue = new SessionQueue(limits)
  queue.ready(true, 0)
  const done: string[] = []
  const note = (actions: readonly QueueAction[]): void => {
    for (const action of actions) {
      done.push(action.do === "release" ? `release ${action.session} ${action.why}` : `${action.do} ${action.session}`)
    }
  }
  for (const step of steps) {
    if ("connect" in step) expect(queue.connect(step.connect, step.at)).toBe(step.expect)
    else if ("request" in step) {
      const { verdict, actions } = queue.request(step.request, step.at)
      note(actions)
      expect(verdict).toBe(step.expect)
    } else if ("leave" in step) note(queue.leave(step.leave, step.at))
    else if ("ready" in step) note(queue.ready(step.ready, step.at))
    else if ("traffic" in step) queue.traffic(step.traffic, step.at)
    else if ("running" in step) queue.running(step.running, step.until, step.at)
    else note(queue.tick(step.at))
  }
  return done
}

const come = (...ids: number[]): Step[] => ids.map((connect) => ({ at: 0, connect, expect: true }))

describe("the queue of sessions", () => {
  const cases: [string, Step[], string[]][] = [
    ["serves the first who asks", [...come(1), { at: 0, request: 1, expect: "serve" }], ["activate 1"]],
    [
      "goes by the order of asking, not of connecting",
      [
        ...come(1, 2, 3),
        { at: 0, request: 3, expect: "serve" },
        { at: 1, request: 2, expect: "hold" },
        { at: 2, request: 1, expect: "hold" },
        { at: 3, leave: 3 },
        { at: 4, leave: 2 },
      ],
      ["activate 3", "activate 2", "activate 1"],
    ],
    [
      "lets one who waited and left be forgotten",
      [
        ...come(1, 2, 3),
        { at: 0, request: 1, expect: "serve" },
        { at: 0, request: 2, expect: "hold" },
        { at: 0, request: 3, expect: "hold" },
        { at: 1, leave: 2 },
        { at: 2, leave: 1 },
      ],
      ["activate 1", "activate 3"],
    ],
    ["has room for so many", [...come(1, 2, 3, 4), { at: 0, connect: 5, expect: false }], []],
    [
      "answers held requests after 4 s, again for the next one",
      [
        ...come(1, 2),
        { at: 0, request: 1, expect: "serve" },
        { at: 1_000, request: 2, expect: "hold" },
        { at: 2_000, request: 2, expect: "hold" },
        { at: 4_999, traffic: 1 },
        { at: 4_999, tick: true },
        { at: 5_000, tick: true },
        { at: 6_000, tick: true },
        { at: 7_000, request: 2, expect: "hold" },
        { at: 10_999, traffic: 1 },
        { at: 11_000, tick: true },
      ],
      ["activate 1", "answer-held 2", "answer-held 2"],
    ],
    [
      "releases the silent, active or not",
      [
        ...come(1, 2),
        { at: 1_000, request: 1, expect: "serve" },
        { at: 10_000, tick: true },
        { at: 11_000, tick: true },
      ],
      ["activate 1", "release 2 idle", "release 1 idle", "release 2 idle"],
    ],
    [
      "never releases one that waits for being silent",
      [
        ...come(1, 2),
        { at: 0, request: 1, expect: "serve" },
        { at: 0, request: 2, expect: "hold" },
        { at: 19_000, traffic: 1 },
        { at: 20_000, tick: true },
      ],
      ["activate 1", "answer-held 2"],
    ],
    [
      "counts a run as traffic until it is due",
      [
        ...come(1),
        { at: 0, request: 1, expect: "serve" },
        { at: 0, running: 1, until: 60_000 },
        { at: 60_000, tick: true },
        { at: 69_999, tick: true },
        { at: 70_000, tick: true },
      ],
      ["activate 1", "release 1 idle"],
    ],
    [
      "counts from the end of a run",
      [
        ...come(1),
        { at: 0, request: 1, expect: "serve" },
        { at: 0, running: 1, until: 60_000 },
        { at: 5_000, running: 1, until: 0 },
        { at: 14_999, tick: true },
        { at: 15_000, tick: true },
      ],
      ["activate 1", "release 1 idle"],
    ],
    [
      "ends the longest hold only where somebody waits",
      [
        ...come(1, 2),
        { at: 0, request: 1, expect: "serve" },
        { at: 29_000, traffic: 1 },
        { at: 29_000, traffic: 2 },
        { at: 31_000, tick: true },
        { at: 32_000, request: 2, expect: "hold" },
        { at: 32_000, tick: true },
      ],
      ["activate 1", "release 1 max-hold"],
    ],
    [
      "gives the computer to nobody while it is not ready",
      [
        ...come(1, 2),
        { at: 0, request: 1, expect: "serve" },
        { at: 0, request: 2, expect: "hold" },
        { at: 1, ready: false },
        { at: 2, leave: 1 },
        { at: 3, ready: true },
      ],
      ["activate 1", "activate 2"],
    ],
    [
      "knows nothing of strangers",
      [
        { at: 0, request: 9, expect: "hold" },
        { at: 0, leave: 9 },
        { at: 0, traffic: 9 },
      ],
      [],
    ],
  ]
  test.each(cases)("%s", (_name, steps, expected) => {
    expect(play(steps)).toEqual(expected)
  })
})
