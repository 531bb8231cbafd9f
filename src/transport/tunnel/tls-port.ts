/**
 * TCP connections inside TLS 1.3, as ports that know their channel's exporter. The certificate is not checked: who is
 * at the other end is for the handshake above to prove.
 */
import type { Socket, TCPSocketListener, TLSOptions } from "bun"
import type { Address } from "../address.ts"
import {
  type ConnectOptions,
  type ConnectResult,
  connect,
  portOf,
  type TcpOwner,
  type TcpPort,
  type TcpState,
  tcpHandlers,
} from "../tcp-port.ts"
import type { Certificate } from "./certificate.ts"
import { EXPORTER_BYTES, EXPORTER_LABEL } from "./proof.ts"

/** A connection whose TLS handshake is done. */
export interface SecurePort extends TcpPort {
  /** `tls-exporter` of the channel: equal at both its ends, and at no other channel's (RFC 9266). */
  readonly exporter: Uint8Array
  /** The address on this machine that it goes from. */
  readonly localHost: string
}

/** As a number: Bun throws at the string form, and takes 1.2 without it. */
const TLS_1_3 = 0x304
// Bun's types know the string form only.
const minVersion = { minVersion: TLS_1_3 } as unknown as TLSOptions

/** The exporter of a socket; undefined unless its handshake is done, as TLS 1.3. */
function exporterOf(socket: Socket<TcpState>): Uint8Array | undefined {
  try {
    if (socket.getTLSVersion() !== "TLSv1.3") return undefined
    const value = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
    return value.length === EXPORTER_BYTES ? new Uint8Array(value) : undefined
  } catch {
    return undefined
  }
}

function securePort(socket: Socket<TcpState>, exporter: Uint8Array): SecurePort {
  return { ...portOf(socket), exporter, localHost: socket.localAddress }
}

/** Connects; resolves within `timeoutMs`, TLS included, and never rejects. */
export function connectTls(options: ConnectOptions<SecurePort>): Promise<ConnectResult> {
  return connect(options, (begin, fail) => ({
    tls: { rejectUnauthorized: false, ...minVersion },
    handshake(socket) {
      const exporter = exporterOf(socket)
      if (exporter) begin(socket, securePort(socket, exporter))
      else fail(Object.assign(new Error("no TLS 1.3"), { code: "ETLS" }))
    },
  }))
}

/** What a listener hears of connections. */
export interface TlsHandlers {
  /** A connection has come; false ends it before its handshake. The key stands for it in `onSecure` and `onEnd`. */
  onOpen(key: object, peer: Address, abort: () => void): boolean
  /** Its handshake is done; the owner hears what follows. */
  onSecure(key: object, port: SecurePort): TcpOwner | undefined
  /** It is gone; its owner, if it had one, has heard of it. */
  onEnd(key: object): void
}

/** Listens; throws Bun's error with its `code` when it cannot. */
export function listenTls(
  address: Address,
  certificate: Certificate,
  handlers: TlsHandlers,
): TCPSocketListener<TcpState> {
  return Bun.listen<TcpState>({
    hostname: address.host,
    port: address.port,
    tls: { ...certificate, requestCert: false, ...minVersion },
    socket: {
      ...tcpHandlers,
      open(socket) {
        socket.data = { owner: undefined, over: false }
        const port = portOf(socket)
        if (!handlers.onOpen(socket.data, port.peer, () => socket.terminate())) socket.terminate()
      },
      handshake(socket) {
        if (socket.data.over) return
        const exporter = exporterOf(socket)
        if (!exporter) {
          socket.terminate()
          return
        }
        socket.data.owner = handlers.onSecure(socket.data, securePort(socket, exporter))
      },
      close(socket, error) {
        tcpHandlers.close(socket, error)
        if (socket.data) handlers.onEnd(socket.data)
      },
    },
  })
}
