/** The links of an accepted connection: what its far end has opened, or all that a plain one carries. */
import type { Observer } from "../observe/observer.ts"
import type { TaggedDatagram } from "../protocol/mux.ts"
import { BaseLink, type CloseReason } from "./link.ts"
import type { MuxFlow, MuxFlowOwner } from "./mux-connection.ts"
import type { NoticePath } from "./notice-path.ts"
import type { TaggedPath } from "./tagged-path.ts"

/** A flow of a mux connection, or all of a plain one, as a link. */
export class PeerLink extends BaseLink {
  onRelease: (reason: CloseReason) => void = () => {}
  onTransmit: (datagram: Uint8Array) => void = () => {}

  constructor(
    readonly peer: string,
    private readonly observer: Observer,
  ) {
    super(observer)
  }

  protected override transmit(datagram: Uint8Array): void {
    this.onTransmit(datagram)
  }

  protected override release(reason: CloseReason): void {
    this.onRelease(reason)
  }

  /** A fault in whoever takes the datagram must not cost the other flows of the connection. */
  override deliver(datagram: Uint8Array): void {
    try {
      super.deliver(datagram)
    } catch (error) {
      this.observer.event({ type: "internal-error", where: `datagram from ${this.peer}`, detail: String(error) })
    }
  }

  override finish(reason: CloseReason): void {
    super.finish(reason)
  }
}

/** A flow of a mux connection, which carries tagged datagrams as well. */
export class MuxPeerLink extends PeerLink implements TaggedPath {
  #onTagged: ((tagged: TaggedDatagram) => void) | undefined

  constructor(
    peer: string,
    observer: Observer,
    private readonly flow: MuxFlow,
    readonly notices: NoticePath,
    readonly owner?: string,
  ) {
    super(peer, observer)
    this.onTransmit = (datagram) => flow.send(datagram)
    this.onRelease = (reason) => flow.close(reason)
  }

  set onTagged(handler: (tagged: TaggedDatagram) => void) {
    this.#onTagged = handler
  }

  /** A flow ends with its connection: it is never renewed at this end. */
  set onRenewed(_handler: () => void) {}

  sendTagged(tagged: TaggedDatagram): void {
    this.flow.sendTagged(tagged)
  }

  deliverTagged(tagged: TaggedDatagram): void {
    if (this.#onTagged && !this.closed) this.#onTagged(tagged)
    else this.drops.drop("tag-stray", this.peer)
  }
}

/** Who hears what comes for `link`. */
export function ownerOf(link: MuxPeerLink): MuxFlowOwner {
  return {
    onDatagram: (datagram) => link.deliver(datagram),
    onTagged: (tagged) => link.deliverTagged(tagged),
    onClose: (reason) => link.finish(reason),
  }
}
