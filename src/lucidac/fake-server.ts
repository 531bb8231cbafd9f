/** A fake device on real sockets: its TCP port, which closes while it is gone, and the socket that its samples leave by. */
import type { Address } from "../transport/address.ts"
import { type Clock, systemClock, type Timer } from "../transport/clock.ts"
import { StreamListener } from "../transport/stream-listener.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { openSocket, type RawSocket, trySend } from "../transport/udp-socket.ts"
import { FakeDevice } from "./fake-device.ts"
import type { FakeDeviceOptions } from "./fake-options.ts"

/** Where a device listens, and when it comes back. */
export interface FakePortOptions {
  /** Port 0 takes any free one. */
  readonly address: Address
  /** Having died, it is there again after this; without it, once it is told to. */
  readonly backAfterMs?: number
  /** The port could not be had again after a reboot. */
  readonly onListenFailed?: (address: Address, error: unknown) => void
}

/** What the port needs of a device, of either generation. */
interface Acceptor {
  accept(port: TcpPort): TcpOwner | undefined
  revive(): void
}

/** A port that is there and goes away as its device does. */
export class FakePort {
  readonly address: Address
  readonly #options: FakePortOptions
  readonly #clock: Clock
  readonly #device: () => Acceptor
  #listener: StreamListener | undefined
  #timer: Timer | undefined
  #closed = false

  /** Listens at once; throws the system's error where it cannot. */
  constructor(options: FakePortOptions, clock: Clock, device: () => Acceptor) {
    this.#options = options
    this.#clock = clock
    this.#device = device
    this.#listener = this.#listen(options.address)
    this.address = this.#listener.address
  }

  /** The device has gone, for `backMs` or for as long as the options say; it is back then, or when told. */
  gone(backMs = this.#options.backAfterMs): void {
    this.#listener?.close()
    this.#listener = undefined
    this.#timer?.cancel()
    if (backMs !== undefined && !this.#closed) this.#timer = this.#clock.after(backMs, () => this.back())
  }

  /** Brings the device back, and listens again. */
  back(): void {
    if (this.#closed || this.#listener) return
    this.#device().revive()
    try {
      this.#listener = this.#listen(this.address)
    } catch (error) {
      this.#options.onListenFailed?.(this.address, error)
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

/** Options of a device on sockets. */
export interface FakeServerOptions extends Omit<FakeDeviceOptions, "clock" | "sendDatagram">, FakePortOptions {
  readonly clock?: Clock
  /** Offers samples by UDP. */
  readonly udp: boolean
}

/** A device of the protobuf generation on sockets. */
export class FakeServer {
  readonly device: FakeDevice
  readonly #port: FakePort
  readonly #socket: RawSocket | undefined

  private constructor(options: FakeServerOptions, socket: RawSocket | undefined) {
    const clock = options.clock ?? systemClock
    this.#socket = socket
    this.#port = new FakePort(options, clock, () => this.device)
    this.device = new FakeDevice({
      ...options,
      clock,
      sendDatagram: socket && ((host, to, datagram) => trySend(socket, datagram, to, host) === "sent"),
      onGone: (backMs) => {
        this.#port.gone(backMs)
        options.onGone?.(backMs)
      },
    })
  }

  /** Opens the sockets; rejects with the system's error where the port cannot be had. */
  static async open(options: FakeServerOptions): Promise<FakeServer> {
    const socket = options.udp ? await openSocket({ host: options.address.host, port: 0 }, DEAF) : undefined
    try {
      return new FakeServer(options, socket)
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
