/** What a server and a client have in common: their settings, and a running thing that can be ended. */
import type { Observer } from "../observe/observer.ts"
import type { AllowList } from "../transport/allow.ts"
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import type { AddressStore } from "./address-book.ts"
import type { LeaseSettings } from "./lease-settings.ts"
import type { PowerCycle } from "./leased.ts"
import type { RelayLimits } from "./relay.ts"

/** Settings of either role; ports as in Python's spinnaker_proxy. */
export interface EndpointSettings {
  /** The board (server) or the server (client): a name or an IP literal without brackets. */
  target: string
  bootViaTcp: boolean
  sdpViaTcp: boolean
  scpPort: number
  bootPort: number
  scpTunnelPort: number
  bootTunnelPort: number
  /** Addresses to listen on; empty = all of the machine's. */
  bind: readonly string[]
  allow: AllowList | undefined
  limits: RelayLimits
  /** Keep SCP requests from being doubled, answer each once, never overfill the board. */
  scpGuard: boolean
  /** Server: deliver boots at the ROM's pace and repeat them until the board answers. */
  bootRepair: boolean
  /** Server: least time between two boot datagrams to the ROM, milliseconds. */
  bootGapMs: number
  /** Server: bytes that may wait of what boards send by IP tag, for each client. */
  tagBufferBytes: number
  /** Server: names of more boards than the target, each served for itself; "all": those that the machine tells of. */
  boards?: readonly string[] | "all"
  /** Server: the BMP that is served too, SCP only. */
  bmp?: string
  /**
   * False: leave the boot port alone. A client then takes no boots and replays no beacons, a server hears no beacons.
   */
  bootListener?: boolean
  /**
   * Server: how boards are shared out among users, of those that `leases` does not name. Without either there are no
   * leases.
   */
  lease?: LeaseSettings
  leases?: ReadonlyMap<string, LeaseSettings>
  /** Client: where boards other than the first are to be found on this machine, by their names at the server. */
  addresses?: ReadonlyMap<string, string>
}

/** The outside world of an endpoint. */
export interface EndpointContext {
  clock: Clock
  random: Random
  observer: Observer
  /** Client: keeps the addresses given to boards between runs. */
  addresses?: AddressStore
  /** Server: switches a board off and on between two users. */
  powerCycle?: PowerCycle
}

/** A role that is running. */
export interface Endpoint {
  /** Stops listening, ends every flow and closes every socket. */
  close(): void
}
