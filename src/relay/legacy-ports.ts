/** The tunnel ports of Python's proxy: UDP and TCP at once, for anybody who reaches them. */
import type { Channel } from "../observe/events.ts"
import { isLoopback } from "../transport/address.ts"
import type { Link, Listener } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { TAGGED_QUEUE } from "../transport/tagged-queue.ts"
import { listenUdp } from "../transport/udp-listener.ts"
import { TcpBinding } from "./bind.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import { HelloListener, isHello } from "./hello-listener.ts"
import type { PeerSessions } from "./peer-sessions.ts"
import type { ServerBoards } from "./server-boards.ts"
import { CHANNELS, explainTakenPort, serviceSettings } from "./services.ts"

/** Ports that are bound. */
export interface LegacyPorts {
  readonly ports: Record<Channel, number>
  /** TCP peers now. */
  readonly peerCount: number
  /** Tells every TCP peer of ours, or those from one host, some news. */
  notify(notice: Notice): void
  notifyHost(host: string, notice: Notice): void
  close(): void
}

/** Opens them; rejects with PortNeededError when one is taken, and with nothing else. */
export async function openLegacyPorts(
  boards: ServerBoards,
  sessions: PeerSessions,
  settings: EndpointSettings,
  context: EndpointContext,
): Promise<LegacyPorts> {
  const { clock, random, observer } = context
  const udp: Listener[] = []
  const tcp: TcpBinding[] = []
  const close = (): void => {
    for (const listener of udp) listener.close()
    for (const binding of tcp) binding.close()
  }
  const ports: Record<Channel, number> = { scp: settings.scpTunnelPort, boot: settings.bootTunnelPort }
  try {
    for (const channel of CHANNELS) {
      const service = serviceSettings(settings, channel)
      const common = { bind: settings.bind, allow: settings.allow, channel, role: "server", clock, random, observer }
      const binding = await explainTakenPort("server", service, "TCP", () => {
        // A mux connection may carry either service of any board, whichever port it came to.
        const onLink = (link: Link, of: Channel, board: string): void => boards.accept(link, of, board)
        return new TcpBinding({
          ...common,
          port: service.tunnelPort,
          onLink,
          taggedQueue: { ...TAGGED_QUEUE, bytes: settings.tagBufferBytes },
          onNotice: (notice, answer) => boards.noticed(notice, answer),
          onPeer: (host) => sessions.began(host),
        })
      })
      tcp.push(binding)
      ports[channel] = binding.port
      // With -t or -T Python's server has no UDP on that port, and neither have we.
      if (service.viaTcp) continue
      const listener = await explainTakenPort("server", service, "UDP", () =>
        listenUdp({ ...common, port: binding.port }),
      )
      listener.onLink = (link) => acceptUdp(boards, link, channel, settings)
      udp.push(listener)
    }
  } catch (error) {
    close()
    throw error
  }
  warnIfOpen(settings, context)
  return {
    ports,
    get peerCount() {
      return tcp.reduce((sum, binding) => sum + binding.peerCount, 0)
    },
    notify(notice) {
      for (const binding of tcp) binding.notify(notice)
    },
    notifyHost(host, notice) {
      for (const binding of tcp) binding.notifyHost(host, notice)
    },
    close,
  }
}

/** Listens for the beacons of unbooted boards, unless a legacy port is where they come to. */
export function hearBeacons(
  boards: ServerBoards,
  settings: EndpointSettings,
  context: EndpointContext,
): HelloListener | undefined {
  if (settings.bootListener === false || settings.bootPort === 0 || hearsBeaconsItself(settings)) return undefined
  const { clock, observer } = context
  const onHello = (host: string, datagram: Uint8Array): void => boards.hello(host, datagram)
  return new HelloListener({ ...beaconAddress(settings), clock, observer, onHello })
}

/**
 * Where beacons come to: at first a broadcast, then whichever address the board was booted from. A fake board on this
 * machine has the port at its own address, and may be started later: there only broadcasts are listened for.
 */
function beaconAddress(settings: EndpointSettings): { host: string; port: number; expectTaken: boolean } {
  const here = isLoopback(settings.target) || settings.target === "localhost"
  return { host: here ? "127.255.255.255" : "0.0.0.0", port: settings.bootPort, expectTaken: here }
}

/** The boot listener is at the very port that beacons come to. */
function hearsBeaconsItself(settings: EndpointSettings): boolean {
  return !settings.bootViaTcp && settings.bootTunnelPort === settings.bootPort
}

/** A flow over UDP is the first board's; what comes from a board's own address to the beacons' port is a beacon. */
function acceptUdp(boards: ServerBoards, link: Link, channel: Channel, settings: EndpointSettings): void {
  const host = link.peer.slice(0, link.peer.lastIndexOf(":"))
  if (channel === "boot" && hearsBeaconsItself(settings) && boards.has(host)) {
    link.onDatagram = (datagram) => {
      if (isHello(datagram)) boards.hello(host, datagram)
    }
  } else boards.accept(link, channel, "")
}

/** The old ports have no security: say so once, where anybody but this machine can reach them. */
function warnIfOpen(settings: EndpointSettings, context: EndpointContext): void {
  if (settings.allow || (settings.bind.length > 0 && settings.bind.every(isLoopback))) return
  const addresses = settings.bind.length > 0 ? settings.bind.join(", ") : "all addresses"
  context.observer.event({ type: "open-to-all", addresses })
}
