/** What a relay does for one flow, without its bookkeeping: datagrams both ways, until either end closes. */
import type { Link } from "../../src/transport/link.ts"

/** Joins two links. */
export function joinLinks(near: Link, far: Link): void {
  far.onDatagram = (datagram) => near.send(datagram)
  far.onClose = (reason) => near.close(reason)
  near.onDatagram = (datagram) => far.send(datagram)
  near.onClose = (reason) => far.close(reason)
}
