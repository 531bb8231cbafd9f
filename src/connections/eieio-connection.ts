/** `EIEIOConnection`: bare EIEIO messages by UDP, without an SDP header or padding. */
import { isEieioCommand } from "../protocol/eieio.ts"
import { decodeEieio, type EieioMessage, encodeEieio } from "../protocol/eieio-command.ts"
import { SpinnmanEIEIOPacketParsingException, SpinnmanInvalidParameterException } from "./exceptions.ts"
import { openUdp, type UDPConnectionOptions } from "./open-udp.ts"
import { type ReceiveMethod, UDPConnection } from "./udp-connection.ts"

/** A connection for spikes in and out, through a (stripped) IP tag or a reverse IP tag. */
export class EIEIOConnection extends UDPConnection {
  /** Opens a connection; rejects as `UDPConnection.open`. */
  static override async open(options: UDPConnectionOptions = {}): Promise<EIEIOConnection> {
    return new EIEIOConnection(await openUdp(options))
  }

  /** Sends `message` to the remote. Rejects with SpinnmanInvalidParameterException for more than 255 elements or 7 records; otherwise as `send`. */
  async sendEieioMessage(message: EieioMessage): Promise<void> {
    await this.send(bytesOf(message))
  }

  /** Sends `message` to any address. Rejects as `sendEieioMessage` and `sendTo`. */
  async sendEieioMessageTo(message: EieioMessage, ipAddress: string, port: number): Promise<void> {
    await this.sendTo(bytesOf(message), { host: ipAddress, port })
  }

  /**
   * The next message; times and errors as `receive`. Rejects with SpinnmanEIEIOPacketParsingException for a datagram
   * that is cut short (SpiNNMan: struct.error). Unlike SpiNNMan it reads a database command with a path, sequenced
   * data at the right place, and x and y of a read request the right way round; ids 10, 11 and 12 have names here.
   */
  async receiveEieioMessage(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<EieioMessage> {
    const packet = await this.receive(timeoutMs, signal)
    const message = decodeEieio(packet)
    if (message) return message
    throw new SpinnmanEIEIOPacketParsingException(isEieioCommand(packet) ? "command" : "data", packet)
  }

  override getReceiveMethod(): ReceiveMethod<EieioMessage> {
    return (timeoutMs, signal) => this.receiveEieioMessage(timeoutMs, signal)
  }
}

function bytesOf(message: EieioMessage): Uint8Array {
  try {
    return encodeEieio(message)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new SpinnmanInvalidParameterException("EIEIO message", message.kind, problem)
  }
}
