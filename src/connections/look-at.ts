/** Everything that can be found out about an address: what is there, and of a booted machine, of what it consists. */
import { SCP_PORT } from "../protocol/scp.ts"
import { type IdentifyOptions, type Identity, identify } from "./identify.ts"
import { getMachineInfo } from "./machine-info.ts"
import { type MachineSummary, summarizeMachine } from "./machine-summary.ts"
import type { Progress } from "./memory-access.ts"
import { resolveHost } from "./open-udp.ts"
import { SCAMPConnection } from "./scamp-connection.ts"
import { SCPRequestPipeLine } from "./scp-request-pipeline.ts"

/** What is at an address. */
export interface Look {
  /** The host's IP address. */
  readonly address: string
  readonly identity: Identity
  /** Of a booted machine only. */
  readonly machine: MachineSummary | undefined
}

/** Requests in flight; the board has room for 8, and may have other users. */
const CHANNELS = 6

/** Identifies what is at `host`, and asks a booted machine for its parts. Rejects as `identify` and `getMachineInfo`. */
export async function lookAt(options: IdentifyOptions & { readonly onProgress?: Progress }): Promise<Look> {
  const { scpPort = SCP_PORT, clock, signal, onProgress } = options
  const address = await resolveHost(options.host)
  const identity = await identify({ ...options, host: address })
  if (identity.kind !== "booted") return { address, identity, machine: undefined }
  await using connection = await SCAMPConnection.open({ remoteHost: address, remotePort: scpPort, clock })
  const window = { channels: CHANNELS, intermediateChannelWaits: CHANNELS - 1, deadline: "request" as const }
  const pipeline = new SCPRequestPipeLine(connection, { clock, signal, ...window })
  const machine = summarizeMachine(await getMachineInfo(pipeline, onProgress), address)
  return { address, identity, machine }
}
