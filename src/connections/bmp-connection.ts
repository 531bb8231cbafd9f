/** `BMPConnection`: SCP to the board management processor of a frame of boards. */
import { SCP_PORT } from "../protocol/scp.ts"
import { type ConnectionContext, type OpenedUdp, openUdp } from "./open-udp.ts"
import {
  type AbstractSCPConnection,
  encodeRequest,
  parseScpResponse,
  SCP_TIMEOUT_MS,
  type SCPRequest,
  type SCPResponse,
} from "./scp-connection.ts"
import { UDPConnection } from "./udp-connection.ts"

/** What to connect to: a BMP's address, and what it manages. */
export interface BMPConnectionData {
  /** Number of the cabinet; only the host knows it. */
  readonly cabinet?: number
  /** Number of the frame in the cabinet; only the host knows it. */
  readonly frame?: number
  /** Host name or IP address of the BMP, by convention the board's less one. */
  readonly ipAddress: string
  /** The boards that it manages, 0..23. */
  readonly boards?: readonly number[]
  /** UDP port, 17893 if not given. */
  readonly portNum?: number | undefined
}

/**
 * A connection to a BMP. It is no SDPConnection: `getReceiveMethod` gives the raw `receive`, as in SpiNNMan.
 * The request's `destCpu` is the board, 0..23; POWER must go to board 0 whatever boards it names.
 */
export class BMPConnection extends UDPConnection implements AbstractSCPConnection {
  readonly #data: BMPConnectionData

  /** Opens a connection; rejects as `UDPConnection.open`. */
  static override async open(data: BMPConnectionData & ConnectionContext): Promise<BMPConnection> {
    const { ipAddress, portNum = SCP_PORT, clock, observer, ping } = data
    const opened = await openUdp({ remoteHost: ipAddress, remotePort: portNum, clock, observer, ping })
    return new BMPConnection(opened, data)
  }

  protected constructor(opened: OpenedUdp, data: BMPConnectionData) {
    super(opened)
    this.#data = data
  }

  /** The cabinet's number. */
  get cabinet(): number {
    return this.#data.cabinet ?? 0
  }

  /** The frame's number. */
  get frame(): number {
    return this.#data.frame ?? 0
  }

  /** The boards that this BMP manages. */
  get boards(): readonly number[] {
    return this.#data.boards ?? [0]
  }

  /** Always 0 for a BMP. */
  get chipX(): number {
    return 0
  }

  /** Always 0 for a BMP. */
  get chipY(): number {
    return 0
  }

  /** The datagram that `request` would be sent as, with source chip 0,0. Throws SpinnmanInvalidParameterException for what does not fit. */
  getScpData(request: SCPRequest): Uint8Array {
    return encodeRequest(request, 0, 0)
  }

  /** Sends `request`, once. Rejects as `send` and `getScpData`. */
  async sendScpRequest(request: SCPRequest): Promise<void> {
    await this.send(this.getScpData(request))
  }

  /**
   * The next SCP response, within `timeoutMs` milliseconds. Rejects as `receive`, and with
   * SpinnmanInvalidPacketException for a datagram that is none.
   */
  async receiveScpResponse(timeoutMs = SCP_TIMEOUT_MS, signal?: AbortSignal): Promise<SCPResponse> {
    return parseScpResponse(await this.receive(timeoutMs, signal))
  }

  protected override describeEnds(): string {
    return `cabinet=${this.cabinet}, frame=${this.frame}, boards=${this.boards.join(",")}, ${super.describeEnds()}`
  }
}
