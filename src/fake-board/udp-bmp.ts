/** A fake BMP on a socket of its own, in charge of boards that are elsewhere: a frame of single boards. */
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { openSocket, type RawSocket, trySend } from "../transport/udp-socket.ts"
import { Bmp } from "./bmp.ts"

export interface UdpBmpOptions {
  readonly address: Address
  /** Slots of the frame, 1..24. */
  readonly boards: number
  readonly powerOnMs: number
  readonly clock: Clock
  /** Switches a board; on for one that is on already resets it. */
  readonly power: (board: number, on: boolean) => void
}

/** The BMP and its socket. */
export class UdpBmp {
  private constructor(
    readonly bmp: Bmp,
    private readonly socket: RawSocket,
  ) {}

  /** Binds; rejects with the system's error where the address cannot be had. */
  static async open(options: UdpBmpOptions): Promise<UdpBmp> {
    let bmp: Bmp | undefined
    const socket = await openSocket(options.address, {
      onDatagram: (datagram, port, host) => bmp?.receive({ host, port }, datagram),
      onError() {},
      onDrain() {},
    })
    const address = { host: options.address.host, port: socket.address.port }
    bmp = new Bmp({ host: address.host, powerOnMs: options.powerOnMs }, options.boards, address, {
      clock: options.clock,
      send: (to, datagram) => void trySend(socket, datagram, to.port, to.host, () => {}),
      power: options.power,
      executed() {},
      lost() {},
    })
    return new UdpBmp(bmp, socket)
  }

  close(): void {
    this.socket.close()
  }
}
