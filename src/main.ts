/** The process: argv in, exit code out. The only place that may exit or read the environment. */
import type { CommandIo } from "./cli/command.ts"
import { commands } from "./cli/commands.ts"
import { runProgram } from "./cli/program.ts"

const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // A second Ctrl-C is from somebody who will not wait.
    if (stop.signal.aborted) process.exit(130)
    stop.abort(signal)
  })
}

// The last resort of a program that must run for months: a fault is told and the relay goes on.
for (const kind of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(kind, (error: unknown) => {
    process.stderr.write(`a fault in the program itself, please report it: ${(error as Error)?.stack ?? error}\n`)
  })
}

// A log that cannot be written (a full disk, a journal that went away) costs nothing but the log. Without a listener the
// failed write is a fault, telling the fault is another failed write, and so on for ever.
process.stderr.on("error", () => {})
process.stdout.on("error", () => {})
let lostOutput: Error | undefined

const io: CommandIo = {
  stdout: (text) =>
    void process.stdout.write(text, (error) => {
      lostOutput ??= error ?? undefined
    }),
  stderr: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  stdin: {
    async *[Symbol.asyncIterator]() {
      // Only when it is read: a terminal that nobody reads from must not hold the process.
      for await (const chunk of process.stdin) yield String(chunk)
    },
  },
  stdoutIsTerminal: process.stdout.isTTY === true,
  env: process.env,
  stop: stop.signal,
  // Closing a console window is a SIGHUP on Windows, and no wish for another configuration.
  ...(process.platform !== "win32" && { onHangUp: (run: () => void) => void process.on("SIGHUP", run) }),
}

process.exitCode = await runProgram(process.argv.slice(2), commands, io)
// Sockets that are still closing must not hold the process; output that is still being written may.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))))
// A reader who has seen enough (`| head`) is no failure.
if (lostOutput && (lostOutput as NodeJS.ErrnoException).code !== "EPIPE") {
  process.stderr.write(`spinnaker-relay: cannot write the output: ${lostOutput.message}\n`)
  process.exitCode ||= 1
}
process.exit()
