/** What the server's shell tells of, and its line for people; machines get the fields. */
import type { Level } from "../observe/log-lines.ts"
import type { ControllerEvent } from "./controller.ts"

/** Why a connection was ended by the server. One word each: they are counted. */
export type DisconnectReason =
  | "line-too-long"
  | "not-utf8"
  | "not-json"
  | "not-an-object"
  /** A line was begun and not finished in time. */
  | "line-unfinished"
  /** It stopped reading. */
  | "not-reading"
  /** What waited for all connections together was too much. */
  | "memory"
  | "not-allowed"
  | "too-many-connections"
  /** It had never said anything and made room for another. */
  | "silent"

/** One thing that happened outside the controller. */
export type ShellEvent =
  | { readonly type: "listening"; readonly address: string }
  | {
      readonly type: "client-refused"
      readonly host: string
      readonly reason: DisconnectReason
      readonly total: number
    }
  | { readonly type: "bmp-silent"; readonly bmp: string; readonly detail: string; readonly retryMs: number }
  | { readonly type: "bmp-answers"; readonly bmp: string; readonly version: string }
  | { readonly type: "power-retry"; readonly bmp: string; readonly detail: string; readonly retryMs: number }
  | { readonly type: "state-not-written"; readonly detail: string; readonly retryMs: number }
  | { readonly type: "no-control"; readonly detail: string }
  | { readonly type: "reloaded"; readonly detail: string }
  | { readonly type: "reload-failed"; readonly detail: string }
  | { readonly type: "internal-error"; readonly where: string; readonly detail: string }

export type SpallocEvent = ControllerEvent | ShellEvent

const REASONS: Readonly<Record<DisconnectReason, string>> = {
  "line-too-long": "its line was too long",
  "not-utf8": "it sent what is no UTF-8",
  "not-json": "it sent what is no JSON",
  "not-an-object": "it sent JSON that is no object",
  "line-unfinished": "it did not finish a line in time",
  "not-reading": "it stopped reading",
  memory: "too much waited for all clients together",
  "not-allowed": "it may not connect (allow)",
  "too-many-connections": "there are too many connections (max-connections-per-host)",
  silent: "it had said nothing and made room for another",
}

/** The line of an event. */
export function spallocLine(event: SpallocEvent): { readonly level: Level; readonly text: string } {
  const line = (level: Level, text: string) => ({ level, text })
  switch (event.type) {
    case "listening":
      return line("info", `spalloc listening on TCP ${event.address}`)
    case "client-refused":
      return line("warn", `parted from ${event.host}: ${REASONS[event.reason]} (${event.total} so far)`)
    case "bmp-silent": {
      const again = `asking again in ${(event.retryMs / 1000).toFixed(0)} s`
      return line("warn", `BMP ${event.bmp} does not answer (${event.detail}): is the frame on? ${again}`)
    }
    case "bmp-answers":
      return line("info", `BMP ${event.bmp} answers: ${event.version}`)
    case "power-retry":
      return line("warn", `BMP ${event.bmp}: ${event.detail}; trying again in ${(event.retryMs / 1000).toFixed(0)} s`)
    case "state-not-written":
      return line("error", `the state cannot be written (${event.detail}): no command is answered until it can be`)
    case "no-control":
      return line("warn", `"spalloc boards" and "spalloc restore" will not reach this server: ${event.detail}`)
    case "reloaded":
      return line("info", `configuration: ${event.detail}`)
    case "reload-failed":
      return line("error", `the configuration stays as it was: ${event.detail}`)
    case "internal-error":
      return line("error", `a fault in the program itself (${event.where}), please report it: ${event.detail}`)
    case "job-created":
      return line("info", `job ${event.jobId} created by ${event.owner} at ${event.host}`)
    case "job-allocated":
      return line("info", `job ${event.jobId} has ${event.boards} boards of ${event.machine}`)
    case "job-destroyed":
      return line("info", `job ${event.jobId} ended${event.reason === null ? "" : `: ${event.reason}`}`)
    case "power-failed":
      return line("warn", `${event.machine}: power work failed: ${event.detail}`)
    case "board-out-of-service": {
      const [cabinet, frame, board] = event.physical
      const where = `board ${event.board.join(",")} (cabinet ${cabinet}, frame ${frame}, board ${board})`
      return line("error", `${event.machine}: ${where} is out of service after failing three times: ${event.detail}`)
    }
    case "board-back":
      return line("info", `${event.machine}: board ${event.board.join(",")} is back in service`)
  }
}
