/** A bar that stays at the bottom of a terminal while lines scroll past above it; in a pipe, only the lines. */

const WIDTH = 30

/** `████████████░░░░░░  13 of 29  boot`. */
export function renderBar(done: number, total: number, title: string): string {
  const full = total > 0 ? Math.floor((WIDTH * Math.min(done, total)) / total) : 0
  const width = String(total).length
  return `${"█".repeat(full)}${"░".repeat(WIDTH - full)}  ${String(done).padStart(width)} of ${total}  ${title}`
}

/** Writes lines, and a bar below them. */
export class Screen {
  #bar = ""

  constructor(
    private readonly write: (text: string) => void,
    private readonly isTerminal: boolean,
  ) {}

  /** Prints a line; the bar stays below it. */
  line(text: string): void {
    this.write(this.#bar ? `\r\x1b[K${text}\n${this.#bar}` : `${text}\n`)
  }

  /** Shows how far `title` has come. At the end the bar becomes a line like any other. */
  progress(done: number, total: number, title: string): void {
    const bar = renderBar(done, total, title)
    if (this.isTerminal) this.write(`\r\x1b[K${bar}`)
    this.#bar = this.isTerminal ? bar : ""
    if (done < total) return
    this.write(this.isTerminal ? "\n" : `${bar}\n`)
    this.#bar = ""
  }
}
