/** The client, beside the application: stands in for the board on this machine and dials the server. */

import type { Channel } from "../observe/events.ts"
import { MuxNotice } from "../protocol/mux.ts"
import { isLoopback } from "../transport/address.ts"
import type { Dial } from "../transport/link.ts"
import type { Notice } from "../transport/mux-connection.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { Resolver } from "../transport/resolver.ts"
import { RxPorts } from "../transport/rx-ports.ts"
import { TcpCarrier } from "../transport/tcp-dial.ts"
import { dialUdp } from "../transport/udp-dial.ts"
import { BOARDS_WANTED } from "./board-list.ts"
import { BootKeeper } from "./boot-keeper.ts"
import { ClientBoards } from "./client-boards.ts"
import { deliverTags } from "./deliver-tags.ts"
import type { Endpoint, EndpointContext, EndpointSettings } from "./endpoint.ts"
import { LastSenderMatcher, ScpReplyMatcher } from "./reply-matcher.ts"
import { CHANNELS, serviceSettings } from "./services.ts"
import { TagTunnel } from "./tag-tunnel.ts"

/** A running client. */
export interface Client extends Endpoint {
  /** The local ports that are bound, of the first board. */
  readonly ports: Record<Channel, number>
  /** Flows now. */
  readonly counts: { flows: number }
}

/** Starts a client; rejects with PortNeededError when a local port is taken, and with nothing else. */
export async function startClient(settings: EndpointSettings, context: EndpointContext): Promise<Client> {
  const { clock, random, observer } = context
  const carriers = new Map<Channel, TcpCarrier>()
  const dials = new Map<Channel, Dial>()
  const resolver = new Resolver({ name: settings.target, clock, observer, random })
  const rxPorts = new RxPorts({ drops: observer, receiveTuning: new ReceiveTuning(observer) })
  const newReplay = (of: Channel) => (of === "boot" ? new BootKeeper() : undefined)
  // One connection is enough to hear the server's news on: a tunnel's, or in UDP mode the one beside the UDP flows.
  const news = (notify: (notice: Notice) => void) => ({
    onNotice: (notice: Notice) => boards.noticed(notice),
    onMux: () => notify(BOARDS_WANTED),
  })
  // But who must wait for a board is told on the connection that his flow came by.
  const inUseOnly = {
    onNotice: (notice: Notice) => {
      if (notice.kind === MuxNotice.inUse) boards.noticed(notice)
    },
  }
  const udpOnly = !settings.sdpViaTcp && !settings.bootViaTcp
  const tunnel: TagTunnel | undefined = settings.sdpViaTcp
    ? undefined
    : new TagTunnel({
        ...{ resolver, port: settings.scpTunnelPort, clock, random, observer, newReplay },
        ...(udpOnly ? news((notice) => tunnel?.notify(notice)) : inUseOnly),
      })
  const boards = await ClientBoards.open({
    settings,
    context,
    // Flows to other boards than the first are channels of a mux connection, which carries tags by itself.
    tags: (board) => {
      const aside = board === "" && tunnel ? { dialAside: (application: string) => tunnel.dial(application) } : {}
      return deliverTags({ clock, observer, rxPorts, allow: settings.allow, ...aside })
    },
    dial: (board, channel) => {
      // A mux connection carries either service of any board, whichever port it goes to.
      const carrier = carriers.get(channel) ?? [...carriers.values()][0] ?? tunnel
      return board === "" || !carrier ? dials.get(channel)! : carrier.dialBoard(board, channel)
    },
  })
  // Only now, with every port in hand, is the server spoken to.
  for (const channel of CHANNELS) {
    const { tunnelPort: port, viaTcp } = serviceSettings(settings, channel)
    if (!viaTcp) {
      dials.set(channel, dialUdp({ resolver, port, clock, random, observer }))
      continue
    }
    const hears = carriers.size === 0
    const carrier: TcpCarrier = new TcpCarrier({
      resolver,
      port,
      channel,
      clock,
      random,
      observer,
      matcher: channel === "scp" ? new ScpReplyMatcher() : new LastSenderMatcher(),
      newReplay,
      ...(hears ? news((notice) => carrier.notify(notice)) : inUseOnly),
    })
    carriers.set(channel, carrier)
    dials.set(channel, carrier.dial)
  }
  boards.start()
  if (udpOnly) tunnel?.keepOpen()
  // Nobody waits for it yet, but a mistyped name shows now and not with the first datagram.
  void resolver.resolve()
  const wider = settings.bind.length === 0 ? ["all addresses"] : settings.bind.filter((host) => !isLoopback(host))
  for (const address of wider) observer.event({ type: "client-open-wider", address })
  return {
    ports: { scp: boards.port("scp") ?? settings.scpPort, boot: boards.port("boot") ?? settings.bootPort },
    get counts() {
      return { flows: boards.flowCount }
    },
    close() {
      boards.close()
      for (const carrier of carriers.values()) carrier.close()
      tunnel?.close()
      rxPorts.close()
      resolver.close()
    },
  }
}
