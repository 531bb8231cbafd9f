/** A tiny UDP program on a free port of 127.0.0.1 for connections to talk to. */
import { openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"

/** What a peer got. */
export interface Got {
  readonly data: Uint8Array
  readonly port: number
}

/** Remembers datagrams, hands them out in order, and answers where told to. */
export class Peer implements AsyncDisposable {
  readonly got: Got[] = []
  readonly #waiting: ((got: Got) => void)[] = []
  #socket: RawSocket | undefined
  /** Known after closing too. */
  port = 0
  /** Called for each datagram; what it returns is sent back. */
  answer: (data: Uint8Array, port: number) => Uint8Array | readonly Uint8Array[] | undefined = () => undefined

  static async open(port = 0): Promise<Peer> {
    const peer = new Peer()
    peer.#socket = await openSocket(
      { host: "127.0.0.1", port },
      { onDatagram: (data, from) => peer.#arrived(data, from), onError() {}, onDrain() {} },
    )
    peer.port = peer.#socket.address.port
    return peer
  }

  /** The next datagram that nobody has taken yet. */
  next(): Promise<Got> {
    const first = this.got.shift()
    return first ? Promise.resolve(first) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  send(data: Uint8Array, port: number): void {
    try {
      this.#socket!.send(data, port, "127.0.0.1")
    } catch {
      // The ICMP error of a client that is gone; the second try goes.
      this.#socket!.send(data, port, "127.0.0.1")
    }
  }

  close(): void {
    this.#socket?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #arrived(data: Uint8Array, port: number): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting({ data, port })
    else this.got.push({ data, port })
    const answer = this.answer(data, port)
    if (answer === undefined) return
    for (const datagram of answer instanceof Uint8Array ? [answer] : answer) this.send(datagram, port)
  }
}

/** Bytes of a hex text with spaces. */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** The error that `promise` rejects with; fails if it does not. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error("It was expected to reject")
}
