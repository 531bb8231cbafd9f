/** Runs one command line in this process, with its output caught. */
import type { Command, CommandIo } from "../../src/cli/command.ts"
import { runProgram } from "../../src/cli/program.ts"

/** A command that runs, and later what came of it. */
export class CliRun {
  stdout = ""
  stderr = ""
  readonly exit: Promise<number>
  readonly #stop = new AbortController()
  #onStderr: (() => void) | undefined

  constructor(command: Command, args: readonly string[], options: { isTerminal?: boolean; stdin?: string } = {}) {
    const io: CommandIo = {
      stdout: (text) => {
        this.stdout += text
      },
      stderr: (text) => {
        this.stderr += text
        this.#onStderr?.()
      },
      ...(options.stdin !== undefined && { stdin: lines(options.stdin) }),
      isTerminal: options.isTerminal ?? false,
      env: {},
      stop: this.#stop.signal,
    }
    this.exit = runProgram([...command.name.split(" "), ...args], [command, { ...command, name: "" }], io)
  }

  /** Ctrl-C. */
  stop(): void {
    this.#stop.abort("SIGINT")
  }

  /** Resolves once standard error holds `text`. */
  async said(text: string): Promise<void> {
    while (!this.stderr.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#onStderr = resolve
      })
    }
  }
}

async function* lines(text: string): AsyncGenerator<string> {
  for (const line of text.match(/.*\n|.+$/g) ?? []) yield line
}

/** Runs to the end. */
export async function runCli(
  command: Command,
  ...args: string[]
): Promise<{ exit: number; stdout: string; stderr: string }> {
  const run = new CliRun(command, args)
  const exit = await run.exit
  return { exit, stdout: run.stdout, stderr: run.stderr }
}
