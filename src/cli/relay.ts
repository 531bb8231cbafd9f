/** `spinnaker-relay -s BOARD` and `-c SERVER`: the relay itself, with the command line of Python's spinnaker_proxy. */

import { isIPv4 } from "node:net"
import { LogObserver } from "../observe/log-observer.ts"
import { MAX_BOARDS } from "../relay/board-list.ts"
import { type Client, startClient } from "../relay/client.ts"
import type { EndpointContext, EndpointSettings } from "../relay/endpoint.ts"
import { LEASE_DEFAULTS } from "../relay/lease-settings.ts"
import { RELAY_LIMITS } from "../relay/relay.ts"
import { type Server, startServer } from "../relay/server.ts"
import { PortNeededError } from "../relay/services.ts"
import { systemClock } from "../transport/clock.ts"
import { AddressFile } from "./address-file.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  numberOption,
  type OptionSpec,
  type Parsed,
  portOption,
  UsageError,
} from "./command.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { stateDirectory } from "./state-directory.ts"
import { untilStopped } from "./stop.ts"
import { allowList, parseBind, parseHost } from "./target.ts"

const PORT_OPTIONS: readonly OptionSpec[] = [
  { name: "scp-port", default: "17893", description: "Port of SCP and SDP on the board" },
  { name: "boot-port", default: "54321", description: "Port of the board's boot ROM" },
  { name: "scp-tunnel-port", default: "17894", description: "Port between client and server for SCP and SDP" },
  { name: "boot-tunnel-port", default: "17895", description: "Port between client and server for boots" },
].map((option) => ({ ...option, value: "PORT", classic: true }))

/** Where to listen. */
export const BIND_OPTION: OptionSpec = {
  name: "bind",
  value: "ADDRESS",
  repeatable: true,
  description: "Listen on this address of the machine (repeatable; default: server all, client 127.0.0.1)",
}

/** Whom to listen to. */
export const ALLOW_OPTION: OptionSpec = {
  name: "allow",
  value: "NETWORK",
  repeatable: true,
  description: "Let only these addresses in, such as 192.0.2.0/24 (repeatable; default: everyone)",
}

/** Where a client's programs find a board. */
export const ADDRESS_OPTION: OptionSpec = {
  name: "address",
  value: "BOARD=ADDRESS",
  repeatable: true,
  description: "Client: where programs find that board (default: the first free 127.0.0.x, kept between runs)",
}

const OPTIONS: readonly OptionSpec[] = [
  { name: "server", short: "s", classic: true, description: "Be the server; <target> is the SpiNNaker board" },
  { name: "client", short: "c", classic: true, description: "Be the client; <target> is the server" },
  { name: "boot-via-tcp", short: "t", classic: true, description: "Carry boots over TCP: nothing is lost on the way" },
  { name: "sdp-via-tcp", short: "T", classic: true, description: "Carry SCP and SDP over TCP" },
  ...PORT_OPTIONS,
  BIND_OPTION,
  ALLOW_OPTION,
  { name: "idle-timeout", value: "SECONDS", default: "300", description: "End a flow after silence; 0 = never" },
  {
    name: "max-flows",
    value: "COUNT",
    default: String(RELAY_LIMITS.maxFlows),
    description: "Applications at once on each port",
  },
  {
    name: "boards",
    value: "ADDRESS,ADDRESS",
    description:
      "Server: more boards of the machine, or all: those that it tells of; a client gives each an address of its own",
  },
  { name: "exclusive", description: "Server: one user at a time for each board; a user is an address" },
  {
    name: "session-timeout",
    value: "SECONDS",
    default: String(LEASE_DEFAULTS.sessionTimeoutMs / 1000),
    description: "Server, with --exclusive: a board without traffic for so long is free again",
  },
  {
    name: "max-hold",
    value: "SECONDS",
    description: "Server, with --exclusive: nobody has a board longer while others wait (default: no limit)",
  },
  { name: "bmp", value: "ADDRESS", description: "Server: the machine's BMP, served like a board; needs --allow" },
  ADDRESS_OPTION,
  {
    name: "no-boot-listener",
    description: "Leave port 54321 alone: client: takes no boots; server: hears no beacons of unbooted boards",
  },
  { name: "no-scp-guard", description: "Pass SCP on as it comes: repeats, bursts and late answers too" },
  { name: "no-boot-repair", description: "Server: pass boots on as they come, once" },
  {
    name: "boot-gap",
    value: "MS",
    default: "10",
    description: "Server: least time between boot datagrams to the board",
  },
  {
    name: "tag-buffer",
    value: "MIB",
    default: "8",
    description: "Server: what may wait for a slow network of what the board sends by IP tag",
  },
  ...LOG_OPTIONS,
]

/** Reads the settings off the command line; throws UsageError naming the mistake. */
export function relaySettings(parsed: Parsed): { role: "server" | "client"; settings: EndpointSettings } {
  const server = parsed.flag("server")
  if (server === parsed.flag("client")) {
    throw new UsageError(
      server
        ? "-s and -c exclude each other: give one"
        : "give -s to be the server or -c to be the client; --help lists the other commands",
    )
  }
  const bind = parsed.values("bind").map(parseBind)
  const cidrs = parsed.values("allow")
  const settings: EndpointSettings = {
    target: parseHost(parsed.positionals[0] ?? ""),
    bootViaTcp: parsed.flag("boot-via-tcp"),
    sdpViaTcp: parsed.flag("sdp-via-tcp"),
    scpPort: portOption(parsed, "scp-port"),
    bootPort: portOption(parsed, "boot-port"),
    scpTunnelPort: portOption(parsed, "scp-tunnel-port"),
    bootTunnelPort: portOption(parsed, "boot-tunnel-port"),
    bind: bindAddresses(bind, server),
    allow: cidrs.length > 0 ? allowList(cidrs) : undefined,
    ...(server ? serverBoards(parsed) : clientAddresses(parsed)),
    ...leaseOptions(parsed, server),
    bootListener: !parsed.flag("no-boot-listener"),
    scpGuard: !parsed.flag("no-scp-guard"),
    bootRepair: !parsed.flag("no-boot-repair"),
    bootGapMs: numberOption(parsed, "boot-gap", { min: 0, max: 1000 }),
    tagBufferBytes: numberOption(parsed, "tag-buffer", { min: 1, max: 1024, integer: true }) << 20,
    limits: {
      maxFlows: numberOption(parsed, "max-flows", { min: 1, max: 4096, integer: true }),
      idleTimeoutMs: numberOption(parsed, "idle-timeout", { min: 0, max: 1e7 }) * 1000,
    },
  }
  const [first, second] = server
    ? (["scp-tunnel-port", "boot-tunnel-port"] as const)
    : (["scp-port", "boot-port"] as const)
  const port = portOption(parsed, first)
  if (port === portOption(parsed, second)) {
    throw new UsageError(`--${first} and --${second} are both ${port}: they must differ`)
  }
  return { role: server ? "server" : "client", settings }
}

/** A wildcard among the addresses means all, each with a socket of its own: a wildcard socket answers from another. */
function bindAddresses(bind: readonly (string | undefined)[], server: boolean): readonly string[] {
  if (bind.length === 0) return server ? [] : ["127.0.0.1"]
  return bind.includes(undefined) ? [] : (bind as string[])
}

/** More boards, and the BMP; throws UsageError for what is no host, and for a BMP that everybody could switch off. */
function serverBoards(parsed: Parsed): Partial<EndpointSettings> {
  if (parsed.values("address").length > 0) throw new UsageError("--address is for the client (-c)")
  const typed = parsed.value("boards")
  const boards = typed === "all" ? typed : (typed?.split(",") ?? []).map((name) => hostOption("boards", name))
  if (boards !== "all" && boards.length >= MAX_BOARDS)
    throw new UsageError(`--boards: at most ${MAX_BOARDS - 1} boards`)
  const bmp = parsed.value("bmp")
  if (bmp === undefined) return { boards }
  if (parsed.values("allow").length === 0) {
    throw new UsageError("--bmp needs --allow: whoever reaches a BMP can switch the boards off")
  }
  return { boards, bmp: hostOption("bmp", bmp) }
}

/** One user at a time; throws UsageError for times without `--exclusive`, and for a client. */
function leaseOptions(parsed: Parsed, server: boolean): Partial<EndpointSettings> {
  const exclusive = parsed.flag("exclusive")
  for (const option of ["exclusive", "session-timeout", "max-hold"]) {
    if (!parsed.flag(option)) continue
    if (!server) throw new UsageError(`--${option} is for the server (-s)`)
    if (!exclusive) throw new UsageError(`--${option} needs --exclusive: without it nobody has a board to himself`)
  }
  const seconds = (name: string): number => numberOption(parsed, name, { min: 1, max: 1e7 }) * 1000
  if (!exclusive) return {}
  const maxHoldMs = parsed.flag("max-hold") ? seconds("max-hold") : undefined
  return { lease: { ...LEASE_DEFAULTS, exclusive, sessionTimeoutMs: seconds("session-timeout"), maxHoldMs } }
}

function hostOption(option: string, text: string): string {
  try {
    return parseHost(text.trim())
  } catch (error) {
    throw new UsageError(`--${option} ${JSON.stringify(text)}: ${(error as Error).message}`, { cause: error })
  }
}

/** Boards' addresses on this machine, by name. */
function clientAddresses(parsed: Parsed): Partial<EndpointSettings> {
  for (const option of ["boards", "bmp"]) {
    if (parsed.value(option) !== undefined) throw new UsageError(`--${option} is for the server (-s)`)
  }
  return { addresses: boardAddresses(parsed) }
}

/** What --address says; throws UsageError for what is no BOARD=ADDRESS. */
export function boardAddresses(parsed: Parsed): Map<string, string> {
  const addresses = new Map<string, string>()
  for (const text of parsed.values("address")) {
    const at = text.lastIndexOf("=")
    const [board, address] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
    if (board === "" || !isIPv4(address) || address === "0.0.0.0") {
      throw new UsageError(`--address ${JSON.stringify(text)}: expected BOARD=ADDRESS, such as 192.168.240.9=127.0.0.9`)
    }
    if ([...addresses.values()].includes(address)) throw new UsageError(`--address: ${address} is given to two boards`)
    addresses.set(board, address)
  }
  return addresses
}

async function run(parsed: Parsed, io: CommandIo): Promise<number> {
  const { role, settings } = relaySettings(parsed)
  const observer = new LogObserver(logFrom(parsed, io), systemClock)
  const addresses = new AddressFile(stateDirectory(process.platform, io.env))
  const context: EndpointContext = { clock: systemClock, random: Math.random, observer, addresses }
  let endpoint: Server | Client
  try {
    endpoint = await (role === "server" ? startServer : startClient)(settings, context)
  } catch (error) {
    observer.close()
    if (error instanceof PortNeededError) throw new CliError(error.message, 1, { cause: error })
    throw error
  }
  const signal = await untilStopped(io)
  observer.event({ type: "stopping", signal })
  endpoint.close()
  observer.close()
  return 0
}

/** The command that runs when none is named. */
export const relayCommand: Command = {
  name: "",
  positionals: "<target>",
  summary: "Carry a SpiNNaker board's SCP and boots to where its users are",
  options: OPTIONS,
  examples: ["spinnaker-relay -s 192.168.240.1", "spinnaker-relay -c raspberrypi.local -t"],
  run,
}
