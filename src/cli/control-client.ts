/** How commands ask a server that runs on this machine, and do about keys what they can while none runs. */
import { hostname } from "node:os"
import type { StatusReport } from "../observe/status.ts"
import {
  answerControl,
  ControlError,
  type ControlHandlers,
  type ControlReply,
  type ControlRequest,
} from "../relay/control.ts"
import { inviteAddresses } from "../relay/invite-addresses.ts"
import { keyControl } from "../relay/key-control.ts"
import { TUNNEL_PORT } from "../relay/server-config.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { askControl } from "../transport/control-dial.ts"
import { localAddresses } from "../transport/local-addresses.ts"
import { CliError, type CommandIo } from "./command.ts"
import type { DataDirectory } from "./data-directory.ts"
import { EXIT_STOPPED } from "./failure.ts"
import { patiently, tryOwnKeys } from "./own-keys.ts"

/** A server that answers nothing for so long is stuck. */
const REPLY_TIMEOUT_MS = 10_000

/** What a request came to; `running` if a server did it. */
export interface Done<Result> {
  readonly result: Result
  readonly running: boolean
}

/** The results of the handlers, by command. */
export type ResultOf<Command extends keyof ControlHandlers> = Awaited<ReturnType<ControlHandlers[Command]>>

/** A server's control endpoint. */
export interface ControlEndpoint {
  readonly address: string
  /** For people: "The server of the folder /some/where". */
  readonly server: string
}

/**
 * Asks a server on this machine; `onResult` returns true if it wants more. Undefined if none runs there. Throws CliError
 * with the server's own words if it refuses.
 */
export async function askRunning(
  { address, server }: ControlEndpoint,
  request: unknown,
  io: CommandIo,
  onResult: (result: unknown) => boolean,
): Promise<"done" | undefined> {
  let refusal: string | undefined
  let replied = false
  const outcome = await askControl({
    ...{ address, request, clock: systemClock, timeoutMs: REPLY_TIMEOUT_MS },
    signal: io.stop,
    onReply(said) {
      const reply = (said ?? {}) as Partial<ControlReply>
      replied = true
      if (reply.ok) return onResult(reply.result)
      refusal =
        "error" in reply ? String(reply.error) : "the server answers what is no answer: are both of one version?"
      return false
    },
  })
  if (refusal !== undefined) throw new CliError(refusal)
  if (outcome.ok && io.stop.aborted && !replied) throw new CliError(`Stopped (${io.stop.reason}).`, EXIT_STOPPED)
  if (outcome.ok) return "done"
  switch (outcome.code) {
    case "not-running":
      return undefined
    case "not-permitted":
      throw new CliError(`${server} belongs to another user: run this as that user (sudo -u USER).`)
    case "no-answer":
      throw new CliError(`${server} gives ${outcome.detail}: look at its log, or restart it.`)
    case "lost":
      throw new CliError(`${server} broke off (${outcome.detail}): try again.`)
  }
}

const endpointOf = ({ path, controlAddress }: DataDirectory): ControlEndpoint => ({
  address: controlAddress,
  server: `The server of the folder ${path}`,
})

/** Asks for something that only a running server can do. */
export async function askServer<Command extends keyof ControlHandlers>(
  directory: DataDirectory,
  request: Extract<ControlRequest, { command: Command }>,
  io: CommandIo,
): Promise<ResultOf<Command>> {
  const result = await askOnce(directory, request, io)
  if (!result) throw noServer(directory)
  return result.value as ResultOf<Command>
}

/** Asks for the status again and again until Ctrl-C; `onReport` must not throw. */
export async function watchServer(
  directory: DataDirectory,
  io: CommandIo,
  onReport: (report: StatusReport) => void,
): Promise<void> {
  const done = await askRunning(endpointOf(directory), { command: "status", watch: true }, io, (report) => {
    onReport(report as StatusReport)
    return true
  })
  if (!done) throw noServer(directory)
}

async function askOnce(
  directory: DataDirectory,
  request: ControlRequest,
  io: CommandIo,
): Promise<{ value: unknown } | undefined> {
  let value: unknown
  const done = await askRunning(endpointOf(directory), request, io, (result) => {
    value = result
    return false
  })
  return done && { value }
}

function noServer({ path }: DataDirectory): CliError {
  return new CliError(
    `No server runs here with the folder ${path}: start one (spinnaker-relay server BOARD), run this as the user who did, or name its folder with --data DIR.`,
  )
}

/** Asks for something about keys, which are in a file while no server runs. */
export function askServerOrKeys<Command extends "invite" | "invites" | "revoke">(
  directory: DataDirectory,
  request: Extract<ControlRequest, { command: Command }>,
  io: CommandIo,
  clock: Clock = systemClock,
): Promise<Done<ResultOf<Command>>> {
  const attempt = async (): Promise<Done<ResultOf<Command>> | undefined> => {
    const asked = await askOnce(directory, request, io)
    if (asked) return { result: asked.value as ResultOf<Command>, running: true }
    // A server owns the keys for as long as it runs, and a little longer than it can be asked: then it is tried again.
    const own = tryOwnKeys(directory)
    if (!own) return undefined
    try {
      const reply = await answerControl(request, handlersWithoutServer(own.keys, directory))
      if (!reply.ok) throw new CliError(reply.error)
      return { result: reply.result as ResultOf<Command>, running: false }
    } finally {
      own.release()
    }
  }
  const failure = `Another spinnaker-relay is using the folder ${directory.path} and does not answer: try again, or end it.`
  return patiently(clock, attempt, failure)
}

function handlersWithoutServer(keys: Parameters<typeof keyControl>[0], directory: DataDirectory): ControlHandlers {
  const none = (): never => {
    throw new ControlError(noServer(directory).message)
  }
  const about = keyControl(keys, {
    serverName: () => hostname().split(".")[0] ?? "",
    boards: () => undefined,
    addresses: () => inviteAddresses({ hostName: hostname(), local: localAddresses() }, [], TUNNEL_PORT),
    port: () => TUNNEL_PORT,
    onRevoked: () => 0,
  })
  return { ...about, status: none, kick: none, reload: none }
}
