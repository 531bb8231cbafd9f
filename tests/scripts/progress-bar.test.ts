import { expect, test } from "bun:test"
import { renderBar, Screen } from "../../scripts/lib/progress-bar.ts"

test("renderBar() is as long at the beginning as at the end", () => {
  expect(renderBar(0, 29, "boot")).toBe(`${"░".repeat(30)}   0 of 29  boot`)
  expect(renderBar(29, 29, "boot")).toBe(`${"█".repeat(30)}  29 of 29  boot`)
  expect(renderBar(40, 29, "boot")).toStartWith("█".repeat(30))
})

test("Screen keeps the bar below the lines of a terminal", () => {
  let shown = ""
  const screen = new Screen((text) => (shown += text), true)
  screen.progress(1, 2, "boot")
  screen.line("board: hello")
  const bar = renderBar(1, 2, "boot")
  expect(shown).toBe(`\r\x1b[K${bar}\r\x1b[Kboard: hello\n${bar}`)
})

test("Screen writes only the finished bar to a pipe", () => {
  let shown = ""
  const screen = new Screen((text) => (shown += text), false)
  screen.progress(1, 2, "boot")
  screen.line("board: hello")
  screen.progress(2, 2, "boot")
  expect(shown).toBe(`board: hello\n${renderBar(2, 2, "boot")}\n`)
})
