/** `spinnaker-relay discover`: which boards on this network wait to be booted. */
import { IPAddressesConnection } from "../connections/ip-addresses-connection.ts"
import { BOOT_PORT } from "../protocol/boot.ts"
import { type Command, type CommandIo, numberOption, type Parsed, portOption, UsageError } from "./command.ts"
import { inWords } from "./failure.ts"
import { parseBind } from "./target.ts"

export const discoverCommand: Command = {
  name: "discover",
  positionals: "",
  summary: "List boards on this network that wait to be booted, by their beacons",
  options: [
    { name: "time", value: "SECONDS", default: "10", description: "How long to listen; 0 = until Ctrl-C" },
    { name: "bind", value: "ADDRESS", default: "0.0.0.0", description: "Listen on this address of the machine" },
    { name: "boot-port", value: "PORT", default: String(BOOT_PORT), description: "UDP port to listen on" },
    { name: "from-port", value: "PORT", default: String(BOOT_PORT), description: "UDP port that beacons come from" },
  ],
  examples: ["spinnaker-relay discover", "spinnaker-relay discover --time 0"],
  run: runDiscover,
}

async function runDiscover(parsed: Parsed, io: CommandIo): Promise<number> {
  if (parsed.values("bind").length > 1) throw new UsageError("--bind: give one address")
  const localHost = parseBind(parsed.value("bind") ?? "") ?? "0.0.0.0"
  const localPort = portOption(parsed, "boot-port")
  const sourcePort = portOption(parsed, "from-port")
  const seconds = numberOption(parsed, "time", { min: 0, max: 86_400 })
  const label = `${localHost}:${localPort}`
  const connection = await inWords(io, { what: "Listening for beacons", label }, () =>
    IPAddressesConnection.open({ localHost, localPort, sourcePort, joins: true }),
  )
  await using listening = connection
  io.stderr(
    `listening on ${label}${seconds > 0 ? ` for ${seconds} s` : ", Ctrl-C ends"}; a board's beacon comes every 4 s\n`,
  )
  const found = new Set<string>()
  const stop = seconds > 0 ? AbortSignal.any([io.stop, AbortSignal.timeout(seconds * 1000)]) : io.stop
  while (!stop.aborted) {
    const address = await listening.receiveIpAddress(Number.POSITIVE_INFINITY, stop)
    if (address === undefined || found.has(address)) continue
    found.add(address)
    io.stdout(`${address}\n`)
  }
  if (found.size > 0) return 0
  io.stderr(
    "no beacon: booted boards send none, and beacons do not cross routers. Is a board on this network, with power?\n",
  )
  return 1
}
