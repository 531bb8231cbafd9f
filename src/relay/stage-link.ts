/** The skeleton of a stage: a link around a link that looks at what passes. Subclasses override what they care for. */
import type { Drops } from "../observe/observer.ts"
import { BaseLink, type CloseReason, type Link } from "../transport/link.ts"

/**
 * Passes datagrams both ways; override `outward` and `inward` to look, hold, change or drop. The inner link is listened
 * to only once this one has a listener, never from the constructor: a subclass's fields do not exist yet in there.
 */
export class StageLink extends BaseLink {
  protected readonly inner: Link

  constructor(inner: Link, drops: Drops) {
    super(drops)
    this.inner = inner
  }

  override set onDatagram(handler: (datagram: Uint8Array) => void) {
    super.onDatagram = handler
    this.inner.onDatagram = (datagram) => this.inward(datagram)
  }

  override set onClose(handler: (reason: CloseReason) => void) {
    super.onClose = handler
    this.inner.onClose = (reason) => this.finish(reason)
  }

  get peer(): string {
    return this.inner.peer
  }

  protected override transmit(datagram: Uint8Array): void {
    this.outward(datagram)
  }

  /** A datagram on its way to the board. */
  protected outward(datagram: Uint8Array): void {
    this.inner.send(datagram)
  }

  /** A datagram on its way to the application. */
  protected inward(datagram: Uint8Array): void {
    this.deliver(datagram)
  }

  protected override release(reason: CloseReason): void {
    this.inner.close(reason)
  }
}
