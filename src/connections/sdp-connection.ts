/** `SDPConnection`: SDP messages to and from a board, without SCP. */
import {
  decodeSdp,
  encodeSdp,
  SDP_HEADER,
  SDP_MAX_PAYLOAD,
  SDP_PAD,
  SDP_PAYLOAD_OFFSET,
  SdpFlag,
  type SdpHeader,
  type SdpMessage,
} from "../protocol/sdp.ts"
import { SpinnmanInvalidPacketException, SpinnmanInvalidParameterException } from "./exceptions.ts"
import { type OpenedUdp, openUdp, type UDPConnectionOptions } from "./open-udp.ts"
import { checkByte, checkRange, checkSdpHeader, updateSdpHeaderForUdpSend } from "./sdp-header.ts"
import { type ReceiveMethod, UDPConnection } from "./udp-connection.ts"

/** The chip at the remote end besides the ends themselves. Named, so that their order does not matter. */
export interface SDPConnectionOptions extends UDPConnectionOptions {
  /** Coordinates, 0..255, of the chip at the remote end. Without them no message that expects a reply can be sent. */
  readonly chipX?: number | undefined
  readonly chipY?: number | undefined
}

/** A message as it was received. `payload` is a view into `datagram`, beginning at `offset`. */
export interface ReceivedSdpMessage extends SdpMessage {
  readonly datagram: Uint8Array
  /** Always 10: two pad bytes and the header. */
  readonly offset: number
}

/** The flag bytes that SpiNNaker software uses. */
const KNOWN_FLAGS: ReadonlySet<number> = new Set([
  SdpFlag.noReply,
  SdpFlag.reply,
  SdpFlag.noReply | SdpFlag.noRoute,
  SdpFlag.reply | SdpFlag.noRoute,
])

/** A connection that talks the SpiNNaker Datagram Protocol. */
export class SDPConnection extends UDPConnection {
  #chipX: number | undefined
  #chipY: number | undefined

  /** Opens a connection; rejects as `UDPConnection.open`. */
  static override async open(options: SDPConnectionOptions = {}): Promise<SDPConnection> {
    return new SDPConnection(await openUdp(options), options.chipX, options.chipY)
  }

  protected constructor(opened: OpenedUdp, chipX: number | undefined, chipY: number | undefined) {
    super(opened)
    this.#chipX = chipX
    this.#chipY = chipY
  }

  /** X coordinate of the chip at which messages arrive first; undefined if not known. */
  get chipX(): number | undefined {
    return this.#chipX
  }

  /** Y coordinate of the chip at which messages arrive first; undefined if not known. */
  get chipY(): number | undefined {
    return this.#chipY
  }

  /** Sets the chip at the remote end, once it is known. Throws SpinnmanInvalidParameterException outside 0..255. */
  protected setChip(x: number, y: number): void {
    checkByte("chip x", x)
    checkByte("chip y", y)
    this.#chipX = x
    this.#chipY = y
  }

  /**
   * Sends two pad bytes, the header and the payload (at most 272 bytes: a board drops longer ones without a word).
   * Tag and source are set by `updateSdpHeaderForUdpSend` in a copy of the header. The source chip is this
   * connection's where a reply is expected, else 0,0; SpiNNMan overlooks that flags 0xA7 expect a reply too.
   * Rejects with SpinnmanInvalidParameterException where a reply is expected and the chip is not known, or where
   * a field has no room for its value (SpiNNMan: struct.error); otherwise as `send`.
   */
  async sendSdpMessage(message: SdpMessage): Promise<void> {
    const header: SdpHeader = { ...message.header }
    const expectsReply = (header.flags & SdpFlag.replyExpected) !== 0
    if (expectsReply) {
      if (this.#chipX === undefined || this.#chipY === undefined) {
        throw new SpinnmanInvalidParameterException(
          "flags",
          `0x${header.flags.toString(16)}`,
          "a reply is expected, but this connection was opened without chipX and chipY",
        )
      }
      updateSdpHeaderForUdpSend(header, this.#chipX, this.#chipY)
    } else {
      updateSdpHeaderForUdpSend(header, 0, 0)
    }
    checkSdpHeader(header)
    checkRange("payload length", message.payload.length, SDP_MAX_PAYLOAD)
    await this.send(encodeSdp(header, message.payload))
  }

  /**
   * The next SDP message; times and errors as `receive`. Rejects with SpinnmanInvalidPacketException for a datagram
   * shorter than a header or with flags that nobody uses; the datagram is gone then and the next call takes the next.
   */
  async receiveSdpMessage(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<ReceivedSdpMessage> {
    const datagram = await this.receive(timeoutMs, signal)
    const message = decodeSdp(datagram)
    if (!message) {
      const need = SDP_PAD + SDP_HEADER
      throw new SpinnmanInvalidPacketException("SDP", `${datagram.length} bytes, expected at least ${need}`)
    }
    if (!KNOWN_FLAGS.has(message.header.flags)) {
      const flags = message.header.flags.toString(16).padStart(2, "0")
      throw new SpinnmanInvalidPacketException("SDP", `flags 0x${flags}, expected 0x07, 0x27, 0x87 or 0xa7`)
    }
    return { ...message, datagram, offset: SDP_PAYLOAD_OFFSET }
  }

  override getReceiveMethod(): ReceiveMethod<ReceivedSdpMessage> {
    return (timeoutMs, signal) => this.receiveSdpMessage(timeoutMs, signal)
  }

  protected override describeEnds(): string {
    return `chipX=${this.#chipX}, chipY=${this.#chipY}, ${super.describeEnds()}`
  }
}
