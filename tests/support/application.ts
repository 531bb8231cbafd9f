/** A program's UDP socket: connected, as every SpiNNaker client's is. */

/** Sends to one port of loopback and remembers what comes back. */
export class Application implements Disposable {
  readonly received: Uint8Array[] = []
  #waiting: ((datagram: Uint8Array) => void)[] = []

  private constructor(
    private readonly socket: Bun.udp.ConnectedSocket<"uint8array">,
    take: { handler: (datagram: Uint8Array) => void },
  ) {
    take.handler = (datagram) => {
      const waiting = this.#waiting.shift()
      if (waiting) waiting(datagram)
      else this.received.push(datagram)
    }
  }

  /** Opens a socket connected to `port` of `host`, from the local address `from` if it matters. */
  static async open(port: number, host = "127.0.0.1", from?: string): Promise<Application> {
    const take = { handler: (_datagram: Uint8Array): void => {} }
    const socket = await Bun.udpSocket({
      binaryType: "uint8array",
      ...(from !== undefined && { hostname: from }),
      connect: { hostname: host, port },
      socket: { data: (_socket, datagram) => take.handler(datagram), error() {} },
    })
    return new Application(socket, take)
  }

  get address(): string {
    return `${this.socket.address.address}:${this.socket.port}`
  }

  send(datagram: Uint8Array): void {
    this.socket.send(datagram)
  }

  /** The next datagram, or undefined if none comes in `timeoutMs`. */
  next(timeoutMs = 1_000): Promise<Uint8Array | undefined> {
    const already = this.received.shift()
    if (already) return Promise.resolve(already)
    return new Promise((resolve) => {
      const give = (datagram: Uint8Array): void => {
        clearTimeout(timer)
        resolve(datagram)
      }
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== give)
        resolve(undefined)
      }, timeoutMs)
      this.#waiting.push(give)
    })
  }

  [Symbol.dispose](): void {
    this.socket.close()
  }
}
