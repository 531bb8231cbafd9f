/**
 * The server's end of the control endpoint: a Unix socket that only its owner can open, or a named pipe on Windows. One
 * request of a connection is answered after another.
 */
import { lstatSync, rmSync } from "node:fs"
import type { Socket, UnixSocketListener } from "bun"
import type { Clock, Timer } from "./clock.ts"
import { ControlSocket } from "./control-socket.ts"

/** Longest request; whoever sends more at once is cut off. */
export const MAX_CONTROL_REQUEST = 64 << 10
/** Connections at once; further ones are ended at once. */
export const MAX_CONTROL_PEERS = 32
/** A connection that asks nothing is ended after this. */
export const CONTROL_IDLE_MS = 60_000
/** Longest path of a Unix socket, in bytes: macOS takes 104 with the zero at the end, Linux 108. */
const MAX_PATH = 103

/** Somebody who has asked something. */
export interface ControlPeer {
  /** What was sent has been taken by the system: a slow reader is not to be sent more. */
  readonly isClear: boolean
  send(reply: unknown): void
  /** The request is answered: the next may come. */
  done(): void
  /** Called once when the peer is gone before `done`. */
  onGone: () => void
}

/** Where to listen and who answers. */
export interface ControlListenOptions {
  /** A path, or `\\.\pipe\NAME`. */
  readonly address: string
  readonly clock: Clock
  /** A request, any JSON value. */
  readonly onRequest: (request: unknown, peer: ControlPeer) => void
}

/** The endpoint cannot be opened; the message is for people. */
export class ControlListenError extends Error {
  override readonly name = "ControlListenError"
}

/** An open endpoint. */
export class ControlListener {
  readonly #listener: UnixSocketListener<Connection>
  readonly #connections = new Set<Connection>()

  /**
   * Listens at once; throws ControlListenError. Only whoever owns the data directory may call it: a socket that is there
   * already is then what a killed process has left, and is taken away.
   */
  constructor(options: ControlListenOptions) {
    const { address } = options
    prepare(address)
    // Only for the moment in which the socket is made: its mode is its one protection.
    const before = process.umask(0o177)
    try {
      this.#listener = Bun.listen<Connection>({ unix: address, socket: this.#handlers(options) })
    } catch (error) {
      const why = (error as { code?: string }).code ?? String(error)
      throw new ControlListenError(`Cannot open the control endpoint ${address}: ${why}.`, { cause: error })
    } finally {
      process.umask(before)
    }
  }

  close(): void {
    this.#listener.stop(true)
    for (const connection of this.#connections) connection.closed()
    this.#connections.clear()
  }

  #handlers(options: ControlListenOptions) {
    return {
      binaryType: "uint8array" as const,
      open: (socket: Socket<Connection>) => {
        if (this.#connections.size >= MAX_CONTROL_PEERS) {
          socket.terminate()
          return
        }
        socket.data = new Connection(socket, options)
        this.#connections.add(socket.data)
      },
      data: (socket: Socket<Connection>, chunk: Uint8Array) => socket.data?.received(chunk),
      drain: (socket: Socket<Connection>) => socket.data?.drained(),
      error: () => {},
      close: (socket: Socket<Connection>) => {
        if (!socket.data) return
        this.#connections.delete(socket.data)
        socket.data.closed()
      },
    }
  }
}

/** Makes way for the socket, and refuses paths that cannot be one. */
function prepare(address: string): void {
  if (address.startsWith("\\\\.\\pipe\\")) return
  if (Buffer.byteLength(address) > MAX_PATH) {
    throw new ControlListenError(
      `The path ${address} is too long for a socket (at most ${MAX_PATH} bytes): choose a shorter one.`,
    )
  }
  const found = lstatSync(address, { throwIfNoEntry: false })
  if (found && !found.isSocket()) {
    throw new ControlListenError(`${address} is in the way and no socket: move it away.`)
  }
  rmSync(address, { force: true })
}

/** One connection: asks its owner one thing at a time. */
class Connection {
  readonly #options: ControlListenOptions
  readonly #socket: ControlSocket
  #peer: ControlPeer | undefined
  #timer: Timer | undefined

  constructor(socket: Socket<Connection>, options: ControlListenOptions) {
    this.#options = options
    this.#socket = new ControlSocket(socket, MAX_CONTROL_REQUEST)
    this.#await()
  }

  received(chunk: Uint8Array): void {
    this.#socket.received(chunk)
    this.#take()
  }

  drained(): void {
    this.#socket.drained()
  }

  closed(): void {
    this.#timer?.cancel()
    const peer = this.#peer
    this.#peer = undefined
    peer?.onGone()
  }

  #await(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(CONTROL_IDLE_MS, () => this.#socket.end())
  }

  #take(): void {
    if (this.#peer) return
    const line = this.#socket.next()
    if (!line) return
    if (line.kind === "trouble") {
      this.#socket.send({ ok: false, error: `the request is none: ${line.trouble}` })
      this.#socket.end()
      return
    }
    this.#timer?.cancel()
    const socket = this.#socket
    const peer: ControlPeer = {
      get isClear() {
        return socket.isClear
      },
      send: (reply) => {
        if (this.#peer === peer) socket.send(reply)
      },
      done: () => {
        if (this.#peer !== peer) return
        this.#peer = undefined
        this.#await()
        this.#take()
      },
      onGone: () => {},
    }
    this.#peer = peer
    this.#options.onRequest(line.value, peer)
  }
}
