/** TCP without manners: peers and servers that send exactly the bytes that a test wants, and tell what came. */
import { afterEach } from "bun:test"
import type { Socket, TCPSocketListener } from "bun"

/** One end of a connection. */
export class RawPeer {
  #received: Buffer[] = []
  /** The other side has ended or reset the connection. */
  closed = false
  /** The other side has sent its end (half-closed peers only learn of it this way). */
  ended = false

  constructor(readonly socket: Socket<RawPeer>) {}

  /** Connects to `port` on 127.0.0.1; freed after the test. */
  static async connect(port: number): Promise<RawPeer> {
    const socket = await Bun.connect<RawPeer>({
      hostname: "127.0.0.1",
      port,
      data: undefined as unknown as RawPeer,
      socket: handlers,
    })
    return adopt(socket)
  }

  send(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.socket.write(piece)
    this.socket.flush()
  }

  /** All bytes that have come so far. */
  get received(): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0] ?? Buffer.alloc(0)
  }

  took(chunk: Uint8Array): void {
    this.#received.push(Buffer.from(chunk))
  }

  /** Forgets what has come. */
  clear(): void {
    this.#received = []
  }

  end(): void {
    this.socket.end()
  }
}

/** Accepts connections on a port of the system's choice (or, to come back after a restart, the one asked for). */
export class RawServer {
  readonly peers: RawPeer[] = []
  /** Connections open now, and the most that ever were at once. */
  open = 0
  most = 0
  #onPeer: (peer: RawPeer) => void = () => {}
  readonly #listener: TCPSocketListener<RawPeer>

  constructor(port = 0) {
    this.#listener = Bun.listen<RawPeer>({
      hostname: "127.0.0.1",
      port,
      socket: {
        ...handlers,
        open: (socket) => {
          const peer = adopt(socket)
          this.peers.push(peer)
          this.most = Math.max(this.most, ++this.open)
          this.#onPeer(peer)
        },
        close: (socket) => {
          this.open--
          handlers.close(socket)
        },
      },
    })
    toFree.push(() => this.stop())
  }

  get port(): number {
    return this.#listener.port
  }

  /** Called with each connection as it comes. */
  set onPeer(handler: (peer: RawPeer) => void) {
    this.#onPeer = handler
  }

  /** The connection that came last. */
  get last(): RawPeer {
    return this.peers.at(-1)!
  }

  /** Stops listening and resets every connection, as a process that is killed does. */
  stop(): void {
    this.#listener.stop(true)
  }
}

const toFree: (() => void)[] = []
afterEach(() => {
  for (const free of toFree.splice(0)) free()
})

function adopt(socket: Socket<RawPeer>): RawPeer {
  const peer = new RawPeer(socket)
  socket.data = peer
  toFree.push(() => socket.terminate())
  return peer
}

const handlers = {
  binaryType: "uint8array" as const,
  data: (socket: Socket<RawPeer>, chunk: Uint8Array) => socket.data.took(chunk),
  end(socket: Socket<RawPeer>) {
    socket.data.ended = true
    socket.end()
  },
  close(socket: Socket<RawPeer>) {
    if (socket.data) socket.data.closed = true
  },
  error() {},
}
