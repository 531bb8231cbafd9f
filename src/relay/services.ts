/** The two services of a board, SCP and boot: their ports and options on either side of the tunnel. */
import type { Channel } from "../observe/events.ts"
import { PortTakenError } from "../transport/port-taken.ts"
import type { EndpointSettings } from "./endpoint.ts"

/** Both services, in the order in which they are opened. */
export const CHANNELS: readonly Channel[] = ["scp", "boot"]

/** One service's share of the settings. */
export interface ServiceSettings {
  readonly channel: Channel
  /** The board's port, which a client offers locally. */
  readonly boardPort: number
  /** The port between client and server. */
  readonly tunnelPort: number
  /** -t or -T: the tunnel is TCP (a server: nothing but TCP). */
  readonly viaTcp: boolean
  /** Options that choose the two ports. */
  readonly boardOption: string
  readonly tunnelOption: string
}

/** The settings that concern `channel`. */
export function serviceSettings(settings: EndpointSettings, channel: Channel): ServiceSettings {
  return channel === "scp"
    ? {
        channel,
        boardPort: settings.scpPort,
        tunnelPort: settings.scpTunnelPort,
        viaTcp: settings.sdpViaTcp,
        boardOption: "--scp-port",
        tunnelOption: "--scp-tunnel-port",
      }
    : {
        channel,
        boardPort: settings.bootPort,
        tunnelPort: settings.bootTunnelPort,
        viaTcp: settings.bootViaTcp,
        boardOption: "--boot-port",
        tunnelOption: "--boot-tunnel-port",
      }
}

const purposes: Record<string, string> = {
  "server/scp": "the server listens there for its clients' SCP",
  "server/boot": "the server listens there for its clients' boots",
  "client/scp": "the client listens there in place of the board, for SCP",
  "client/boot": "the client listens there in place of the board, for boots (without them: --no-boot-listener)",
}

/** A port is taken: which, who needs it and how to choose another. */
export class PortNeededError extends Error {
  override readonly name = "PortNeededError"
}

/** Runs `open` and turns a taken port into words for the person who started the relay. */
export async function explainTakenPort<T>(
  role: "server" | "client",
  service: ServiceSettings,
  carrier: "UDP" | "TCP",
  open: () => T | Promise<T>,
): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (!(error instanceof PortTakenError)) throw error
    const option =
      role === "server" ? service.tunnelOption : `${service.boardOption}, or an address with --bind 127.0.0.2`
    throw new PortNeededError(
      `${carrier} port ${error.port} on ${error.address} is already in use by another program: ` +
        `${purposes[`${role}/${service.channel}`]}. End that program, or choose another port with ${option}.`,
      { cause: error },
    )
  }
}
