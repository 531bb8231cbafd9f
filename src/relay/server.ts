/** The server of the plain modes, beside the board: Python's tunnel ports before the boards of a command line. */
import type { Channel } from "../observe/events.ts"
import { specsOf } from "./board-spec.ts"
import type { Endpoint, EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { Leases } from "./leases.ts"
import { hearBeacons, type LegacyPorts, openLegacyPorts } from "./legacy-ports.ts"
import { PeerSessions } from "./peer-sessions.ts"
import { everything, ServerBoards } from "./server-boards.ts"

/** A running server. */
export interface Server extends Endpoint {
  /** The tunnel ports that are bound. */
  readonly ports: Record<Channel, number>
  /** Flows and TCP peers now. */
  readonly counts: { flows: number; peers: number }
  /** Whose the boards are. */
  readonly leases: Leases
}

/** Starts a server; rejects with PortNeededError when a tunnel port is taken, and with nothing else. */
export async function startServer(settings: EndpointSettings, context: EndpointContext): Promise<Server> {
  let legacy: LegacyPorts | undefined
  const boards = new ServerBoards(specsOf(settings), settings, context, {
    all: (of) => {
      const notice = of(everything)
      if (notice) legacy?.notify(notice)
    },
    host: (host, notice) => legacy?.notifyHost(host, notice),
  })
  const sessions = new PeerSessions(boards.leases, context.clock)
  try {
    legacy = await openLegacyPorts(boards, sessions, settings, context)
  } catch (error) {
    sessions.close()
    boards.close()
    throw error
  }
  const { ports } = legacy
  const open = legacy
  const beacons = hearBeacons(boards, settings, context)
  return {
    ports,
    leases: boards.leases,
    get counts() {
      return { flows: boards.flowCount, peers: open.peerCount }
    },
    close() {
      // First: what ends with the server is nobody's release.
      boards.leases.close()
      beacons?.close()
      sessions.close()
      open.close()
      boards.close()
    },
  }
}
