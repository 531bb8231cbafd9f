/** A process that isn't one: what a command prints is kept, and the test sends the signal. */
import type { CommandIo } from "../../src/cli/command.ts"

export class FakeIo implements CommandIo {
  readonly isTerminal = false
  readonly env = {}
  readonly #stop = new AbortController()
  readonly stop = this.#stop.signal
  out = ""
  err = ""

  stdout(text: string): void {
    this.out += text
  }

  // Handed on without its object, so a function of its own.
  readonly stderr = (text: string): void => {
    this.err += text
  }

  /** Ctrl-C, or another signal. */
  signal(name = "SIGINT"): void {
    this.#stop.abort(name)
  }
}
