/** `BootConnection`: messages to and from a board's boot ROM. */
import {
  BOOT_BLOCK_BYTES,
  BOOT_HEADER,
  BOOT_PORT,
  BOOT_VERSION,
  type BootMessage,
  decodeBoot,
  encodeBoot,
} from "../protocol/boot.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import { type OpenedUdp, openUdp, type UDPConnectionOptions } from "./open-udp.ts"
import { checkRange } from "./sdp-header.ts"
import { type ReceiveMethod, UDPConnection } from "./udp-connection.ts"

/** SpiNNMan's wait after every boot message, in milliseconds: the ROM copies each block in an interrupt and acknowledges nothing. */
export const BOOT_MESSAGE_GAP_MS = 100

/** The board, and how to speak to it. `remotePort` is 54321 if not given. */
export interface BootConnectionOptions extends UDPConnectionOptions {
  /** Wait after each message, in milliseconds. */
  readonly gapMs?: number | undefined
}

/** A connection to the boot ROM of a board. Without a remote host it only listens. */
export class BootConnection extends UDPConnection {
  readonly #gapMs: number

  /** Opens a connection; rejects as `UDPConnection.open`. */
  static override async open(options: BootConnectionOptions = {}): Promise<BootConnection> {
    const opened = await openUdp({ ...options, remotePort: options.remotePort ?? BOOT_PORT })
    return new BootConnection(opened, options.gapMs ?? BOOT_MESSAGE_GAP_MS)
  }

  protected constructor(opened: OpenedUdp, gapMs: number) {
    super(opened)
    this.#gapMs = gapMs
  }

  /**
   * Sends `message` (`data` in wire order) and waits `gapMs`. Rejects with SpinnmanInvalidParameterException for more
   * than 1024 bytes of data; otherwise as `send`.
   */
  async sendBootMessage(message: BootMessage): Promise<void> {
    checkRange("boot data length", message.data.length, BOOT_BLOCK_BYTES)
    await this.sendBootDatagram(encodeBoot(message))
  }

  /** As `sendBootMessage`, for a message that has been encoded already. */
  async sendBootDatagram(datagram: Uint8Array): Promise<void> {
    await this.send(datagram)
    if (this.#gapMs > 0) await new Promise<void>((resolve) => this.clock.after(this.#gapMs, resolve))
  }

  /**
   * The next boot message, such as a HELLO; times and errors as `receive`. Rejects with SpinnmanInvalidPacketException
   * for a datagram that is none. (SpiNNMan reads the header with native alignment: it wants two bytes more than an
   * 18-byte HELLO has, and the wrong way round.)
   */
  async receiveBootMessage(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<BootMessage> {
    const datagram = await this.receive(timeoutMs, signal)
    const message = decodeBoot(datagram)
    if (message) return message
    const most = BOOT_HEADER + BOOT_BLOCK_BYTES
    const problem = `${datagram.length} bytes, expected ${BOOT_HEADER} to ${most} of version ${BOOT_VERSION}`
    throw new SpinnmanInvalidPacketException("boot message", problem)
  }

  override getReceiveMethod(): ReceiveMethod<BootMessage> {
    return (timeoutMs, signal) => this.receiveBootMessage(timeoutMs, signal)
  }
}
