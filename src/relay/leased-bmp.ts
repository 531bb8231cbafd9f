/**
 * The BMP of leased boards: it could switch off a board under its user. So while anybody has one of the server's
 * boards, the BMP is for those who have one.
 */
import type { Drops, Observer } from "../observe/observer.ts"
import type { Clock } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import type { Flow, Stage } from "./flow.ts"
import { LeaseTeller, type TellHost } from "./lease-teller.ts"
import type { Leases } from "./leases.ts"
import { StageLink } from "./stage-link.ts"

/** What it needs. */
export interface LeasedBmpOptions {
  /** The BMP's name. */
  readonly name: string
  readonly leases: Leases
  readonly clock: Clock
  readonly observer: Observer
  readonly tellHost: TellHost
}

class LeasedBmpLink extends StageLink {
  readonly #admits: () => boolean

  constructor(inner: Link, drops: Drops, admits: () => boolean) {
    super(inner, drops)
    this.#admits = admits
  }

  protected override outward(datagram: Uint8Array): void {
    if (this.#admits()) this.inner.send(datagram)
  }
}

/** The stage for flows to a BMP; asking it for something holds no board. */
export function leasedBmp({ name, leases, clock, observer, tellHost }: LeasedBmpOptions): Stage {
  const teller = new LeaseTeller(name, clock, tellHost)
  const admits = (flow: Flow): boolean => {
    const news = leases.keptFrom(flow.owner)
    if (!news) return true
    observer.drop("board-in-use", flow.application)
    teller.heldBack(flow, news)
    return false
  }
  return (link, flow) => new LeasedBmpLink(link, observer, () => admits(flow))
}
