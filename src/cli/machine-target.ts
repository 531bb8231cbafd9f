/** Which board a command is for, and how to reach it: `HOST`, `HOST:PORT`, `[IPV6]:PORT` and the port options. */
import { BOOT_PORT } from "../protocol/boot.ts"
import { SCP_PORT } from "../protocol/scp.ts"
import { formatAddress } from "../transport/address.ts"
import { type OptionSpec, type Parsed, portOption, UsageError } from "./command.ts"
import { parseHost } from "./target.ts"

/** Options of every command that talks to a board; with them it works through a relay on other ports too. */
export const MACHINE_OPTIONS: readonly OptionSpec[] = [
  { name: "scp-port", value: "PORT", default: String(SCP_PORT), description: "UDP port of SCP, as HOST:PORT does" },
  { name: "boot-port", value: "PORT", default: String(BOOT_PORT), description: "UDP port of the boot ROM" },
]

/** A board as it was typed. */
export interface MachineTarget {
  /** Name or IP address, without brackets. */
  readonly host: string
  readonly scpPort: number
  readonly bootPort: number
  /** `host:port` of SCP, for messages. */
  readonly label: string
}

/** Reads the target off the command line; throws UsageError naming the mistake. */
export function machineTarget(parsed: Parsed): MachineTarget {
  const typed = parsed.positionals[0] ?? ""
  const { host, port } = splitPort(typed)
  const given = parsed.values("scp-port").length > 0
  if (port !== undefined && given && port !== portOption(parsed, "scp-port")) {
    throw new UsageError(`${JSON.stringify(typed)} and --scp-port ${parsed.value("scp-port")} name two ports: give one`)
  }
  const scpPort = port ?? portOption(parsed, "scp-port")
  return { host, scpPort, bootPort: portOption(parsed, "boot-port"), label: formatAddress({ host, port: scpPort }) }
}

/** Takes `HOST:PORT` and `[IPV6]:PORT` apart; bare IPv6 addresses have no port. Throws UsageError. */
export function splitPort(text: string): { host: string; port: number | undefined } {
  const match = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(text)
  if (!match) return { host: parseHost(text), port: undefined }
  const port = /^\d{1,5}$/.test(match[2]!) ? Number(match[2]) : Number.NaN
  if (!(port >= 1 && port <= 65_535)) {
    throw new UsageError(`${JSON.stringify(text)}: expected a port from 1 to 65535 behind the colon`)
  }
  return { host: parseHost(match[1]!), port }
}
