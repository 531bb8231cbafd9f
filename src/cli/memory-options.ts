/** What `read` and `write` have in common: chip, core, window and retries. */
import { SCAMPConnection } from "../connections/scamp-connection.ts"
import { SCPRequestPipeLine } from "../connections/scp-request-pipeline.ts"
import { type CommandIo, numberOption, type OptionSpec, type Parsed } from "./command.ts"
import { MACHINE_OPTIONS, type MachineTarget } from "./machine-target.ts"
import { parseChip } from "./numbers.ts"

/** Options of `read` and `write`. */
export const MEMORY_OPTIONS: readonly OptionSpec[] = [
  { name: "chip", value: "X,Y", default: "255,255", description: "Whose memory; 255,255 is the chip booted from" },
  { name: "core", value: "P", default: "0", description: "The core that does the copying; 0 is the monitor" },
  {
    name: "window",
    value: "COUNT",
    default: "6",
    description: "Requests in flight; a board holds 8, for all its users together",
  },
  { name: "timeout", value: "MS", default: "500", description: "Until an unanswered request is sent again" },
  { name: "retries", value: "COUNT", default: "20", description: "Times that it is sent again" },
  ...MACHINE_OPTIONS,
]

/** The place that the options name. */
export function memoryPlace(parsed: Parsed): { x: number; y: number; cpu: number } {
  const cpu = numberOption(parsed, "core", { min: 0, max: 31, integer: true })
  return { ...parseChip(parsed.value("chip") ?? ""), cpu }
}

/** Runs `action` with a pipeline to the board, and closes it. Each request has its own time, so one loss does not hold up the rest. */
export async function withPipeline<T>(
  parsed: Parsed,
  io: CommandIo,
  target: MachineTarget,
  action: (pipeline: SCPRequestPipeLine) => Promise<T>,
): Promise<T> {
  const channels = numberOption(parsed, "window", { min: 1, max: 64, integer: true })
  const timeoutMs = numberOption(parsed, "timeout", { min: 1, max: 600_000 })
  const retries = numberOption(parsed, "retries", { min: 0, max: 1000, integer: true })
  await using connection = await SCAMPConnection.open({ remoteHost: target.host, remotePort: target.scpPort })
  const window = { channels, intermediateChannelWaits: channels - 1, timeoutMs, retries, deadline: "request" as const }
  return await action(new SCPRequestPipeLine(connection, { ...window, signal: io.stop }))
}
