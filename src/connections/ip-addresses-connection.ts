/** `IPAddressesConnection`: hears the beacons of boards that wait to be booted. */
import { BOOT_PORT } from "../protocol/boot.ts"
import { type OpenedUdp, openUdp, type UDPConnectionOptions } from "./open-udp.ts"
import { type ReceiveMethod, UDPConnection } from "./udp-connection.ts"

/** Where to listen; `localPort` is 54321 if not given. */
export interface IPAddressesConnectionOptions extends UDPConnectionOptions {
  /** The port that beacons are sent from, 54321; other datagrams are nobody's. */
  readonly sourcePort?: number | undefined
  /** Have the port beside programs that share it, such as this package's relay and fake board; not as SpiNNMan. Default false. */
  readonly joins?: boolean | undefined
}

/**
 * A listener for the hello that a boot ROM sends every 4.1 s. There can be one on a machine: unless
 * it `joins`, a second one (or a relay on all addresses) makes `open` reject with SpinnmanIOException, EADDRINUSE.
 */
export class IPAddressesConnection extends UDPConnection {
  readonly #sourcePort: number

  /** Opens a listener; rejects as `UDPConnection.open`. */
  static override async open(options: IPAddressesConnectionOptions = {}): Promise<IPAddressesConnection> {
    const { remoteHost: _host, remotePort: _port, ...local } = options
    const opened = await openUdp({ ...local, localPort: options.localPort ?? BOOT_PORT })
    return new IPAddressesConnection(opened, options.sourcePort ?? BOOT_PORT)
  }

  protected constructor(opened: OpenedUdp, sourcePort: number) {
    super(opened)
    this.#sourcePort = sourcePort
  }

  /**
   * The address of the sender of the next datagram, if it was sent from port 54321; the payload is not looked at.
   * Undefined at once for any other datagram, after `timeoutMs` milliseconds, if closed, or on any error: never rejects.
   */
  async receiveIpAddress(timeoutMs = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<string | undefined> {
    try {
      const { address } = await this.receiveWithAddress(timeoutMs, signal)
      return address.port === this.#sourcePort ? address.host : undefined
    } catch {
      return undefined
    }
  }

  override getReceiveMethod(): ReceiveMethod<string | undefined> {
    return (timeoutMs, signal) => this.receiveIpAddress(timeoutMs, signal)
  }
}
