/** A fake machine on real UDP sockets. All that is here is sockets; the machine itself is board.ts. */
import { silentObserver } from "../observe/observer.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { REUSE_ADDRESS } from "../transport/udp-socket.ts"
import { FakeBoard } from "./board.ts"
import { boardHosts, type FakeBoardOptions } from "./board-options.ts"

/** Options of a machine over UDP; port 0 takes any port that is free on all of its addresses. */
export interface UdpBoardOptions extends Omit<FakeBoardOptions, "clock" | "send" | "listen"> {
  readonly clock?: Clock
  /** Sees every datagram: those that arrive as they come, those that leave after all faults. */
  readonly onDatagram?: (from: Address, to: Address, datagram: Uint8Array) => void
  /** The machine threw while it took a datagram in: a fault of this program. */
  readonly onInternalError?: (error: unknown) => void
  /** A reverse IP tag asked for a port that could not be had. */
  readonly onListenFailed?: (address: Address, detail: string) => void
}

type Socket = Bun.udp.Socket<"buffer">

/** Datagrams that wait while the port of a reverse tag is being opened. */
const OPENING_QUEUE_LIMIT = 256
/** Ports tried, where any will do, until one is free on every address. */
const PORT_TRIES = 20
/** Most reverse-tag ports that are open at once; a board has eight tags. */
const LISTEN_LIMIT = 8 * 48

/** A fake machine and its sockets. */
export class UdpBoard {
  /** Sends that the system refused twice (ICMP errors of vanished clients, full buffers). */
  sendErrors = 0
  #board: FakeBoard | undefined
  #closed = false
  /** Ports of reverse tags that are being opened, and what waits until they are. */
  #opening = 0
  readonly #waiting: { from: Address; to: Address; datagram: Uint8Array }[] = []
  readonly #sockets = new Map<string, Socket>()
  /** Ports open for reverse tags, by host. */
  readonly #reverse = new Map<string, Set<number>>()
  readonly #buffers = new ReceiveTuning(silentObserver)

  private constructor(private readonly options: UdpBoardOptions) {}

  /** Binds the sockets and switches the machine on. Rejects with the system's error where a port is taken. */
  static async open(options: UdpBoardOptions = {}): Promise<UdpBoard> {
    const shell = new UdpBoard(options)
    const boards = options.shape?.ethernetChips.length ?? 1
    const hosts = options.hosts ?? boardHosts(options.host ?? "127.0.0.1", boards)
    const bmp = options.bmp ? [options.bmp.host] : []
    try {
      const scpPort = await shell.#bindAll([...hosts, ...bmp], options.scpPort ?? 17893)
      const bootPort = await shell.#bindAll(hosts, options.bootPort ?? 54321, true)
      shell.#board = new FakeBoard({
        ...options,
        hosts,
        scpPort,
        bootPort,
        clock: options.clock ?? systemClock,
        send: (from, to, datagram) => shell.#send(from, to, datagram),
        listen: (host, ports) => shell.#listen(host, ports),
      })
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
    this.#closed = true
    this.#board?.close()
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  /** "127.0.0.1:17893 (SCP), 127.0.0.1:54321 (boot)", and the BMP if there is one. */
  describe(): string {
    const { bmpAddress, hosts } = this.board
    const more = hosts.length > 1 ? `, ${hosts.length - 1} more boards up to ${hosts.at(-1)}` : ""
    const bmp = bmpAddress ? `, ${formatAddress(bmpAddress)} (BMP)` : ""
    return `${formatAddress(this.scp)} (SCP), ${formatAddress(this.boot)} (boot)${more}${bmp}`
  }

  /** One port on every host; with 0, one that the first host gives and that is free on the others. */
  async #bindAll(hosts: readonly string[], port: number, shared = false): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const bound: Socket[] = []
      try {
        for (const host of hosts) bound.push(await this.#bind(host, bound[0]?.port ?? port, shared))
        return bound[0]!.port
      } catch (error) {
        for (const socket of bound) {
          this.#sockets.delete(formatAddress({ host: socket.hostname, port: socket.port }))
          socket.close()
        }
        if (port !== 0 || attempt === PORT_TRIES) throw error
      }
    }
  }

  /** `shared` lets a program that listens for hellos on this machine have the port too, on all addresses. */
  async #bind(host: string, port: number, shared = false): Promise<Socket> {
    // A port bound with SO_REUSEADDR can be taken twice without a word, so first see whether it is free.
    const free = shared ? await portIfFree(host, port) : port
    const options = {
      hostname: host,
      port: free,
      flags: shared ? REUSE_ADDRESS : 0,
      socket: {
        data: (own: Socket, datagram: Buffer, fromPort: number, fromHost: string) => {
          const to = { host, port: own.port }
          const from = { host: fromHost, port: fromPort }
          this.options.onDatagram?.(from, to, datagram)
          try {
            this.#board?.receive(to, from, datagram)
          } catch (error) {
            // A mistake of ours, which must be heard of but must not end the machine for everybody.
            this.options.onInternalError?.(error)
          }
        },
        // ICMP errors of clients that went away land here; without a handler they would end the process.
        error: () => {
          this.sendErrors++
        },
      },
    }
    const socket: Socket = await Bun.udpSocket(options)
    socket.setBroadcast(true)
    this.#buffers.tune(socket as unknown as { fd: number | undefined })
    this.#sockets.set(formatAddress({ host, port: socket.port }), socket)
    return socket
  }

  /** Opens and closes ports so that just `ports` are open for reverse tags at `host`. */
  #listen(host: string, ports: ReadonlySet<number>): void {
    const open = this.#reverse.get(host) ?? new Set()
    this.#reverse.set(host, open)
    for (const port of open) {
      if (ports.has(port)) continue
      open.delete(port)
      const key = formatAddress({ host, port })
      this.#sockets.get(key)?.close()
      this.#sockets.delete(key)
    }
    for (const port of ports) {
      // The SDP and boot ports are the board's own and stay so.
      if (open.has(port) || this.#sockets.has(formatAddress({ host, port })) || open.size >= LISTEN_LIMIT) continue
      open.add(port)
      void this.#openReverse(host, port, open)
    }
  }

  async #openReverse(host: string, port: number, open: Set<number>): Promise<void> {
    // Whoever set the tag may use it as soon as it has the answer, so answers wait until the port is open.
    this.#opening++
    try {
      const socket = await this.#bind(host, port)
      if (this.#closed || !open.has(port)) {
        this.#sockets.delete(formatAddress({ host, port }))
        socket.close()
      }
    } catch (error) {
      open.delete(port)
      this.options.onListenFailed?.({ host, port }, (error as Error).message)
    } finally {
      this.#opening--
      if (this.#opening === 0)
        for (const { from, to, datagram } of this.#waiting.splice(0)) this.#send(from, to, datagram)
    }
  }

  #send(from: Address, to: Address, datagram: Uint8Array): void {
    if (this.#opening > 0) {
      if (this.#waiting.length < OPENING_QUEUE_LIMIT) this.#waiting.push({ from, to, datagram })
      else this.sendErrors++
      return
    }
    const socket = this.#sockets.get(formatAddress(from))
    if (!socket || to.port === 0) {
      this.sendErrors++
      return
    }
    this.options.onDatagram?.(from, to, datagram)
    // The pending ICMP error of one peer makes the next send to any other throw, once: the second try goes out.
    for (let attempt = 1; attempt <= 2; attempt++) {
      try {
        if (socket.send(datagram, to.port, to.host)) return
      } catch {
        // Counted below if the second try fails too.
      }
    }
    this.sendErrors++
  }
}

/** `port`, or for 0 one that the system chooses; rejects with EADDRINUSE if somebody has it. */
async function portIfFree(hostname: string, port: number): Promise<number> {
  const socket = await Bun.udpSocket({ hostname, port, socket: { error() {} } })
  const free = socket.port
  socket.close()
  return free
}
