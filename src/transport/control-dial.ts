/** The asking end of the control endpoint: one request, one reply or a stream of them. */
import type { Socket } from "bun"
import type { Clock, Timer } from "./clock.ts"
import { ControlSocket } from "./control-socket.ts"

/** Longest reply: a report of a thousand sessions with room to spare. */
const MAX_REPLY = 8 << 20

/** How asking ended. */
export type ControlOutcome =
  /** `onReply` has had enough, or the caller. */
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly code: "not-running" | "not-permitted" | "no-answer" | "lost"
      readonly detail: string
    }

/** What to ask whom. */
export interface ControlAsk {
  readonly address: string
  readonly request: unknown
  readonly clock: Clock
  /** Each reply may take so long. */
  readonly timeoutMs: number
  /** Returns true if it wants more. */
  readonly onReply: (reply: unknown) => boolean
  /** Ends it from this side. */
  readonly signal?: AbortSignal
}

/** Asks; resolves when it is over and rejects with nothing but what `onReply` throws. */
export function askControl(options: ControlAsk): Promise<ControlOutcome> {
  const { address, request, clock, timeoutMs, onReply, signal } = options
  const { promise, resolve, reject } = Promise.withResolvers<ControlOutcome>()
  let control: ControlSocket | undefined
  let timer: Timer | undefined
  let over = false
  const finish = (outcome: ControlOutcome): void => {
    if (over) return
    over = true
    timer?.cancel()
    signal?.removeEventListener("abort", stopped)
    control?.abort()
    resolve(outcome)
  }
  const stopped = (): void => finish({ ok: true })
  const wait = (): void => {
    timer?.cancel()
    timer = clock.after(timeoutMs, () =>
      finish({ ok: false, code: "no-answer", detail: `no answer in ${timeoutMs / 1000} s` }),
    )
  }
  const take = (): void => {
    for (let line = over ? undefined : control?.next(); line; line = over ? undefined : control?.next()) {
      if (line.kind === "trouble") finish({ ok: false, code: "lost", detail: `the reply is none: ${line.trouble}` })
      else if (onReply(line.value)) wait()
      else finish({ ok: true })
    }
  }
  const connected = (socket: Socket): void => {
    control = new ControlSocket(socket, MAX_REPLY)
    if (over) control.abort()
    else control.send(request)
  }
  if (signal?.aborted) stopped()
  else signal?.addEventListener("abort", stopped)
  wait()
  Bun.connect({
    unix: address,
    socket: {
      binaryType: "uint8array",
      open: connected,
      data: (_, chunk) => {
        control?.received(chunk)
        try {
          take()
        } catch (error) {
          // Bun's handlers swallow what is thrown.
          reject(error)
          stopped()
        }
      },
      drain: () => control?.drained(),
      error: () => {},
      close: () => finish({ ok: false, code: "lost", detail: "the server ended the connection" }),
      // The promise says it too.
      connectError: () => {},
    },
  }).catch((error: { code?: string }) => finish(failure(error.code ?? "")))
  return promise
}

function failure(code: string): ControlOutcome {
  const denied = code === "EACCES" || code === "EPERM"
  return { ok: false, code: denied ? "not-permitted" : "not-running", detail: code }
}
