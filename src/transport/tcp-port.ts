/**
 * One TCP connection as the rest of the relay sees it: writes that may be short, bytes that come, one end. The only
 * file that calls Bun.connect; listening is tcp-accept's.
 */
import type { Socket, TLSOptions } from "bun"
import { type Address, formatAddress, unmapHost } from "./address.ts"
import type { Clock } from "./clock.ts"
import { directWriter } from "./direct-send.ts"
import { routeError } from "./route.ts"

/** A connected socket. */
export interface TcpPort {
  /** Where the other side is; IPv4 as IPv4, also where it came to an IPv6 socket. */
  readonly peer: Address
  /** Bytes taken by the system, 0 when it takes none now (then `onDrain` follows); never throws. */
  write(bytes: Uint8Array): number
  /** Ends the connection after what the system has taken; nothing more is said to the owner. */
  end(): void
  /** Ends this side only, without a reset: the owner still hears what comes, and of the other side's end. */
  endSending(): void
  /** Resets the connection; nothing more is said to the owner. */
  abort(): void
}

/** A connection whose other side can be held back: while paused the system takes no more bytes from it. */
export interface PausablePort extends TcpPort {
  /** Take no bytes for now; what was on its way already may still come. */
  pause(): void
  resume(): void
}

/** What the owner of a connection wants to hear. */
export interface TcpOwner {
  onData(chunk: Uint8Array): void
  onDrain(): void
  /** The other side or the network ended it; `detail` is for people. Called at most once. */
  onClose(detail: string): void
}

/** Keepalive probes begin after this long without traffic. */
const KEEPALIVE_MS = 15_000

/** What a Bun socket carries as its `data`. */
export interface TcpState {
  owner: TcpOwner | undefined
  over: boolean
}

/** Wraps a Bun socket that is open and sets its options; `write` is its own unless told. */
export function portOf(
  socket: Socket<TcpState>,
  write: (bytes: Uint8Array) => number = (bytes) => socket.write(bytes),
): PausablePort {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEPALIVE_MS)
  const peer = { host: unmapHost(socket.remoteAddress), port: socket.remotePort }
  // Asked of Bun once: its getter costs as much as the checks of a whole write.
  const state = socket.data
  return {
    peer,
    write: (bytes) => (state.over ? 0 : Math.max(0, write(bytes))),
    end() {
      state.over = true
      state.owner = undefined
      socket.end()
    },
    endSending() {
      state.over = true
      socket.shutdown()
    },
    abort() {
      state.over = true
      state.owner = undefined
      socket.terminate()
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  }
}

/** The words for an end that the other side chose, rather than an error. */
export const CLOSED_BY_PEER = "closed by the other side"

/** Bun's handlers, passing events to the owner in each socket's data. Never async: Bun does not serialise those. */
export const tcpHandlers = {
  binaryType: "uint8array" as const,
  data(socket: Socket<TcpState>, chunk: Uint8Array) {
    try {
      socket.data.owner?.onData(chunk)
    } catch (error) {
      fault(socket, error)
    }
  },
  drain(socket: Socket<TcpState>) {
    try {
      socket.data.owner?.onDrain()
    } catch (error) {
      fault(socket, error)
    }
  },
  end(socket: Socket<TcpState>) {
    socket.end()
  },
  error(socket: Socket<TcpState>, error: Error) {
    ended(socket, error.message)
  },
  close(socket: Socket<TcpState>, error?: Error) {
    ended(socket, error ? error.message : CLOSED_BY_PEER)
  },
}

/** Bun hands what a handler throws to `error`, and the socket stays open: an owner's fault ends the connection instead. */
function fault(socket: Socket<TcpState>, error: unknown): void {
  ended(socket, "a fault in this program")
  socket.terminate()
  queueMicrotask(() => {
    throw error
  })
}

function ended(socket: Socket<TcpState>, detail: string): void {
  const { owner } = socket.data
  socket.data.over = true
  socket.data.owner = undefined
  owner?.onClose(detail)
}

/** How a connection attempt ends; `ownNetwork` tells this machine's own trouble from the far end's. */
export type ConnectResult =
  | { ok: true; port: TcpPort }
  | { ok: false; code: string; detail: string; ownNetwork: boolean }

/** Errors that say that this machine has no network now, rather than anything about the far end. */
const OWN_NETWORK = new Set(["ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL", "EHOSTUNREACH", "EHOSTDOWN"])

/** A refusal takes a round trip. A neighbour that does not answer is given up after three seconds. */
const NO_NEIGHBOUR_MS = 2_500

/**
 * Connects; resolves within `timeoutMs` and never rejects. `ownerOf` is asked once, when the connection is open.
 * `noWayTo` tells why there is no way to an address, if there is none.
 */
export function connectTcp(options: ConnectOptions<PausablePort>): Promise<ConnectResult> {
  return connect(options, (begin) => ({ open: (socket) => begin(socket, portOf(socket, directWriter(socket))) }))
}

/** What a connection attempt needs. */
export interface ConnectOptions<Port extends TcpPort> {
  readonly address: Address
  readonly timeoutMs: number
  readonly clock: Clock
  readonly ownerOf: (port: Port) => TcpOwner
  readonly noWayTo?: (address: Address) => Promise<string | undefined>
}

/** What makes a socket more than TCP: Bun's options, and the handlers that say when it is usable, or that it never is. */
interface Layer {
  readonly tls?: TLSOptions
  readonly open?: (socket: Socket<TcpState>) => void
  readonly handshake?: (socket: Socket<TcpState>) => void
}

/** Connects as `connectTcp` does, with a layer above TCP that tells when the connection has begun. */
export function connect<Port extends TcpPort>(
  options: ConnectOptions<Port>,
  layer: (
    begin: (socket: Socket<TcpState>, port: Port) => void,
    fail: (error: Error & { code?: string }) => void,
  ) => Layer,
): Promise<ConnectResult> {
  const { address, timeoutMs, clock, ownerOf, noWayTo = routeError } = options
  return new Promise((resolve) => {
    let late = false
    let begunWith: Socket<TcpState> | undefined
    /** Connected, whether or not the layer above says so. */
    let connected: Socket<TcpState> | undefined
    const begun = clock.now()
    const timer = clock.after(timeoutMs, () => {
      late = true
      connected?.terminate()
      resolve({
        ok: false,
        code: "ETIMEDOUT",
        detail: `no answer from ${formatAddress(address)} in ${timeoutMs / 1000} s`,
        ownNetwork: false,
      })
    })
    const { tls, ...handlers } = layer((socket, port) => {
      timer.cancel()
      if (late) {
        socket.terminate()
        return
      }
      begunWith = socket
      socket.data.owner = ownerOf(port)
      resolve({ ok: true, port })
    }, fail)
    Bun.connect<TcpState>({
      hostname: address.host,
      port: address.port,
      ...(tls && { tls }),
      data: { owner: undefined, over: false },
      socket: {
        ...tcpHandlers,
        ...handlers,
        close(socket, error) {
          tcpHandlers.close(socket, error)
          if (socket !== begunWith) fail(Object.assign(new Error("closed"), { code: "ECONNRESET" }))
        },
        connectError(_socket, error) {
          fail(error)
        },
      },
    }).then((socket) => {
      connected = socket
      if (late && socket !== begunWith) socket.terminate()
    }, fail)

    async function fail(error: Error & { code?: string }): Promise<void> {
      timer.cancel()
      if (late) return
      late = true
      connected?.terminate()
      const tookMs = clock.now() - begun
      let code = error.code ?? "EIO"
      // What Bun 1.4.5 says of every failed connect.
      if (code === "ECONNREFUSED") {
        code = (await noWayTo(address)) ?? (tookMs >= NO_NEIGHBOUR_MS ? "EHOSTUNREACH" : code)
      }
      resolve({ ok: false, code, detail: connectDetail(code, address), ownNetwork: OWN_NETWORK.has(code) })
    }
  })
}

function connectDetail(code: string, address: Address): string {
  const where = formatAddress(address)
  switch (code) {
    case "ECONNREFUSED":
      return `${where} refuses: no relay server listens there on TCP`
    case "ENETUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return `this machine has no network to ${where}`
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
      return `nothing answers at ${where}`
    case "ETLS":
      return `what listens at ${where} is no spinnaker-relay server: it does not speak TLS 1.3`
    case "ECONNRESET":
      return `${where} ends the connection before it has begun`
    default:
      return `${where}: ${code}`
  }
}
