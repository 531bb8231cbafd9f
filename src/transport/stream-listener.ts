/** A plain TCP listener: hands every connection to its owner as a port that can be held back. For servers of text. */
import type { TCPSocketListener } from "bun"
import type { Address } from "./address.ts"
import { type PausablePort, portOf, type TcpOwner, type TcpState, tcpHandlers } from "./tcp-port.ts"

/** Where to listen and what to do with who comes. */
export interface StreamListenOptions {
  readonly address: Address
  /** The owner of a new connection; undefined if it has been ended already. */
  onConnection(port: PausablePort): TcpOwner | undefined
}

/** A bound TCP port. */
export class StreamListener {
  readonly address: Address
  readonly #server: TCPSocketListener<TcpState>

  /** Binds at once; throws Bun's error with its `code` (EADDRINUSE, EADDRNOTAVAIL ...) when it cannot. */
  constructor(options: StreamListenOptions) {
    this.#server = Bun.listen<TcpState>({
      hostname: options.address.host,
      port: options.address.port,
      socket: {
        ...tcpHandlers,
        open(socket) {
          socket.data = { owner: undefined, over: false }
          socket.data.owner = options.onConnection(portOf(socket))
        },
      },
    })
    this.address = { host: options.address.host, port: this.#server.port }
  }

  /** Stops listening; connections stay open, they are their owners'. */
  close(): void {
    this.#server.stop()
  }
}
