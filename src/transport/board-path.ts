/**
 * A socket for what a board sends by one IP tag: connected to the board, so that the system lets nobody else's
 * datagrams through, and with a local port that the board can be told.
 */
import type { Drops } from "../observe/observer.ts"
import type { ReceiveTuning } from "./receive-tuning.ts"
import type { Resolver } from "./resolver.ts"
import { type OpenSocket, openFiltered, openSocket, SENT_DROP, trySend } from "./udp-socket.ts"

/** An open path. */
export interface BoardPath {
  /** The local UDP port, for the board's tag table. */
  readonly port: number
  /** To the board's port that it is connected to. Never throws; what cannot go is counted. */
  send(datagram: Uint8Array): void
  close(): void
}

/** What paths need. */
export interface BoardPathOptions {
  readonly resolver: Resolver
  readonly receiveTuning: ReceiveTuning
  readonly drops: Drops
  readonly openSocket?: OpenSocket
}

/** Opens a path to the board's UDP port `port`; rejects with the system's error. */
export type OpenBoardPath = (port: number, onDatagram: (datagram: Uint8Array) => void) => Promise<BoardPath>

/** A connected socket of Windows' hears nothing more after its first ICMP error. */
const connecting = process.platform === "win32" ? openFiltered : openSocket

/** Makes paths to one board. */
export function boardPaths(options: BoardPathOptions): OpenBoardPath {
  const { resolver, receiveTuning, drops, openSocket: open = connecting } = options
  return async (port, onDatagram) => {
    const host = await resolver.resolve()
    const any = host.includes(":") ? "::" : "0.0.0.0"
    const where = `${resolver.name} by IP tag`
    const owner = { onDatagram, onError: () => drops.drop("unreachable", where), onDrain() {} }
    const socket = await open({ host: any, port: 0, connect: { host, port } }, owner)
    receiveTuning.tune(socket)
    return {
      port: socket.address.port,
      send(datagram) {
        const sent = trySend(socket, datagram)
        if (sent !== "sent") drops.drop(SENT_DROP[sent], where)
      },
      close: () => socket.close(),
    }
  }
}
