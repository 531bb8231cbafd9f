/** `spinnaker-relay server`: the encrypted server, of one board or of a configuration. */

import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import packageJson from "../../package.json" with { type: "json" }
import { formatComplaints } from "../config/complaint.ts"
import { BoardWatch } from "../observe/board-watch.ts"
import { LogObserver } from "../observe/log-observer.ts"
import type { Observer } from "../observe/observer.ts"
import { ControlError, type ControlHandlers, controlAnswers } from "../relay/control.ts"
import type { EndpointContext, EndpointSettings } from "../relay/endpoint.ts"
import type { KeyBook } from "../relay/key-book.ts"
import { RELAY_LIMITS } from "../relay/relay.ts"
import { type SafeServer, startSafeServer } from "../relay/safe-server.ts"
import { BOARD_PORTS, configOfBoard, type ServerConfig, TUNNEL_PORT } from "../relay/server-config.ts"
import { readServerConfig } from "../relay/server-config-file.ts"
import { serverControl } from "../relay/server-control.ts"
import { PortNeededError } from "../relay/services.ts"
import { AllowList } from "../transport/allow.ts"
import { systemClock } from "../transport/clock.ts"
import { ControlListener } from "../transport/control-listener.ts"
import { localAddresses } from "../transport/local-addresses.ts"
import { TAGGED_QUEUE } from "../transport/tagged-queue.ts"
import { CliError, type Command, type CommandIo, type Parsed, portOption, UsageError } from "./command.ts"
import { DATA_OPTION, type DataDirectory, dataDirectory, withStores } from "./data-directory.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { ownKeys } from "./own-keys.ts"
import { powerCycles } from "./power-cycle.ts"
import { ALLOW_OPTION, BIND_OPTION } from "./relay.ts"
import { untilStopped } from "./stop.ts"
import { allowList, parseBind, parseHost } from "./target.ts"

/** Reads a configuration; throws CliError with all complaints, each with its place. */
export function readConfigFile(file: string): ServerConfig {
  let toml: string
  try {
    toml = readFileSync(file, "utf8")
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    const why = code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "this user may not read it" : message
    throw new CliError(`Cannot read the configuration ${file}: ${why}.`, 1, { cause: error })
  }
  const result = readServerConfig(toml)
  if (result.ok) return result.value
  throw new CliError(formatComplaints(file, result.complaints))
}

/** The configuration that the command line asks for. */
function configFrom(parsed: Parsed): ServerConfig {
  const file = parsed.value("config")
  const board = parsed.positionals[0]
  if (file !== undefined && board !== undefined) {
    throw new UsageError(`give a board or --config, not both: put ${board} into ${file}`)
  }
  if (file === undefined && board === undefined) {
    throw new UsageError("name the board (spinnaker-relay server 192.168.240.1) or a configuration (--config FILE)")
  }
  return withFlags(file === undefined ? configOfBoard(parseHost(board!)) : readConfigFile(file), parsed)
}

/** What is typed goes before what is in the file. */
function withFlags(config: ServerConfig, parsed: Parsed): ServerConfig {
  const allow = parsed.values("allow")
  // Its complaint is for whoever typed it.
  if (allow.length > 0) allowList(allow)
  const typed = parsed.values("bind").map(parseBind)
  const listen = typed.includes(undefined) ? [] : (typed as string[])
  const switched = config.boards.some(({ bmp }) => bmp !== undefined)
  if (parsed.flag("legacy") && switched && allow.length === 0 && config.allow.length === 0) {
    throw new UsageError(
      "--legacy needs --allow where a board has a bmp: whoever reaches a BMP can switch the boards off",
    )
  }
  return {
    ...config,
    ...(parsed.value("port") !== undefined && { port: portOption(parsed, "port") }),
    ...(allow.length > 0 && { allow }),
    ...(typed.length > 0 && { listen }),
  }
}

/** What a configuration does not say. */
function usualSettings(config: ServerConfig): EndpointSettings {
  return {
    target: config.boards[0]!.address,
    bootViaTcp: false,
    sdpViaTcp: false,
    scpPort: BOARD_PORTS.scp,
    bootPort: BOARD_PORTS.boot,
    scpTunnelPort: 17894,
    bootTunnelPort: 17895,
    bind: config.listen,
    allow: config.allow.length > 0 ? AllowList.parse(config.allow) : undefined,
    limits: RELAY_LIMITS,
    scpGuard: true,
    bootRepair: true,
    bootGapMs: 10,
    tagBufferBytes: TAGGED_QUEUE.bytes,
  }
}

async function run(parsed: Parsed, io: CommandIo): Promise<number> {
  const config = configFrom(parsed)
  if (parsed.flag("check")) {
    const names = config.boards.map(({ name }) => name).join(", ")
    io.stdout(`${parsed.value("config") ?? "the command line"} is in order: ${names}\n`)
    return 0
  }
  const directory = dataDirectory(parsed, io)
  const own = await ownKeys(directory, systemClock)
  try {
    return await serve({ parsed, io, config, keys: own.keys, directory })
  } finally {
    own.release()
  }
}

interface Serving {
  readonly parsed: Parsed
  readonly io: CommandIo
  readonly config: ServerConfig
  readonly keys: KeyBook
  readonly directory: DataDirectory
}

async function serve({ parsed, io, config, keys, directory }: Serving): Promise<number> {
  const log = new LogObserver(logFrom(parsed, io), systemClock)
  const boards = new BoardWatch(log)
  const machineName = hostname().split(".")[0] || "server"
  const usual = usualSettings(config)
  const powerCycle = powerCycles(io, (name) => server.config.boards.find((board) => board.name === name)?.bmp)
  const context: EndpointContext = { clock: systemClock, random: Math.random, observer: boards, powerCycle }
  let server!: SafeServer
  let control: ControlListener | undefined
  try {
    const newId = (): string => randomBytes(16).toString("hex")
    const legacy = parsed.flag("legacy") ? usual : undefined
    server = await startSafeServer({ config, machineName, keys, newId, legacy, usual }, context)
    const file = parsed.value("config")
    const handlers = serverControl({
      ...{ server, keys, boards, clock: systemClock, machineName, drops: log.totals },
      version: packageJson.version,
      pid: process.pid,
      own: () => ({ hostName: hostname(), local: localAddresses() }),
      readConfig: file === undefined ? undefined : () => configAgain(file, parsed),
    })
    const onRequest = controlAnswers(handlers, systemClock)
    const address = directory.controlAddress
    control = withStores(() => new ControlListener({ address, clock: systemClock, onRequest }))
    io.onHangUp?.(() => void reloadAtHangUp(handlers, boards))
  } catch (error) {
    server?.close()
    log.close()
    if (error instanceof PortNeededError) throw new CliError(error.message, 1, { cause: error })
    throw error
  }
  log.event({ type: "stopping", signal: await untilStopped(io) })
  control.close()
  server.close()
  log.close()
  return 0
}

/** For a reload: whoever asks for it is told what is wrong, and the server goes on as it is. */
function configAgain(file: string, parsed: Parsed): ServerConfig {
  try {
    return withFlags(readConfigFile(file), parsed)
  } catch (error) {
    if (error instanceof CliError || error instanceof UsageError)
      throw new ControlError(error.message, { cause: error })
    throw error
  }
}

async function reloadAtHangUp(handlers: ControlHandlers, observer: Observer): Promise<void> {
  try {
    const { changes } = await handlers.reload()
    observer.event({ type: "reloaded", changes: [...changes] })
  } catch (error) {
    observer.event({ type: "reload-failed", detail: (error as Error).message })
  }
}

/** The command. */
export const serverCommand: Command = {
  name: "server",
  positionals: "[board]",
  summary: "Be the encrypted server, beside the board: users come with the tickets that invite prints",
  options: [
    { name: "config", value: "FILE", description: "Several boards, limits and leases, from a TOML file" },
    { name: "check", description: "Say whether the configuration is in order, and end" },
    { name: "port", value: "PORT", description: `TCP port for users (default: ${TUNNEL_PORT})` },
    BIND_OPTION,
    ALLOW_OPTION,
    { name: "legacy", description: "Also open the old ports 17894 and 17895, which have no security" },
    DATA_OPTION,
    ...LOG_OPTIONS,
  ],
  examples: ["spinnaker-relay server 192.168.240.1", "spinnaker-relay server --config boards.toml"],
  run,
}
