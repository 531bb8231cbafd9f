/** What a running server answers on its control endpoint. */
import type { BoardWatch } from "../observe/board-watch.ts"
import type { DropReason } from "../observe/observer.ts"
import type { BoardReport, SessionReport, StatusReport } from "../observe/status.ts"
import { formatAddress } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import type { TunnelSession } from "../transport/tunnel/tunnel-session.ts"
import { ControlError, type ControlHandlers } from "./control.ts"
import { inviteAddresses, type OwnAddresses } from "./invite-addresses.ts"
import type { KeyBook } from "./key-book.ts"
import { hint, keyControl } from "./key-control.ts"
import type { SafeServer } from "./safe-server.ts"
import type { ServerConfig } from "./server-config.ts"
import { compareServerConfigs, describeChange } from "./server-config-change.ts"

/** What the answers are made from. */
export interface ServerControlOptions {
  readonly server: SafeServer
  readonly keys: KeyBook
  readonly boards: BoardWatch
  readonly clock: Clock
  readonly version: string
  readonly pid: number
  readonly machineName: string
  readonly own: () => OwnAddresses
  /** Datagrams lost since the start. */
  readonly drops: ReadonlyMap<DropReason, number>
  /** The configuration as it is now; throws ControlError with all complaints. Undefined where there is no file. */
  readonly readConfig: (() => ServerConfig) | undefined
}

/** The handlers. */
export function serverControl(options: ServerControlOptions): ControlHandlers {
  const { server, keys, clock } = options
  const since = clock.now()
  const serverName = (): string => server.config.name ?? options.machineName
  return {
    ...keyControl(keys, {
      serverName,
      boards: () => server.config.boards.map(({ name }) => name),
      addresses: () => inviteAddresses(options.own(), server.config.listen, server.port),
      port: () => server.port,
      onRevoked: () => server.keysChanged(),
    }),
    status: () => ({
      version: options.version,
      name: serverName(),
      pid: options.pid,
      uptimeMs: clock.now() - since,
      listening: server.listening.map(formatAddress),
      legacy: server.legacy,
      boards: boardReports(options),
      sessions: server.tunnel.sessions.map((session) => sessionReport(session, keys, clock.now())),
      strangers: server.tunnel.strangers,
      drops: Object.fromEntries(options.drops) as StatusReport["drops"],
      refusals: Object.fromEntries(server.tunnel.refusals) as StatusReport["refusals"],
    }),
    kick(name) {
      const sessions = server.tunnel.sessions.filter(({ user }) => user === name)
      // Users of the old ports have no key: they are known by their addresses, while they have a board or wait for one.
      const leased = server.leases.snapshot().flatMap(({ user, waiting }) => [...(user ? [user] : []), ...waiting])
      const known = [...new Set([...keys.list().map(({ user }) => user), ...leased])]
      if (sessions.length === 0 && !known.includes(name)) {
        throw new ControlError(`nobody called ${name} has a key${hint(name, known)}`)
      }
      // First the boards: who is kicked stands behind everyone waiting, and must not be seen to have left.
      const boards = server.leases.kick(name)
      for (const session of sessions) session.end({ code: "refused", detail: "kicked by the server's owner" })
      return { sessions: sessions.length, boards }
    },
    async reload() {
      if (!options.readConfig) {
        throw new ControlError("the server was started without --config: there is no file to read again")
      }
      const next = options.readConfig()
      const change = compareServerConfigs(server.config, next)
      server.reconfigure(next)
      return { changes: describeChange(change, { legacy: server.legacy.length > 0 }) }
    },
  }
}

function boardReports({ server, boards }: ServerControlOptions): BoardReport[] {
  const leases = new Map(server.leases.snapshot().map(({ board, ...lease }) => [board, lease]))
  return server.config.boards.map(({ name, address }) => {
    const lease = leases.get(name)
    const condition = boards.of(name, address)
    return { name, address, ...condition, flows: server.boards.flowsOf(name), ...(lease && { lease }) }
  })
}

function sessionReport(session: TunnelSession, keys: KeyBook, now: number): SessionReport {
  const { id, user, peer, since, flowCount: flows, measures, reconnects } = session
  const key = keys.find(session.key.id)
  return {
    // The whole id resumes the session: a report shows enough of it to tell sessions apart.
    id: id.slice(0, 8),
    user,
    ...(key?.kind === "device" && { device: key.device }),
    ...(peer !== undefined && { peer }),
    sinceMs: now - since,
    flows,
    ...(measures.rttMs !== undefined && { rttMs: measures.rttMs }),
    queuedBytes: measures.queuedBytes,
    queueAgeMs: measures.queueAgeMs,
    reconnects,
    drops: Object.fromEntries(session.drops) as SessionReport["drops"],
  }
}
