/** `spinnaker-relay lucidac`: the proxy before LUCIDACs and REDACs, with the command line of `pybrid proxy`. */

import { readFileSync, statSync } from "node:fs"
import { isIP } from "node:net"
import { type BackendListResult, readBackends } from "../lucidac/backend-list.ts"
import { EventLog } from "../lucidac/event-log.ts"
import type { Served, ServeOptions } from "../lucidac/serve.ts"
import { HOLD_MS } from "../lucidac/session-queue.ts"
import type { Log } from "../observe/log.ts"
import { formatAddress, isLoopback } from "../transport/address.ts"
import type { AllowList } from "../transport/allow.ts"
import { systemClock } from "../transport/clock.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  choiceOption,
  numberOption,
  type Parsed,
  UsageError,
} from "./command.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { parseSize } from "./numbers.ts"
import { untilStopped } from "./stop.ts"
import { counted } from "./table.ts"
import { allowList } from "./target.ts"

const SECRET = "PYBRID_AUTHENTICATION"
/** Longest --session-timeout and --max-hold, a week. */
const MAX_SECONDS = 7 * 24 * 3600
const GIB = 1 << 30

/** The proxy as a command: runs until Ctrl-C or SIGTERM. */
export const lucidacCommand: Command = {
  name: "lucidac",
  positionals: "",
  summary: "Share LUCIDAC or REDAC analog computers: several as one, one user at a time",
  options: [
    {
      name: "backend",
      short: "b",
      value: "BACKEND",
      repeatable: true,
      description: "a device HOST[:PORT][/STACK/CARRIER], several with commas, or a file of them (repeatable)",
    },
    {
      name: "listen",
      short: "l",
      value: "ADDRESS",
      default: "0.0.0.0",
      description: "IP address that clients connect to; 127.0.0.1 for this machine alone",
    },
    {
      name: "port",
      short: "p",
      value: "PORT",
      default: "5732",
      description: "TCP port of the same; 0 takes any free one",
    },
    {
      name: "session-timeout",
      value: "SECONDS",
      default: "10",
      description: "release a client that is silent for so long; a run under way is not silence",
    },
    { name: "auth", description: `let in who shows the secret in ${SECRET} alone` },
    { name: "no-auth", description: "ask for no secret (the default)" },
    {
      name: "allow",
      value: "NETWORK",
      repeatable: true,
      description: "let in these addresses alone, such as 192.0.2.0/24",
    },
    { name: "max-sessions", value: "COUNT", default: "8", description: "clients at once, waiting ones included" },
    { name: "max-hold", value: "SECONDS", description: "release a client after so long if others wait" },
    { name: "buffer", value: "BYTES", default: "256M", description: "samples that may wait for a slow client" },
    {
      name: "require",
      value: "all|any",
      default: "all",
      description: "serve clients while all devices are there, or while any is",
    },
    { name: "allow-writes", description: "let clients change devices for good: identity and firmware" },
    { name: "no-udp", description: "take samples from devices over TCP alone, as where a firewall is between" },
    { name: "check", description: "check the backends' list, print what it says, and end" },
    { name: "debug", description: "log every message: the same as --log-level debug" },
    ...LOG_OPTIONS,
  ],
  examples: [
    "spinnaker-relay lucidac -b 192.168.150.57",
    "spinnaker-relay lucidac -b backends.txt --allow 192.168.150.0/24",
    "spinnaker-relay lucidac -b backends.txt --check",
    "spinnaker-relay lucidac -b 127.0.0.1:5733 -l 127.0.0.1",
  ],
  run: runLucidac,
}

async function runLucidac(parsed: Parsed, io: CommandIo): Promise<number> {
  const values = parsed.values("backend")
  if (values.length === 0) throw new UsageError("give at least one device with --backend, such as -b 192.168.150.57")
  const settings = settingsFrom(parsed)
  const list = readBackends(values, readFile)
  if (parsed.flag("check")) return printCheck(list, io)
  if (!list.ok) {
    for (const error of list.errors) io.stderr(`spinnaker-relay: ${error}\n`)
    return 1
  }
  const secret = secretFrom(parsed, io)
  const log = lucidacLog(parsed, io)
  const events = new EventLog(log, systemClock)
  for (const warning of list.warnings) log.line("warn", warning)
  if (!isLoopback(settings.listen.host) && !settings.allow && secret === undefined) {
    log.line(
      "warn",
      `Everybody who can reach ${settings.listen.host} may use the devices: --allow NETWORK or --auth limits that`,
    )
  }
  // Loaded here, for the messages' descriptors cost every other command its start.
  const { serveProxy } = await import("../lucidac/serve.ts")
  const { AuthGuard } = await import("../lucidac/auth-guard.ts")
  const options: ServeOptions = {
    ...settings,
    backends: list.backends.map(({ host, port, location }) => ({ address: { host, port }, location })),
    wires: list.wires,
    auth: secret === undefined ? undefined : new AuthGuard(secret),
  }
  const served = open(
    () => serveProxy(options, { clock: systemClock, random: Math.random, onEvent: (event) => events.event(event) }),
    options,
  )
  const { maxSessions, idleMs } = settings.limits
  log.line("info", `LUCIDAC proxy listening on ${formatAddress(served.address)}`, {
    type: "listening",
    address: formatAddress(served.address),
  })
  log.line(
    "info",
    `${counted(list.backends.length, "backend")}; ${maxSessions} clients at most; released after ${idleMs / 1000} s of silence; Ctrl-C ends`,
  )
  const signal = await untilStopped(io)
  log.line("info", `${signal}: ending`)
  served.close("the proxy ends")
  events.close()
  return 0
}

/** The log, with --debug as another word for its lowest level. */
function lucidacLog(parsed: Parsed, io: CommandIo): Log {
  if (!parsed.flag("debug")) return logFrom(parsed, io)
  const louder: Parsed = {
    ...parsed,
    flag: (name) => parsed.flag(name),
    values: (name) => parsed.values(name),
    value: (name) => (name === "log-level" ? "debug" : parsed.value(name)),
  }
  return logFrom(louder, io)
}

/** What the command line says of the proxy itself; throws a UsageError. */
export function settingsFrom(parsed: Parsed) {
  const host = /^\[(.*)\]$/.exec(parsed.value("listen") ?? "")?.[1] ?? parsed.value("listen") ?? ""
  if (isIP(host) === 0) throw new UsageError(`--listen ${JSON.stringify(host)}: expected an IP address of this machine`)
  const seconds = { min: 0.1, max: MAX_SECONDS }
  const maxHold = parsed.value("max-hold")
  return {
    listen: { host, port: numberOption(parsed, "port", { min: 0, max: 65_535, integer: true }) },
    allow: allowFrom(parsed),
    limits: {
      maxSessions: numberOption(parsed, "max-sessions", { min: 1, max: 1_000, integer: true }),
      idleMs: numberOption(parsed, "session-timeout", seconds) * 1000,
      holdMs: HOLD_MS,
      maxHoldMs: maxHold === undefined ? undefined : numberOption(parsed, "max-hold", seconds) * 1000,
    },
    bufferBytes: parseSize("--buffer", parsed.value("buffer") ?? "", { min: 1 << 20, max: 64 * GIB }),
    require: choiceOption(parsed, "require", ["all", "any"]),
    allowWrites: parsed.flag("allow-writes"),
    noUdp: parsed.flag("no-udp"),
  }
}

function allowFrom(parsed: Parsed): AllowList | undefined {
  const networks = parsed.values("allow")
  return networks.length === 0 ? undefined : allowList(networks)
}

function secretFrom(parsed: Parsed, io: CommandIo): string | undefined {
  if (!parsed.flag("auth")) return undefined
  if (parsed.flag("no-auth")) throw new UsageError("--auth and --no-auth contradict each other")
  const secret = io.env[SECRET] ?? ""
  if (secret === "") throw new CliError(`--auth needs the secret in the environment: set ${SECRET}`)
  return secret
}

/** A file of the backends' list; undefined where there is none of that name. */
function readFile(name: string): { text: string } | { problem: string } | undefined {
  try {
    if (!statSync(name).isFile()) return /[/\\]/.test(name) ? { problem: "it is not a file" } : undefined
  } catch {
    return undefined
  }
  try {
    return { text: readFileSync(name, "utf8") }
  } catch (error) {
    return { problem: `it cannot be read: ${(error as Error).message}` }
  }
}

function printCheck(list: BackendListResult, io: CommandIo): number {
  for (const warning of list.warnings) io.stderr(`warning: ${warning}\n`)
  if (!list.ok) {
    for (const error of list.errors) io.stderr(`spinnaker-relay: ${error}\n`)
    return 1
  }
  for (const { host, port, location } of list.backends) {
    const { stack, carrier } = location ?? {}
    const place = location ? ` ${stack === undefined ? "" : `${stack}/`}${carrier}` : ""
    io.stdout(`carrier ${formatAddress({ host, port })}${place}\n`)
  }
  const end = ({ backend, pin }: { backend: number; pin: number | string }): string => {
    const { host, port } = list.backends[backend]!
    return `pin ${pin} of ${formatAddress({ host, port })}`
  }
  for (const { source, target } of list.wires) io.stdout(`wire ${end(source)} -> ${end(target)}\n`)
  return 0
}

function open(serve: () => Served, { listen }: ServeOptions): Served {
  try {
    return serve()
  } catch (error) {
    const { code = "", message = "" } = error as { code?: string; message?: string }
    const where = formatAddress(listen)
    if (code === "EADDRINUSE")
      throw new CliError(`Another program listens on ${where}: end it, or choose another --port`)
    if (code === "EADDRNOTAVAIL")
      throw new CliError(`This machine has no address ${listen.host}: choose another --listen`)
    if (code === "EACCES") throw new CliError(`Not allowed to listen on ${where}: choose a --port above 1023`)
    throw new CliError(`Cannot listen on ${where}: ${code || message}`, 1, { cause: error })
  }
}
