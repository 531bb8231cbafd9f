import { expect, test } from "bun:test"
import { type BoardsControl, spallocControlAnswers } from "../../src/spalloc/control.ts"

const boards: BoardsControl = {
  machines: [{ name: "lab", tags: [], width: 1, height: 1, dead_boards: [], dead_links: [] }],
  failingBoards: [],
  restoreBoard: () => true,
}

function ask(said: unknown, control = boards): unknown {
  let reply: unknown
  let isDone = false
  const peer = {
    isClear: true,
    send: (value: unknown) => {
      reply = value
    },
    done: () => {
      isDone = true
    },
    onGone() {},
  }
  spallocControlAnswers(control)(said, peer)
  expect(isDone).toBe(true)
  return reply
}

test.each([
  [null],
  [7],
  [[]],
  [{}],
  [{ command: "sing" }],
  [{ command: "restore" }],
  [{ command: "restore", machine: 1, board: [0, 0, 0] }],
  [{ command: "restore", machine: "lab", board: [0, 0] }],
  [{ command: "restore", machine: "lab", board: [0, -1, 0] }],
  [{ command: "restore", machine: "lab", board: [0, 0, 0.5] }],
  [{ command: "restore", machine: "lab", board: "0,0,0" }],
])("%j is not understood", (said) => {
  expect(ask(said)).toEqual({ ok: false, error: expect.stringContaining("not understood") })
})

test("requests are answered", () => {
  expect(ask({ command: "boards" })).toEqual({ ok: true, result: [] })
  expect(ask({ command: "restore", machine: "lab", board: [0, 0, 2] })).toEqual({ ok: true, result: null })
})

test("a fault of the program is an answer and ends nothing", () => {
  const broken = { ...boards, restoreBoard: () => JSON.parse("") }
  expect(ask({ command: "restore", machine: "lab", board: [0, 0, 2] }, broken)).toEqual({
    ok: false,
    error: expect.stringContaining("a fault in the program itself"),
  })
})
