/** `SCAMPConnection`: SCP to SC&MP, the monitor of a booted board. */
import { SCP_PORT } from "../protocol/scp.ts"
import { type OpenedUdp, openUdp } from "./open-udp.ts"
import {
  type AbstractSCPConnection,
  encodeRequest,
  parseScpResponse,
  SCP_TIMEOUT_MS,
  type SCPRequest,
  type SCPResponse,
  type SCPResponseWithAddress,
} from "./scp-connection.ts"
import { SDPConnection, type SDPConnectionOptions } from "./sdp-connection.ts"

/** As for SDP; `remotePort` is 17893 and the chip 255,255 ("the one booted from") if not given. */
export type SCAMPConnectionOptions = SDPConnectionOptions

/** A UDP connection to SC&MP on a board. */
export class SCAMPConnection extends SDPConnection implements AbstractSCPConnection {
  /** Opens a connection; rejects as `UDPConnection.open`. */
  static override async open(options: SCAMPConnectionOptions = {}): Promise<SCAMPConnection> {
    const opened = await openUdp({ ...options, remotePort: options.remotePort ?? SCP_PORT })
    return new SCAMPConnection(opened, options.chipX, options.chipY)
  }

  protected constructor(opened: OpenedUdp, chipX = 255, chipY = 255) {
    super(opened, chipX, chipY)
  }

  override get chipX(): number {
    return super.chipX ?? 255
  }

  override get chipY(): number {
    return super.chipY ?? 255
  }

  /** Sets the chip at which messages arrive first, once VER has told. Throws SpinnmanInvalidParameterException outside 0..255. */
  updateChipCoordinates(x: number, y: number): void {
    this.setChip(x, y)
  }

  /**
   * The datagram that `request` would be sent as: 26 bytes and its data. `x`, `y` are the *source* chip, this
   * connection's if not given; a board overwrites them with its own. The sequence is the request's, 0 if unset:
   * the pipeline counts, not the connection (SpiNNMan's documentation says otherwise).
   * Throws SpinnmanInvalidParameterException for a value that its field cannot hold.
   */
  getScpData(request: SCPRequest, x = this.chipX, y = this.chipY): Uint8Array {
    return encodeRequest(request, x, y)
  }

  /** Sends `request`, once. Rejects as `send` and `getScpData`. */
  async sendScpRequest(request: SCPRequest): Promise<void> {
    await this.send(this.getScpData(request))
  }

  /**
   * Sends `request` with source chip `x`, `y` to another board. SpiNNMan always uses port 17893; that is the default
   * here. Rejects as `sendTo` and `getScpData`.
   */
  async sendScpRequestTo(request: SCPRequest, x: number, y: number, ipAddress: string, port = SCP_PORT): Promise<void> {
    await this.sendTo(this.getScpData(request, x, y), { host: ipAddress, port })
  }

  /**
   * The next SCP response, within `timeoutMs` milliseconds. Rejects as `receive`, and with
   * SpinnmanInvalidPacketException for a datagram that is none.
   */
  async receiveScpResponse(timeoutMs = SCP_TIMEOUT_MS, signal?: AbortSignal): Promise<SCPResponse> {
    return parseScpResponse(await this.receive(timeoutMs, signal))
  }

  /** As `receiveScpResponse`, with the address that it came from. */
  async receiveScpResponseWithAddress(
    timeoutMs = SCP_TIMEOUT_MS,
    signal?: AbortSignal,
  ): Promise<SCPResponseWithAddress> {
    const { data, address } = await this.receiveWithAddress(timeoutMs, signal)
    return { ...parseScpResponse(data), ipAddress: address.host, port: address.port }
  }
}
