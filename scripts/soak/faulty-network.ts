/**
 * The internet between a client and a server, for the soak: a UDP port that passes datagrams on, loses, doubles and
 * delays some, and now and then gives its users new addresses, as a NAT does.
 */
import type { LineFaults } from "../../src/transport/memory.ts"
import type { Random } from "../../src/transport/random.ts"

type ToServer = Bun.udp.ConnectedSocket<"uint8array">

interface User {
  readonly host: string
  readonly port: number
  socket: ToServer | undefined
  lastAt: number
}

/** A user that has been silent for so long is forgotten. */
const FORGET_MS = 10_000
/** Users at once; the oldest goes. */
const MAX_USERS = 512

/** Stands between a client (which dials `port`) and a server on loopback. */
export class FaultyNetwork {
  /** How often users got new addresses. */
  changes = 0
  readonly #users = new Map<string, User>()
  readonly #sweeper: Timer
  #closed = false

  private constructor(
    private readonly listener: Bun.udp.Socket<"uint8array">,
    private readonly take: { handler: (datagram: Uint8Array, port: number, host: string) => void },
    private readonly serverPort: number,
    private readonly faults: LineFaults,
    private readonly random: Random,
  ) {
    take.handler = (datagram, port, host) => void this.#outward(datagram, port, host)
    this.#sweeper = setInterval(() => this.#sweep(), FORGET_MS / 2)
  }

  static async open(serverPort: number, faults: LineFaults, random: Random): Promise<FaultyNetwork> {
    const take = { handler: (_datagram: Uint8Array, _port: number, _host: string): void => {} }
    const listener = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      binaryType: "uint8array",
      socket: { data: (_socket, datagram, port, host) => take.handler(datagram, port, host), error() {} },
    })
    return new FaultyNetwork(listener, take, serverPort, faults, random)
  }

  get port(): number {
    return this.listener.port
  }

  /** From now on the server sees everybody come from somewhere else. */
  changeAddresses(): void {
    this.changes++
    for (const user of this.#users.values()) {
      user.socket?.close()
      user.socket = undefined
    }
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweeper)
    this.take.handler = () => {}
    for (const user of this.#users.values()) user.socket?.close()
    this.#users.clear()
    this.listener.close()
  }

  async #outward(datagram: Uint8Array, port: number, host: string): Promise<void> {
    const key = `${host}:${port}`
    let user = this.#users.get(key)
    if (!user) {
      if (this.#users.size >= MAX_USERS) this.#forget(this.#users.keys().next().value ?? "")
      user = { host, port, socket: undefined, lastAt: 0 }
      this.#users.set(key, user)
    }
    user.lastAt = performance.now()
    user.socket ??= await this.#dial(user)
    const { socket } = user
    if (this.#closed) socket.close()
    else this.#pass(() => socket.send(datagram))
  }

  #dial(user: User): Promise<ToServer> {
    return Bun.udpSocket({
      connect: { hostname: "127.0.0.1", port: this.serverPort },
      binaryType: "uint8array",
      socket: {
        data: (_socket, datagram) => {
          const copy = datagram.slice()
          this.#pass(() => this.listener.send(copy, user.port, user.host))
        },
        // The server is being restarted: what nobody hears is lost.
        error() {},
      },
    })
  }

  #pass(send: () => void): void {
    const { drop = 0, duplicate = 0, delayMs = 0, jitterMs = 0 } = this.faults
    const copies = this.random() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.random() < drop) continue
      setTimeout(
        () => {
          try {
            if (!this.#closed) send()
          } catch {
            // Closed meanwhile, or an ICMP error of the datagram before: lost, as on a network.
          }
        },
        delayMs + this.random() * jitterMs,
      )
    }
  }

  #forget(key: string): void {
    this.#users.get(key)?.socket?.close()
    this.#users.delete(key)
  }

  #sweep(): void {
    const now = performance.now()
    for (const [key, user] of this.#users) if (now - user.lastAt > FORGET_MS) this.#forget(key)
  }
}
