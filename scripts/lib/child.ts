/**
 * A child process whose output is read line by line and that never outlives us: the demo, the smoke test, the bench
 * and the end-to-end tests start relays and boards with it.
 */
import { patient } from "./relay-command.ts"

/** How long a child may take to say what is waited for, and to end when asked to; milliseconds. */
export const CHILD_LIMITS = { lineMs: 10_000, stopMs: 5_000 } as const

/** A running child, with what it has said so far. */
export interface Child extends AsyncDisposable {
  readonly command: readonly string[]
  readonly pid: number
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** Its exit code; 128 + signal number where a signal ended it. Settles after its last line was read. */
  readonly exited: Promise<number>
  /**
   * The first line of `stream` (standard error if not given) that `pattern` matches, said already or still to come.
   * Rejects, with all that was said, after `timeoutMs` or when the child has ended without it.
   */
  waitForLine(pattern: RegExp, timeoutMs?: number, stream?: "stdout" | "stderr"): Promise<RegExpMatchArray>
  /** Asks it to end as Ctrl-C or systemd would, waits, kills it after 5 s; its exit code. May be called again. */
  stop(signal?: "SIGTERM" | "SIGINT"): Promise<number>
  /** Ends it without asking, as a power cut would; its exit code. */
  kill(): Promise<number>
}

/** What `startChild` may be told beside the command. */
export interface ChildOptions {
  readonly cwd?: string
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What it reads, to the end; nothing if not given. */
  readonly stdin?: string
  /** Called with every line as it comes. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void
}

const alive = new Set<Bun.Subprocess>()
let guarded = false

/** Children die with us however we end, short of SIGKILL. */
function guardExit(): void {
  if (guarded) return
  guarded = true
  process.on("exit", () => {
    for (const subprocess of alive) subprocess.kill("SIGKILL")
  })
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ""
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) onLine(line.replace(/\r$/, ""))
  }
  if (rest) onLine(rest)
}

/** Starts `command`. Throws what Bun.spawn throws where there is no such program. */
export function startChild(command: readonly string[], options: ChildOptions = {}): Child {
  guardExit()
  const subprocess = Bun.spawn([...command], {
    stdin: options.stdin === undefined ? "ignore" : new TextEncoder().encode(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    // Colours would stand between a pattern and the line that it is to match.
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, ...options.env },
  })
  alive.add(subprocess)

  const said = { stdout: [] as string[], stderr: [] as string[] }
  const waiting = new Set<() => void>()
  const read = (stream: "stdout" | "stderr") =>
    readLines(subprocess[stream], (line) => {
      said[stream].push(line)
      options.onLine?.(line, stream)
      for (const look of waiting) look()
    })
  const drained = Promise.all([read("stdout"), read("stderr")])
  let ended: number | undefined
  const exited = (async () => {
    const code = await subprocess.exited
    alive.delete(subprocess)
    await drained
    ended = code
    for (const look of waiting) look()
    return code
  })()

  const transcript = (): string =>
    [...said.stdout.map((line) => `  stdout: ${line}`), ...said.stderr.map((line) => `  stderr: ${line}`)].join("\n")

  const waitForLine: Child["waitForLine"] = (pattern, timeoutMs = CHILD_LIMITS.lineMs, stream = "stderr") =>
    new Promise((resolve, reject) => {
      let seen = 0
      const settle = (finish: () => void): void => {
        clearTimeout(timer)
        waiting.delete(look)
        finish()
      }
      const fail = (why: string): void =>
        settle(() =>
          reject(new Error(`${command.join(" ")}: ${why} before ${pattern} on ${stream}; it said\n${transcript()}`)),
        )
      const look = (): void => {
        for (; seen < said[stream].length; seen++) {
          const match = said[stream][seen]!.match(pattern)
          if (match) {
            settle(() => resolve(match))
            return
          }
        }
        if (ended !== undefined) fail(`ended with ${ended}`)
      }
      const limit = patient(timeoutMs)
      const timer = setTimeout(() => fail(`${limit} ms passed`), limit)
      waiting.add(look)
      look()
    })

  const kill = (): Promise<number> => {
    if (ended === undefined) subprocess.kill("SIGKILL")
    return exited
  }
  const stop: Child["stop"] = async (signal = "SIGTERM") => {
    if (ended !== undefined) return ended
    subprocess.kill(signal)
    const timer = setTimeout(() => subprocess.kill("SIGKILL"), patient(CHILD_LIMITS.stopMs))
    try {
      return await exited
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    command,
    pid: subprocess.pid,
    ...said,
    exited,
    waitForLine,
    stop,
    kill,
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}
