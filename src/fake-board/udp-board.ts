/** A fake board on real UDP sockets. All that is here is sockets; the board itself is board.ts. */
import { type Address, formatAddress } from "../transport/address.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { FakeBoard, type FakeBoardOptions } from "./board.ts"

/** Options of a board over UDP; port 0 takes any free one. */
export interface UdpBoardOptions extends Omit<FakeBoardOptions, "clock" | "send"> {
  readonly clock?: Clock
}

type Socket = Bun.udp.Socket<"buffer">

/** A fake board and its sockets. */
export class UdpBoard {
  /** Sends that the system refused twice (ICMP errors of vanished clients, full buffers). */
  sendErrors = 0
  #board: FakeBoard | undefined
  readonly #sockets = new Map<number, Socket>()

  private constructor() {}

  /** Binds the sockets and switches the board on. Rejects with the system's error where a port is taken. */
  static async open(options: UdpBoardOptions = {}): Promise<UdpBoard> {
    const shell = new UdpBoard()
    const host = options.host ?? "127.0.0.1"
    try {
      const scp = await shell.#bind(host, options.scpPort ?? 17893)
      const boot = await shell.#bind(host, options.bootPort ?? 54321)
      const send = (from: Address, to: Address, datagram: Uint8Array): void => shell.#send(from, to, datagram)
      const ports = { host, scpPort: scp.port, bootPort: boot.port }
      shell.#board = new FakeBoard({ ...options, ...ports, clock: options.clock ?? systemClock, send })
    } catch (error) {
      shell.close()
      throw error
    }
    return shell
  }

  get board(): FakeBoard {
    return this.#board!
  }

  get scp(): Address {
    return this.board.scp
  }

  get boot(): Address {
    return this.board.boot
  }

  /** Switches off and lets go of the ports. */
  close(): void {
    this.#board?.close()
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  async #bind(host: string, port: number): Promise<Socket> {
    const socket: Socket = await Bun.udpSocket({
      hostname: host,
      port,
      socket: {
        data: (own, datagram, fromPort, fromHost) => {
          this.#board?.receive({ host, port: own.port }, { host: fromHost, port: fromPort }, datagram)
        },
        // ICMP errors of clients that went away land here; without a handler they would end the process.
        error: () => {
          this.sendErrors++
        },
      },
    })
    socket.setBroadcast(true)
    this.#sockets.set(socket.port, socket)
    return socket
  }

  /** The pending ICMP error of one peer makes the next send to any other throw, once: the second try goes out. */
  #send(from: Address, to: Address, datagram: Uint8Array): void {
    const socket = this.#sockets.get(from.port)
    if (!socket || to.port === 0) {
      this.sendErrors++
      return
    }
    try {
      if (!socket.send(datagram, to.port, to.host)) this.sendErrors++
    } catch {
      try {
        socket.send(datagram, to.port, to.host)
      } catch {
        this.sendErrors++
      }
    }
  }

  /** "127.0.0.1:17893 (SCP), 127.0.0.1:54321 (boot)". */
  describe(): string {
    return `${formatAddress(this.scp)} (SCP), ${formatAddress(this.boot)} (boot)`
  }
}
