/** How far a long action has come: a bar that rewrites itself on a terminal, a line each quarter elsewhere. */
import type { CommandIo } from "./command.ts"

/** Characters of the bar. */
const WIDTH = 30

/** One action's progress on standard error. */
export class ProgressBar {
  #label = ""
  #lastQuarter = 0
  #shown = ""

  constructor(private readonly io: CommandIo) {}

  /** `done` of `total` `unit`s; a new label begins anew. */
  update(label: string, done: number, total: number, unit: string): void {
    if (label !== this.#label) this.#begin(label)
    const part = total === 0 ? 1 : done / total
    const counts = `${done} of ${total} ${unit}`
    if (!this.io.isTerminal) {
      const quarter = Math.floor(part * 4)
      if (quarter > this.#lastQuarter) this.io.stderr(`${label}: ${counts}\n`)
      this.#lastQuarter = Math.max(quarter, this.#lastQuarter)
      return
    }
    const filled = Math.round(part * WIDTH)
    const line = `${label} [${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}] ${counts}`
    if (line !== this.#shown) this.io.stderr(`\r${line}`)
    this.#shown = line
  }

  /** Ends the bar's line, if there is one. */
  end(): void {
    if (this.#shown !== "") this.io.stderr("\n")
    this.#shown = ""
    this.#label = ""
  }

  /** A line of its own. */
  say(text: string): void {
    this.end()
    this.io.stderr(`${text}\n`)
  }

  #begin(label: string): void {
    this.end()
    this.#label = label
    this.#lastQuarter = 0
  }
}
