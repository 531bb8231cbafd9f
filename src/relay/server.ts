/** The server, beside the board: listens on the tunnel ports, UDP and TCP at once, and dials the board. */
import type { Channel } from "../observe/events.ts"
import { isLoopback } from "../transport/address.ts"
import { boardPaths } from "../transport/board-path.ts"
import type { Dial, Link, Listener } from "../transport/link.ts"
import { ReceiveBuffers } from "../transport/receive-buffer.ts"
import { Resolver } from "../transport/resolver.ts"
import { RxPorts } from "../transport/rx-ports.ts"
import { TAGGED_QUEUE } from "../transport/tagged-queue.ts"
import { dialUdp } from "../transport/udp-dial.ts"
import { listenUdp } from "../transport/udp-listener.ts"
import { TcpBinding } from "./bind.ts"
import type { Board } from "./board.ts"
import { paceBoot } from "./boot-pacer.ts"
import type { Endpoint, EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { Stage } from "./flow.ts"
import { Relay } from "./relay.ts"
import { routeTags } from "./route-tags.ts"
import { guardScp } from "./scp-guard.ts"
import { CHANNELS, explainTakenPort, serviceSettings } from "./services.ts"
import { watchBoot } from "./watch-boot.ts"
import { watchVersion } from "./watch-version.ts"

/** A running server. */
export interface Server extends Endpoint {
  /** The tunnel ports that are bound. */
  readonly ports: Record<Channel, number>
  /** Flows and TCP peers now. */
  readonly counts: { flows: number; peers: number }
}

/** Whose the relay's own questions to the board are, in the board's counters. */
const PROBE = "spinnaker-relay itself"

/** Starts a server; rejects with PortNeededError when a tunnel port is taken, and with nothing else. */
export async function startServer(settings: EndpointSettings, context: EndpointContext): Promise<Server> {
  const { clock, random, observer } = context
  const board: Board = { name: settings.target, clock, random, observer }
  const resolver = new Resolver({ name: settings.target, clock, observer, random })
  const dials = Object.fromEntries(
    CHANNELS.map((channel) => {
      const port = serviceSettings(settings, channel).boardPort
      return [channel, dialUdp({ resolver, port, clock, random, observer })]
    }),
  ) as Record<Channel, Dial>
  const pacer = paceBoot({ board, dialScp: () => dials.scp(PROBE), bootGapMs: settings.bootGapMs })
  const receiveBuffers = new ReceiveBuffers(observer)
  const rxPorts = new RxPorts({ drops: observer, receiveBuffers })
  const tags = routeTags({
    board: board.name,
    scpPort: settings.scpPort,
    clock,
    observer,
    openPath: boardPaths({ resolver, receiveBuffers, drops: observer }),
    dialScp: () => dials.scp(PROBE),
    rxPorts,
  })
  const stages: Record<Channel, Stage[]> = {
    scp: [...(settings.scpGuard ? [guardScp(board)] : []), watchVersion(board), tags.stage],
    boot: [settings.bootRepair ? pacer : watchBoot(board)],
  }
  const udp: Listener[] = []
  const tcp: TcpBinding[] = []
  const relays = Object.fromEntries(
    CHANNELS.map((channel) => {
      const options = { channel, dial: dials[channel], stages: stages[channel], limits: settings.limits }
      const keeps = channel === "scp" ? { keeps: tags.keeps } : {}
      return [channel, new Relay({ ...options, ...keeps, clock, observer })]
    }),
  ) as Record<Channel, Relay>
  const close = (): void => {
    for (const listener of udp) listener.close()
    for (const binding of tcp) binding.close()
    for (const relay of Object.values(relays)) relay.close()
    tags.close()
    rxPorts.close()
    pacer.close()
    resolver.close()
  }
  const ports: Record<Channel, number> = { scp: settings.scpTunnelPort, boot: settings.bootTunnelPort }
  try {
    for (const channel of CHANNELS) {
      const service = serviceSettings(settings, channel)
      const common = { bind: settings.bind, allow: settings.allow, channel, role: "server", clock, random, observer }
      const binding = await explainTakenPort("server", service, "TCP", () => {
        // A mux connection may carry either service, whichever port it came to.
        const onLink = (link: Link, of: Channel): void => relays[of].accept(link)
        const taggedQueue = { ...TAGGED_QUEUE, bytes: settings.tagBufferBytes }
        return new TcpBinding({ ...common, port: service.tunnelPort, onLink, taggedQueue })
      })
      tcp.push(binding)
      ports[channel] = binding.port
      // With -t or -T Python's server has no UDP on that port, and neither have we.
      if (service.viaTcp) continue
      const listener = await explainTakenPort("server", service, "UDP", () =>
        listenUdp({ ...common, port: binding.port }),
      )
      listener.onLink = relays[channel].accept
      udp.push(listener)
    }
  } catch (error) {
    close()
    throw error
  }
  // Nobody waits for it yet, but a mistyped name shows now and not with the first datagram.
  resolver.resolve()
  warnIfOpen(settings, context)
  return {
    ports,
    get counts() {
      return {
        flows: relays.scp.flowCount + relays.boot.flowCount,
        peers: tcp.reduce((sum, binding) => sum + binding.peerCount, 0),
      }
    },
    close,
  }
}

/** The old ports have no security: say so once, where anybody but this machine can reach them. */
function warnIfOpen(settings: EndpointSettings, context: EndpointContext): void {
  if (settings.allow || (settings.bind.length > 0 && settings.bind.every(isLoopback))) return
  const addresses = settings.bind.length > 0 ? settings.bind.join(", ") : "all addresses"
  context.observer.event({ type: "open-to-all", addresses })
}
