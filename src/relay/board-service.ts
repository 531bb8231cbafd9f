/** What a server does for one board (or BMP): its stages, shared by all flows to it, and a relay for each channel. */
import type { Channel } from "../observe/events.ts"
import { boardPaths } from "../transport/board-path.ts"
import type { Dial, Link } from "../transport/link.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { Resolver } from "../transport/resolver.ts"
import { RxPorts } from "../transport/rx-ports.ts"
import { dialUdp } from "../transport/udp-dial.ts"
import type { Board } from "./board.ts"
import type { BoardInfo } from "./board-list.ts"
import type { BoardSpec } from "./board-spec.ts"
import { paceBoot } from "./boot-pacer.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { Stage } from "./flow.ts"
import type { Admits } from "./leased.ts"
import { Relay } from "./relay.ts"
import { routeTags } from "./route-tags.ts"
import { guardScp } from "./scp-guard.ts"
import { CHANNELS } from "./services.ts"
import { watchBoot } from "./watch-boot.ts"
import { watchVersion } from "./watch-version.ts"

/** Whose the relay's own questions to the board are, in the board's counters. */
const PROBE = "spinnaker-relay itself"

/** One board at work. */
export interface BoardService {
  readonly info: BoardInfo
  /** Takes a flow; ends it at once where there is no such service, as for boots of a BMP. */
  accept(link: Link, channel: Channel): void
  /** A link for the relay's own questions: nobody's traffic. */
  dialScp(): Link
  readonly flowCount: number
  close(): void
}

/** To whom a board answers now. */
export interface Lease {
  readonly stage: Stage
  readonly admits?: Admits
}

/** Starts to serve a board; `lease`: to whom. */
export function serveBoard(
  { name, kind, address, scpPort, bootPort }: BoardSpec,
  settings: EndpointSettings,
  context: EndpointContext,
  lease?: Lease,
): BoardService {
  const { clock, random, observer } = context
  const board: Board = { name, clock, random, observer }
  const resolver = new Resolver({ name: address, clock, observer, random })
  // Said at once, and known when a beacon comes.
  void resolver.resolve()
  const channels = kind === "bmp" ? CHANNELS.filter((channel) => channel === "scp") : CHANNELS
  const dial = (channel: Channel): Dial =>
    dialUdp({ resolver, port: channel === "scp" ? scpPort : bootPort, clock, random, observer })
  const dialScp = dial("scp")
  const pacer = paceBoot({ board, dialScp: () => dialScp(PROBE), bootGapMs: settings.bootGapMs })
  const receiveTuning = new ReceiveTuning(observer)
  const rxPorts = new RxPorts({ drops: observer, receiveTuning })
  // A BMP's tags are others, and nobody sends streams by them.
  const tags =
    kind === "board"
      ? routeTags({
          board: name,
          scpPort,
          clock,
          observer,
          openPath: boardPaths({ resolver, receiveTuning, drops: observer }),
          dialScp: () => dialScp(PROBE),
          rxPorts,
          ...(lease?.admits && { admits: lease.admits }),
        })
      : undefined
  // Outermost: what is held back takes no slot and is remembered by nobody.
  const leased = lease ? [lease.stage] : []
  const stages: Record<Channel, Stage[]> = {
    scp: [
      ...leased,
      ...(settings.scpGuard ? [guardScp(board)] : []),
      watchVersion(board),
      ...(tags ? [tags.stage] : []),
    ],
    boot: [...leased, settings.bootRepair ? pacer : watchBoot(board)],
  }
  const relays = new Map<Channel, Relay>()
  for (const channel of channels) {
    const onward = channel === "scp" ? dialScp : dial(channel)
    const options = { channel, dial: onward, stages: stages[channel], limits: settings.limits, clock, observer }
    relays.set(channel, new Relay({ ...options, ...(channel === "scp" && tags && { keeps: tags.keeps }) }))
  }
  return {
    get info() {
      const host = resolver.current
      return { name, kind, ...(host !== undefined && { host }) }
    },
    accept(link, channel) {
      const relay = relays.get(channel)
      if (relay) relay.accept(link)
      else link.close({ code: "refused", detail: `${name} is a BMP and takes no boots` })
    },
    dialScp: () => dialScp(PROBE),
    get flowCount() {
      return [...relays.values()].reduce((sum, relay) => sum + relay.flowCount, 0)
    },
    close() {
      for (const relay of relays.values()) relay.close()
      tags?.close()
      rxPorts.close()
      pacer.close()
      resolver.close()
    },
  }
}
