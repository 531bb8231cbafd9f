/** The client, beside the application: stands in for the board on this machine and dials the server. */
import type { Channel } from "../observe/events.ts"
import { isLoopback } from "../transport/address.ts"
import type { Dial, Listener } from "../transport/link.ts"
import { ReceiveBuffers } from "../transport/receive-buffer.ts"
import { Resolver } from "../transport/resolver.ts"
import { RxPorts } from "../transport/rx-ports.ts"
import { TcpCarrier } from "../transport/tcp-dial.ts"
import { dialUdp } from "../transport/udp-dial.ts"
import { listenUdp } from "../transport/udp-listener.ts"
import type { Board } from "./board.ts"
import { BootKeeper } from "./boot-keeper.ts"
import { deliverTags } from "./deliver-tags.ts"
import type { Endpoint, EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { Stage } from "./flow.ts"
import { Relay } from "./relay.ts"
import { LastSenderMatcher, ScpReplyMatcher } from "./reply-matcher.ts"
import { answerOnce } from "./scp-answer-once.ts"
import { CHANNELS, explainTakenPort, serviceSettings } from "./services.ts"
import { TagTunnel } from "./tag-tunnel.ts"
import { watchBoot } from "./watch-boot.ts"
import { watchVersion } from "./watch-version.ts"

/** A running client. */
export interface Client extends Endpoint {
  /** The local ports that are bound. */
  readonly ports: Record<Channel, number>
  /** Flows now. */
  readonly counts: { flows: number }
}

/** Starts a client; rejects with PortNeededError when a local port is taken, and with nothing else. */
export async function startClient(settings: EndpointSettings, context: EndpointContext): Promise<Client> {
  const { clock, random, observer } = context
  const resolver = new Resolver({ name: settings.target, clock, observer, random })
  const far: Board = { name: settings.target, clock, random, observer }
  const rxPorts = new RxPorts({ drops: observer, receiveBuffers: new ReceiveBuffers(observer) })
  const tunnel = settings.sdpViaTcp
    ? undefined
    : new TagTunnel({ resolver, port: settings.scpTunnelPort, clock, random, observer })
  const tags = deliverTags({
    clock,
    observer,
    rxPorts,
    allow: settings.allow,
    ...(tunnel && { dialAside: (application: string) => tunnel.dial(application) }),
  })
  const stages: Record<Channel, Stage[]> = {
    scp: [...(settings.scpGuard ? [answerOnce(far)] : []), watchVersion(far), tags.stage],
    boot: [watchBoot(far)],
  }
  const carriers: TcpCarrier[] = []
  const listeners: Listener[] = []
  const relays: Relay[] = []
  const close = (): void => {
    for (const listener of listeners) listener.close()
    for (const relay of relays) relay.close()
    for (const carrier of carriers) carrier.close()
    tunnel?.close()
    rxPorts.close()
    resolver.close()
  }
  const ports: Record<Channel, number> = { scp: settings.scpPort, boot: settings.bootPort }

  function dialFor(channel: Channel): Dial {
    const { tunnelPort: port, viaTcp } = serviceSettings(settings, channel)
    if (!viaTcp) return dialUdp({ resolver, port, clock, random, observer })
    const carrier = new TcpCarrier({
      resolver,
      port,
      channel,
      clock,
      random,
      observer,
      matcher: channel === "scp" ? new ScpReplyMatcher() : new LastSenderMatcher(),
      ...(channel === "boot" ? { newReplay: () => new BootKeeper() } : {}),
    })
    carriers.push(carrier)
    return carrier.dial
  }

  try {
    for (const channel of CHANNELS) {
      const service = serviceSettings(settings, channel)
      const listener = await explainTakenPort("client", service, "UDP", () =>
        listenUdp({
          ...context,
          port: service.boardPort,
          bind: settings.bind,
          allow: settings.allow,
          channel,
          role: "client",
        }),
      )
      listeners.push(listener)
      ports[channel] = listener.address.port
    }
    // Only now, with every port in hand, is the server spoken to.
    for (const [index, channel] of CHANNELS.entries()) {
      const options = { channel, dial: dialFor(channel), stages: stages[channel], limits: settings.limits }
      const keeps = channel === "scp" ? { keeps: tags.keeps } : {}
      const relay = new Relay({ ...options, ...keeps, clock, observer })
      relays.push(relay)
      listeners[index]!.onLink = relay.accept
    }
  } catch (error) {
    close()
    throw error
  }
  // Nobody waits for it yet, but a mistyped name shows now and not with the first datagram.
  resolver.resolve()
  const wider = settings.bind.length === 0 ? ["all addresses"] : settings.bind.filter((host) => !isLoopback(host))
  for (const address of wider) observer.event({ type: "client-open-wider", address })
  return {
    ports,
    get counts() {
      return { flows: relays.reduce((sum, relay) => sum + relay.flowCount, 0) }
    },
    close,
  }
}
