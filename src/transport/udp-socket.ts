/**
 * Bun's UDP sockets with their traps covered, the only file that opens one. In Bun 1.4.5 a dead peer's ICMP error
 * ends the process unless there is an `error` handler, which gets the Error as its last argument whatever the types
 * say, and on an unconnected socket it makes the next send throw, whoever that send is for. tests/runtime has the
 * proofs.
 */
import type { DropReason } from "../observe/observer.ts"
import { sendDirectly } from "./direct-send.ts"
import { MAX_DATAGRAM } from "./link.ts"

/** The part of Bun's socket that the relay uses. Host and port are given to unconnected sockets only. */
export interface RawSocket {
  /** False when the system's send buffer is full; throws what the system says. */
  send(datagram: Uint8Array, port?: number, host?: string): boolean
  close(): void
  /** Lets it send to broadcast addresses, where it is not connected. Throws what the system says. */
  setBroadcast?(on: boolean): unknown
  readonly closed: boolean
  /** The local address in use. */
  readonly address: { readonly address: string; readonly port: number }
  /** The file descriptor, where Bun tells it. */
  readonly fd: number | undefined
}

/** What the owner of a socket hears. Nothing of it may throw. */
export interface SocketOwner {
  onDatagram(datagram: Uint8Array, port: number, host: string): void
  /** The system's word on an earlier datagram: ICMP, or an interface that went away. */
  onError(code: string): void
  /** The send buffer has room again. */
  onDrain(): void
}

/** Where to bind, and for a connected socket what to connect to; all IP literals. Port 0 is any. */
export interface SocketAddresses {
  readonly host: string
  readonly port: number
  readonly connect?: { readonly host: string; readonly port: number }
  /**
   * Other sockets that ask for the same may be bound beside this one (SO_REUSEADDR). A port that another socket has
   * already is refused all the same, so that two relays never share one by mistake.
   */
  readonly shared?: boolean
  /** Binds beside sockets that are shared: broadcasts come to all of them, the rest to the most particular address. */
  readonly joins?: boolean
}

/** Bun's undocumented flag of a UDP socket for SO_REUSEADDR; tests/runtime has the proof. */
export const REUSE_ADDRESS = 16

/** Opens a socket; rejects with an Error that has a `code`. */
export type OpenSocket = (addresses: SocketAddresses, owner: SocketOwner) => Promise<RawSocket>

/** Opens one of Bun's. */
export const openSocket: OpenSocket = async ({ host, port, connect, shared, joins }, owner) => {
  const socket = {
    data: (_socket: unknown, datagram: Uint8Array, senderPort: number, sender: string) =>
      owner.onDatagram(datagram, senderPort, sender),
    drain: () => owner.onDrain(),
    error: (...args: unknown[]) => owner.onError(errorCode(args.at(-1))),
  }
  // Uint8Array, not Buffer: a Buffer's slice() would share memory where everybody expects a copy.
  // Windows would let a joining socket take the port from programs that share nothing.
  const flags = joins && process.platform !== "win32" ? REUSE_ADDRESS : 0
  const options = { hostname: host, port, binaryType: "uint8array" as const, socket, flags }
  if (shared && !connect) return openShared(options)
  const opened = connect
    ? await Bun.udpSocket<"uint8array">({ ...options, connect: { hostname: connect.host, port: connect.port } })
    : await Bun.udpSocket<"uint8array">(options)
  return sendDirectly(opened as unknown as RawSocket, connect !== undefined)
}

/** Finds with a plain socket that the port is nobody's, then takes it in a way that lets others in beside it. */
async function openShared(options: Bun.udp.SocketOptions<"uint8array">): Promise<RawSocket> {
  const probe = await Bun.udpSocket<"uint8array">(options)
  const { port } = probe
  probe.close()
  const opened = await Bun.udpSocket<"uint8array">({ ...options, port, flags: REUSE_ADDRESS } as typeof options)
  return sendDirectly(opened as unknown as RawSocket, false)
}

/**
 * Opens a socket that behaves as a connected one without being one. On Windows a connected socket hears nothing any
 * more after its first ICMP error: it sends, `closed` stays false, and no handler is called (seen under Wine).
 */
export const openFiltered: OpenSocket = async ({ host, port, connect }, owner) => {
  if (!connect) return openSocket({ host, port }, owner)
  const filtered: SocketOwner = {
    onDatagram(datagram, senderPort, sender) {
      if (senderPort === connect.port && sender === connect.host) owner.onDatagram(datagram, senderPort, sender)
    },
    onError: (code) => owner.onError(code),
    onDrain: () => owner.onDrain(),
  }
  const socket = await openSocket({ host, port }, filtered)
  return {
    send: (datagram) => socket.send(datagram, connect.port, connect.host),
    close: () => socket.close(),
    get closed() {
      return socket.closed
    },
    get address() {
      return socket.address
    },
    get fd() {
      return socket.fd
    },
  }
}

/** The `code` of an Error, or its text. */
export function errorCode(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? String(error)
}

/** What became of a datagram: on its way, or why not. */
export type Sent = "sent" | "full" | "closed" | "oversize" | "unreachable"

/** The counter for a datagram that is given up. */
export const SENT_DROP: Record<Exclude<Sent, "sent">, DropReason> = {
  full: "send-buffer-full",
  closed: "closed",
  oversize: "oversize",
  unreachable: "unreachable",
}

/** A full send buffer is tried again after this, should Bun never say that it drained (oven-sh/bun#42999). */
export const SEND_AGAIN_MS = 5

/** Tries at a send that throws: the first may bear an earlier datagram's error, a second one may just have come. */
const ATTEMPTS = 3

/** Sends without ever throwing. `onError` hears the code of a send that failed for good as unreachable. */
export function trySend(
  socket: RawSocket,
  datagram: Uint8Array,
  port?: number,
  host?: string,
  onError?: (code: string) => void,
): Sent {
  if (datagram.length > MAX_DATAGRAM) return "oversize"
  for (let attempt = 1; ; attempt++) {
    try {
      const taken = host === undefined ? socket.send(datagram) : socket.send(datagram, port, host)
      return taken ? "sent" : "full"
    } catch (error) {
      if (socket.closed) return "closed"
      const code = errorCode(error)
      // macOS throws for a full buffer instead of returning false.
      if (code === "ENOBUFS" || code === "EAGAIN") return "full"
      if (code === "EMSGSIZE") return "oversize"
      if (attempt < ATTEMPTS) continue
      onError?.(code)
      return "unreachable"
    }
  }
}
