/** The tunnel without manners: TLS connections that say exactly what a test wants, before and after proving a key. */
import type { Socket } from "bun"
import { encodeBody, encodeHello, readHello } from "../../src/protocol/tunnel-hello.ts"
import type { ClientKey } from "../../src/transport/tunnel/greeting.ts"
import { EXPORTER_LABEL, prove } from "../../src/transport/tunnel/proof.ts"
import { until } from "./until.ts"

/** One end of a connection, its TLS handshake done. */
export class RawTls implements Disposable {
  readonly heard: Buffer[] = []
  closed = false
  readonly exporter: Uint8Array
  #unsent: Uint8Array = new Uint8Array(0)

  private constructor(readonly socket: Socket<{ owner: RawTls | undefined }>) {
    socket.data.owner = this
    this.exporter = new Uint8Array(socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0)))
  }

  /** Connects to `port` on 127.0.0.1. */
  static connect(port: number): Promise<RawTls> {
    const { promise, resolve, reject } = Promise.withResolvers<RawTls>()
    Bun.connect<{ owner: RawTls | undefined }>({
      hostname: "127.0.0.1",
      port,
      tls: { rejectUnauthorized: false },
      data: { owner: undefined },
      socket: {
        handshake: (socket) => resolve(new RawTls(socket)),
        data: (socket, chunk) => void socket.data.owner?.heard.push(Buffer.from(chunk)),
        drain: (socket) => socket.data.owner?.send(),
        close(socket) {
          if (socket.data.owner) socket.data.owner.closed = true
          reject(new Error("closed before the handshake was done"))
        },
        error() {},
      },
    }).catch(reject)
    return promise
  }

  /** Connects, proves `key` and returns once the server has welcomed it; what follows is the test's. */
  static async member(port: number, key: ClientKey, resume?: string): Promise<RawTls> {
    const one = await RawTls.connect(port)
    const body = encodeBody({ key: key.id, ...(resume !== undefined && { resume }) })
    one.send(encodeHello(body, prove(key.secret, one.exporter, { role: "client" }, body)))
    await until(() => readHello(one.received).state === "whole", "a welcome")
    const welcome = readHello(one.received)
    const rest = one.received.subarray(welcome.state === "whole" ? welcome.message.length : 0)
    one.heard.splice(0, one.heard.length, rest)
    return one
  }

  /** Sends, now or when the system takes it. */
  send(...pieces: readonly Uint8Array[]): void {
    const bytes = Buffer.concat([this.#unsent, ...pieces])
    this.#unsent = bytes.subarray(Math.max(0, this.socket.write(bytes)))
  }

  /** Bytes that the system has not taken yet. */
  get unsent(): number {
    return this.#unsent.length
  }

  /** All that has come. */
  get received(): Buffer {
    return Buffer.concat(this.heard)
  }

  [Symbol.dispose](): void {
    this.socket.terminate()
  }
}
