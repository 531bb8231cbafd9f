/** A fake device on real sockets: its TCP port, which closes while it is gone, and the socket that its samples leave by. */
import type { Address } from "../transport/address.ts"
import { systemClock, type Timer } from "../transport/clock.ts"
import { StreamListener } from "../transport/stream-listener.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { openSocket, type RawSocket, trySend } from "../transport/udp-socket.ts"
import { FakeDevice } from "./fake-device.ts"
import type { FakeDeviceOptions } from "./fake-options.ts"

/** Options of a device on sockets. */
export interface FakeServerOptions extends Omit<FakeDeviceOptions, "clock" | "sendDatagram"> {
  readonly clock?: FakeDeviceOptions["clock"]
  /** Port 0 takes any free one. */
  readonly address: Address
  /** Offers samples by UDP. */
  readonly udp: boolean
  /** Having died, it is there again after this; without it, once it is told to. */
  readonly backAfterMs?: number
  /** The port could not be had again after a reboot. */
  readonly onListenFailed?: (address: Address, error: unknown) => void
}

/** What the server needs of a device, of either generation. */
interface Acceptor {
  accept(port: TcpPort): TcpOwner | undefined
}

/** A port that is there and goes away as its device does. */
export class FakePort {
  readonly address: Address
  readonly #clock: FakeDeviceOptions["clock"]
  readonly #device: () => Acceptor
  readonly #onListenFailed: FakeServerOptions["onListenFailed"]
  #listener: StreamListener | undefined
  #timer: Timer | undefined
  #closed = false

  /** Listens at once; throws the system's error where it cannot. */
  constructor(
    address: Address,
    clock: FakeDeviceOptions["clock"],
    device: () => Acceptor,
    onListenFailed: FakeServerOptions["onListenFailed"],
  ) {
    this.#clock = clock
    this.#device = device
    this.#onListenFailed = onListenFailed
    this.#listener = this.#listen(address)
    this.address = this.#listener.address
  }

  /** The device has gone; it listens again after `backMs`, or when told. */
  gone(backMs: number | undefined): void {
    this.#listener?.close()
    this.#listener = undefined
    this.#timer?.cancel()
    if (backMs !== undefined) this.#timer = this.#clock.after(backMs, () => this.back())
  }

  /** Listens again, where it does not. */
  back(): void {
    if (this.#closed || this.#listener) return
    try {
      this.#listener = this.#listen(this.address)
    } catch (error) {
      this.#onListenFailed?.(this.address, error)
    }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#listener?.close()
  }

  #listen(address: Address): StreamListener {
    return new StreamListener({ address, onConnection: (port) => this.#device().accept(port) })
  }
}

/** A device of the protobuf generation on sockets. */
export class FakeServer {
  readonly device: FakeDevice
  readonly #port: FakePort
  readonly #socket: RawSocket | undefined

  private constructor(device: FakeDevice, port: FakePort, socket: RawSocket | undefined) {
    this.device = device
    this.#port = port
    this.#socket = socket
  }

  /** Opens the sockets; rejects with the system's error where the port cannot be had. */
  static async open(options: FakeServerOptions): Promise<FakeServer> {
    const clock = options.clock ?? systemClock
    const socket = options.udp ? await openSocket({ host: options.address.host, port: 0 }, DEAF) : undefined
    try {
      const port: FakePort = new FakePort(options.address, clock, () => device, options.onListenFailed)
      const device: FakeDevice = new FakeDevice({
        ...options,
        clock,
        sendDatagram: socket && ((host, to, datagram) => trySend(socket, datagram, to, host) === "sent"),
        onGone: (backMs) => {
          port.gone(backMs)
          options.onGone?.(backMs)
          if (backMs === undefined && options.backAfterMs !== undefined) {
            clock.after(options.backAfterMs, () => server.revive())
          }
        },
      })
      const server = new FakeServer(device, port, socket)
      return server
    } catch (error) {
      socket?.close()
      throw error
    }
  }

  /** Where it listens, also while it is gone. */
  get address(): Address {
    return this.#port.address
  }

  /** A device that died is there again. */
  revive(): void {
    this.device.revive()
    this.#port.back()
  }

  /** Lets go of all sockets. */
  close(): void {
    this.#port.close()
    this.device.die()
    this.#socket?.close()
  }
}

/** Nobody sends a device datagrams, and what the system says of lost ones is no news. */
const DEAF = { onDatagram() {}, onError() {}, onDrain() {} }
