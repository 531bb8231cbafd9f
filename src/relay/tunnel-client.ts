/** The client of the safe tunnel: all boards that its key opens, at addresses of this machine, over one connection. */

import { MuxNotice } from "../protocol/mux.ts"
import { type Address, isLoopback } from "../transport/address.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { RxPorts } from "../transport/rx-ports.ts"
import type { ClientKey } from "../transport/tunnel/greeting.ts"
import { TunnelCarrier } from "../transport/tunnel/tunnel-dial.ts"
import { BOARDS_WANTED } from "./board-list.ts"
import { BootKeeper } from "./boot-keeper.ts"
import type { Client } from "./client.ts"
import { ClientBoards } from "./client-boards.ts"
import { deliverTags } from "./deliver-tags.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"

/** The server to be used, and what its owner wants to hear. */
export interface TunnelClientOptions {
  readonly name: string
  readonly addresses: readonly Address[]
  readonly key: ClientKey
  /** A connection is up, at that of the addresses. */
  readonly onUp?: (address: Address) => void
  /** "refused": a server that answers does not let this key in. */
  readonly onDown?: (why: "failed" | "refused", detail: string) => void
}

/** A running client. */
export interface TunnelClient extends Client {
  /** Resolves once the server's boards are to be found on this machine. */
  readonly ready: Promise<void>
}

/** Starts a client; rejects with PortNeededError when a local port is taken, and with nothing else. */
export async function startTunnelClient(
  options: TunnelClientOptions,
  settings: EndpointSettings,
  context: EndpointContext,
): Promise<TunnelClient> {
  const { clock, random, observer } = context
  const rxPorts = new RxPorts({ drops: observer, receiveTuning: new ReceiveTuning(observer) })
  const ready = Promise.withResolvers<void>()
  let carrier!: TunnelCarrier
  const boards = await ClientBoards.open({
    settings,
    context,
    tags: () => deliverTags({ clock, observer, rxPorts, allow: settings.allow }),
    dial: (board, channel) => (application) => carrier.dialBoard(board, channel)(application),
  })
  // Only now, with the first board's ports in hand, is the server spoken to.
  carrier = new TunnelCarrier({
    ...{ name: options.name, addresses: options.addresses, key: options.key, clock, random, observer },
    firstBoard: () => boards.firstName,
    newReplay: (channel) => (channel === "boot" ? new BootKeeper() : undefined),
    onNotice: (notice) => {
      boards.noticed(notice)
      if (notice.kind === MuxNotice.boards) void boards.settled().then(ready.resolve)
    },
    onUp: (address) => {
      carrier.notify(BOARDS_WANTED)
      options.onUp?.(address)
    },
    ...(options.onDown && { onDown: options.onDown }),
  })
  boards.start()
  const wider = settings.bind.length === 0 ? ["all addresses"] : settings.bind.filter((host) => !isLoopback(host))
  for (const address of wider) observer.event({ type: "client-open-wider", address })
  return {
    ready: ready.promise,
    ports: { scp: boards.port("scp") ?? settings.scpPort, boot: boards.port("boot") ?? settings.bootPort },
    get counts() {
      return { flows: boards.flowCount }
    },
    close() {
      boards.close()
      carrier.close()
      rxPorts.close()
    },
  }
}
