/**
 * The server of the safe tunnel: one encrypted port before the boards of a configuration, each session allowed what its
 * key opens; with the old ports beside it if they are asked for.
 */

import { type Address, formatAddress } from "../transport/address.ts"
import { AllowList } from "../transport/allow.ts"
import { Backoff, RETRY } from "../transport/backoff.ts"
import type { Timer } from "../transport/clock.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { PortTakenError } from "../transport/port-taken.ts"
import { TAGGED_QUEUE } from "../transport/tagged-queue.ts"
import { TunnelServer } from "../transport/tunnel/tunnel-server.ts"
import type { TunnelSession } from "../transport/tunnel/tunnel-session.ts"
import { errorCode } from "../transport/udp-socket.ts"
import { opens, specsOfConfig } from "./board-spec.ts"
import type { Endpoint, EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { KeyBook } from "./key-book.ts"
import type { Leases } from "./leases.ts"
import { hearBeacons, type LegacyPorts, openLegacyPorts } from "./legacy-ports.ts"
import { PeerSessions } from "./peer-sessions.ts"
import { everything, type MayUse, ServerBoards } from "./server-boards.ts"
import type { ServerConfig } from "./server-config.ts"
import { PortNeededError } from "./services.ts"

/** What a safe server is made from. */
export interface SafeServerOptions {
  readonly config: ServerConfig
  /** What clients call it where the configuration names nothing. */
  readonly machineName: string
  readonly keys: KeyBook
  /** An unguessable id for a session. */
  readonly newId: () => string
  /** Also open the old ports, with these settings, for the first board and whom the configuration allows. */
  readonly legacy: EndpointSettings | undefined
  /** What the configuration does not say, for the boards' stages. */
  readonly usual: EndpointSettings
}

/** A running one. */
export interface SafeServer extends Endpoint {
  /** The encrypted port, which the system chose if it was 0. */
  readonly port: number
  /** Where it listens for users. */
  readonly listening: readonly Address[]
  /** The old ports, as a person names them. */
  readonly legacy: readonly string[]
  readonly config: ServerConfig
  readonly boards: ServerBoards
  readonly tunnel: TunnelServer
  readonly leases: Leases
  /** Takes a new configuration; `listen` and `port` stay as they are until a restart. */
  reconfigure(config: ServerConfig): void
  /** Ends the sessions of keys that have been revoked; returns how many. */
  keysChanged(): number
}

/** Starts one; rejects with PortNeededError when a port is taken, and with nothing else. */
export async function startSafeServer(options: SafeServerOptions, context: EndpointContext): Promise<SafeServer> {
  const { clock, observer } = context
  let { config } = options
  let allow = allowOf(config)
  let legacy: LegacyPorts | undefined
  const settings = settingsOf(config, options.usual)
  /** What a session may use; its key's boards are looked up each time, so that what is taken away is gone at once. */
  const mayUseOf =
    ({ key: { id } }: TunnelSession): MayUse =>
    (board) => {
      const key = options.keys.find(id)
      return key?.state === "valid" && opens(key, board, config)
    }
  const tell = (session: TunnelSession, notice: Notice | undefined): void => {
    if (notice) session.notify(notice)
  }
  const boards = new ServerBoards(specsOfConfig(config), settings, context, {
    all: (of) => {
      for (const session of tunnel.sessions) tell(session, of(mayUseOf(session)))
      const notice = of(everything)
      if (notice) legacy?.notify(notice)
    },
    host: (host, notice) => legacy?.notifyHost(host, notice),
  })
  const tunnel: TunnelServer = new TunnelServer({
    settings: () => ({ name: config.name ?? options.machineName, allow, ...config.limits }),
    keys: options.keys,
    clock,
    observer,
    newId: options.newId,
    taggedQueue: { ...TAGGED_QUEUE, bytes: config.limits.tagBufferBytes },
    onLink: (link, channel, board, session) => boards.accept(link, channel, board, mayUseOf(session)),
    onNotice: (notice, session) => boards.noticed(notice, (answer) => session.notify(answer), mayUseOf(session)),
    onSession: (session) => boards.leases.sessionBegan(session.user, session.id),
    onSessionEnd: (session, how) =>
      boards.leases.sessionEnded(session.user, session.id, how === "lost" ? "lost" : "clean"),
  })
  const peers = new PeerSessions(boards.leases, clock)
  const retries = new Set<Timer>()
  let beacons: ReturnType<typeof hearBeacons>
  const close = (): void => {
    // First: what ends with the server is nobody's release, and no board is power-cycled for it.
    boards.leases.close()
    for (const timer of retries) timer.cancel()
    beacons?.close()
    peers.close()
    legacy?.close()
    tunnel.close()
    boards.close()
  }
  const listening: Address[] = []
  try {
    listenAll(tunnel, config, context, { retries, listening })
    if (options.legacy) legacy = await withoutTheirOptions(openLegacyPorts(boards, peers, options.legacy, context))
  } catch (error) {
    close()
    throw error
  }
  beacons = hearBeacons(boards, options.legacy ?? { ...settings, bootTunnelPort: 0 }, context)
  return {
    port: listening[0]?.port ?? config.port,
    listening,
    legacy: legacy ? [`SCP ${legacy.ports.scp}`, `boot ${legacy.ports.boot}`] : [],
    boards,
    tunnel,
    leases: boards.leases,
    get config() {
      return config
    },
    reconfigure(next) {
      config = { ...next, listen: config.listen, port: config.port }
      allow = allowOf(config)
      boards.reconfigure(specsOfConfig(config))
    },
    keysChanged: () => tunnel.endRevoked(),
    close,
  }
}

/** Listens everywhere that the configuration names; an address that the machine does not have yet is tried again. */
function listenAll(
  tunnel: TunnelServer,
  { listen, port }: ServerConfig,
  context: EndpointContext,
  { retries, listening }: { retries: Set<Timer>; listening: Address[] },
): void {
  const { clock, random, observer } = context
  const open = (host: string, first: boolean, backoff = new Backoff({ ...RETRY, random })): boolean => {
    const address: Address = { host, port: listening[0]?.port ?? port }
    try {
      const bound = tunnel.listen(address)
      listening.push(bound)
      observer.event({ type: "tunnel-listening", address: formatAddress(bound) })
      return true
    } catch (error) {
      const code = errorCode(error)
      if (first && code === "EADDRINUSE") throw portTaken(address, error)
      if (listen.length === 0 && host === "::") return false
      const retryMs = backoff.next()
      if (first) observer.event({ type: "listen-waiting", address: formatAddress(address), detail: code, retryMs })
      const timer = clock.after(retryMs, () => {
        retries.delete(timer)
        open(host, false, backoff)
      })
      retries.add(timer)
      return false
    }
  }
  if (listen.length > 0) for (const host of listen) open(host, true)
  // `::` takes IPv4 too where the machine has IPv6; where it has not, 0.0.0.0.
  else if (!open("::", true)) open("0.0.0.0", true)
}

function portTaken({ host, port }: Address, cause: unknown): PortNeededError {
  return new PortNeededError(
    `TCP port ${port} on ${host} is already in use by another program, perhaps another spinnaker-relay server: ` +
      "end that program, or choose another port with --port (or port = in the configuration)",
    { cause },
  )
}

/** The old ports' own numbers are not to be chosen here. */
async function withoutTheirOptions(opening: Promise<LegacyPorts>): Promise<LegacyPorts> {
  try {
    return await opening
  } catch (error) {
    const { cause } = error as Error
    if (!(error instanceof PortNeededError && cause instanceof PortTakenError)) throw error
    throw new PortNeededError(
      `port ${cause.port} on ${cause.address} is already in use by another program, perhaps spinnaker-relay -s: ` +
        "end that program, or leave out --legacy",
      { cause },
    )
  }
}

function allowOf({ allow }: ServerConfig): AllowList | undefined {
  return allow.length > 0 ? AllowList.parse(allow) : undefined
}

function settingsOf({ boards, limits }: ServerConfig, usual: EndpointSettings): EndpointSettings {
  const { maxFlows, idleTimeoutMs, tagBufferBytes } = limits
  const [first] = boards
  return { ...usual, target: first?.address ?? usual.target, limits: { maxFlows, idleTimeoutMs }, tagBufferBytes }
}
