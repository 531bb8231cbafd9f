/** Opens the socket behind a connection: resolves, binds, and connects where a remote is named. */
import { isIP } from "node:net"
import { type Observer, silentObserver } from "../observe/observer.ts"
import { type Address, formatAddress, unmapHost } from "../transport/address.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { lookupName } from "../transport/resolver.ts"
import { openSocket, type RawSocket, type SocketOwner } from "../transport/udp-socket.ts"
import { errorCode, errorText, SpinnmanIOException } from "./exceptions.ts"
import { systemPing } from "./ping.ts"
import { ReceiveQueue } from "./receive-queue.ts"

/** What a connection needs from outside; tests replace it. */
export interface ConnectionContext {
  /** Time for time-outs and waits. */
  readonly clock?: Clock | undefined
  /** Hears of dropped datagrams and of errors in callbacks. */
  readonly observer?: Observer | undefined
  /** True if `host` answered one ping within a second; rejects if that cannot be found out. */
  readonly ping?: ((host: string) => Promise<boolean>) | undefined
}

/** Where a connection is bound and whom it talks to. All optional, as in SpiNNMan. */
export interface UDPConnectionOptions extends ConnectionContext {
  /** Local host name or IP address; without one, all interfaces, or with a remote the address that the system sends from. */
  readonly localHost?: string | undefined
  /** Local port, 0..65535; 0 or none gives a random unused one. Ports below 1024 may need rights; nothing here forbids them. */
  readonly localPort?: number | undefined
  /** Remote host name or IP address (IPv6 too, unlike SpiNNMan). Sending needs this and `remotePort`; with one alone the connection only listens. */
  readonly remoteHost?: string | undefined
  readonly remotePort?: number | undefined
}

/** The context with its defaults filled in. */
type Context = { readonly [Part in keyof ConnectionContext]-?: NonNullable<ConnectionContext[Part]> }

/** What `open` hands to the constructor. */
export interface OpenedUdp {
  readonly socket: RawSocket
  /** Kept apart: a closed socket does not know it any more. */
  readonly local: Address
  readonly queue: ReceiveQueue
  readonly remote: Address | undefined
  readonly context: Context
  /** ICMP errors since the last send. */
  readonly faults: { code: string | undefined }
}

/** Binds, resolves and connects; what every subclass's `open` begins with. */
export async function openUdp(
  options: UDPConnectionOptions & { readonly joins?: boolean | undefined },
): Promise<OpenedUdp> {
  const { clock = systemClock, observer = silentObserver, ping = systemPing } = options
  const queue = new ReceiveQueue(clock, observer)
  const faults: OpenedUdp["faults"] = { code: undefined }
  const wanted = options.remoteHost !== undefined && options.remotePort !== undefined
  const remote = wanted ? { host: await resolveHost(options.remoteHost!), port: options.remotePort! } : undefined
  const host =
    options.localHost === undefined ? wildcard(remote?.host ?? "0.0.0.0") : await resolveHost(options.localHost)
  const port = options.localPort ?? 0
  const owner: SocketOwner = {
    onDatagram: (data, fromPort, from) => queue.push({ data, address: { host: unmapHost(from), port: fromPort } }),
    onError: (code) => {
      if (remote) faults.code = code
    },
    onDrain() {},
  }
  try {
    const socket = await openSocket(
      { host, port, joins: options.joins === true, ...(remote && { connect: remote }) },
      owner,
    )
    // SpiNNMan asks for 1 MiB; here as much as the relay itself does. It is no failure where the system says no.
    new ReceiveTuning(observer).tune(socket)
    const local = { host: unmapHost(socket.address.address), port: socket.address.port }
    return { socket, local, queue, remote, faults, context: { clock, observer, ping } }
  } catch (error) {
    const ends = remote
      ? `${formatAddress({ host, port })} for ${formatAddress(remote)}`
      : formatAddress({ host, port })
    throw new SpinnmanIOException(`Error binding socket to ${ends}: ${errorText(error)}`, {
      cause: error,
      code: errorCode(error),
    })
  }
}

/** The IP address of a name, IPv4 preferred; rejects with SpinnmanIOException if it has none. */
export async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    const [first] = await lookupName(host)
    if (first !== undefined) return first
  } catch (error) {
    const code = errorCode(error)?.replace(/^DNS_/, "")
    throw new SpinnmanIOException(`Error getting IP address for ${host}: ${code ?? errorText(error)}`, {
      cause: error,
      code,
    })
  }
  throw new SpinnmanIOException(`Error getting IP address for ${host}: it has none`, { code: "ENOTFOUND" })
}

/** All addresses of the host's family. */
export const wildcard = (host: string): string => (isIP(host) === 6 ? "::" : "0.0.0.0")
