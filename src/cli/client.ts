/** `spinnaker-relay client NAME`: the boards of a server that was joined, at addresses of this machine. */
import { isIPv4 } from "node:net"
import { LogObserver } from "../observe/log-observer.ts"
import type { EndpointSettings } from "../relay/endpoint.ts"
import { addressesToTry, type KnownServer, KnownServers } from "../relay/known-servers.ts"
import { RELAY_LIMITS } from "../relay/relay.ts"
import { StoreError } from "../relay/secret-store.ts"
import { TUNNEL_PORT } from "../relay/server-config.ts"
import { PortNeededError } from "../relay/services.ts"
import { startTunnelClient, type TunnelClient } from "../relay/tunnel-client.ts"
import { isLoopback } from "../transport/address.ts"
import { systemClock } from "../transport/clock.ts"
import { AddressFile } from "./address-file.ts"
import { CliError, type Command, type CommandIo, numberOption, type Parsed, portOption, UsageError } from "./command.ts"
import { DATA_OPTION, dataDirectory, withStores } from "./data-directory.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { ADDRESS_OPTION, boardAddresses } from "./relay.ts"
import { runProgramFor } from "./run-program.ts"
import { SecretFile } from "./secret-file.ts"
import { untilStopped } from "./stop.ts"

function settingsOf(parsed: Parsed, server: KnownServer): EndpointSettings {
  return {
    target: server.name,
    bootViaTcp: true,
    sdpViaTcp: true,
    scpPort: portOption(parsed, "scp-port"),
    bootPort: portOption(parsed, "boot-port"),
    scpTunnelPort: TUNNEL_PORT,
    bootTunnelPort: TUNNEL_PORT,
    bind: [firstAddress(parsed)],
    allow: undefined,
    limits: {
      maxFlows: RELAY_LIMITS.maxFlows,
      idleTimeoutMs: numberOption(parsed, "idle-timeout", { min: 0, max: 1e7 }) * 1000,
    },
    scpGuard: true,
    bootRepair: true,
    bootGapMs: 0,
    tagBufferBytes: 0,
    bootListener: !parsed.flag("no-boot-listener"),
    addresses: boardAddresses(parsed),
  }
}

/** Where the first board is. Keys are this user's, so nobody else's machine is let in by them. */
function firstAddress(parsed: Parsed): string {
  const typed = parsed.value("bind") ?? "127.0.0.1"
  if (isIPv4(typed) && isLoopback(typed)) return typed
  throw new UsageError(
    `--bind ${JSON.stringify(typed)}: expected an address such as 127.0.0.2, which only this machine has`,
  )
}

function findServer(servers: KnownServers, name: string): KnownServer {
  const found = servers.find(name)
  if (found) return found
  const known = servers.list.map((server) => server.name)
  throw new CliError(
    known.length === 0
      ? `No server is known here: ask its owner for a ticket (spinnaker-relay invite) and type spinnaker-relay join.`
      : `No server called ${JSON.stringify(name)} is known here, only ${known.join(", ")}: to add one, spinnaker-relay join.`,
  )
}

async function run(parsed: Parsed, io: CommandIo): Promise<number> {
  const directory = dataDirectory(parsed, io)
  const servers = withStores(() => KnownServers.open(new SecretFile(directory.serversFile, process.platform)))
  const server = findServer(servers, parsed.positionals[0] ?? "")
  const settings = settingsOf(parsed, server)
  const waitMs = numberOption(parsed, "wait", { min: 1, max: 86_400 }) * 1000
  const command = parsed.rest
  const observer = new LogObserver(logFrom(parsed, io, command.length > 0), systemClock)
  const failed = Promise.withResolvers<string>()
  let lastTrouble = "no answer"
  let client: TunnelClient
  try {
    client = await startTunnelClient(
      {
        name: server.name,
        addresses: addressesToTry(server),
        key: { id: server.keyId, secret: server.secret },
        onUp: (address) => {
          // A home that cannot be written costs only the time to find the server again.
          try {
            servers.worked(server.name, address)
          } catch (error) {
            if (!(error instanceof StoreError)) throw error
          }
        },
        onDown: (why, detail) => {
          lastTrouble = detail
          if (why === "refused") failed.resolve(`${server.name} does not let this machine in: ${detail}`)
        },
      },
      settings,
      { clock: systemClock, random: Math.random, observer, addresses: new AddressFile(directory.path) },
    )
  } catch (error) {
    observer.close()
    if (error instanceof PortNeededError) throw new CliError(error.message, 1, { cause: error })
    throw error
  }
  const end = (): void => {
    client.close()
    observer.close()
  }
  if (command.length === 0) {
    observer.event({ type: "stopping", signal: await untilStopped(io) })
    end()
    return 0
  }
  const timer = setTimeout(
    () => failed.resolve(`${server.name} was not reached in ${waitMs / 1000} s: ${lastTrouble}`),
    waitMs,
  )
  const stopped = untilStopped(io).then((signal) => `stopped (${signal})`)
  const trouble = await Promise.race([client.ready.then(() => undefined), failed.promise, stopped])
  clearTimeout(timer)
  if (trouble !== undefined) {
    end()
    throw new CliError(`${command[0]} was not run: ${trouble}.`)
  }
  try {
    return await runProgramFor(command, io)
  } finally {
    end()
  }
}

/** The command. */
export const clientCommand: Command = {
  name: "client",
  positionals: "<server> [-- command...]",
  summary:
    "Have the boards of a server that was joined at 127.0.0.1, 127.0.0.2 and so on; or for one command (-- COMMAND)",
  options: [
    { name: "scp-port", value: "PORT", default: "17893", description: "Port here for SCP and SDP" },
    { name: "boot-port", value: "PORT", default: "54321", description: "Port here for boots" },
    { name: "bind", value: "ADDRESS", default: "127.0.0.1", description: "Where programs find the first board" },
    ADDRESS_OPTION,
    { name: "no-boot-listener", description: "Leave port 54321 alone: take no boots" },
    { name: "idle-timeout", value: "SECONDS", default: "300", description: "End a flow after silence; 0 = never" },
    {
      name: "wait",
      value: "SECONDS",
      default: "30",
      description: "With a command: give up if the server is not reached",
    },
    DATA_OPTION,
    ...LOG_OPTIONS,
  ],
  examples: ["spinnaker-relay client pi", "spinnaker-relay client pi -- rig-boot localhost"],
  run,
}
