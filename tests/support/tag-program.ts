/** A program that uses IP tags: one SCP socket, and one to receive at. */
import { encodeIptagRequest, IptagOp, type IptagRequest } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, type ScpReply } from "../../src/protocol/scp.ts"
import { encodeSdp } from "../../src/protocol/sdp.ts"
import { Application } from "./application.ts"
import { scpRequest } from "./scp-requests.ts"

/** A request's fields, none set but what is given. */
export function iptag(change: Partial<IptagRequest>): IptagRequest {
  return {
    operation: IptagOp.set,
    tag: 1,
    timeoutCode: 0,
    strip: false,
    reverse: false,
    useSender: false,
    port: 0,
    address: 0,
    destAddress: 0,
    destPort: 0,
    ...change,
  }
}

/** An IPTAG datagram. `count` is GET's, `arg2` TTO's. */
export function iptagRequest(sequence: number, change: Partial<IptagRequest>, count?: number): Uint8Array {
  const words = encodeIptagRequest(iptag(change))
  if (count !== undefined) words.arg2 = count
  return scpRequest({ sequence, command: Command.IPTAG, ...words })
}

/** SDP to port 1 of core 5 of chip 0,0, no reply wanted: where tests have the echo program. */
export function sdpToEcho(text: string): Uint8Array {
  const header = { flags: 7, tag: 0xff, destPort: 1, destCpu: 5, srcPort: 7, srcCpu: 31 }
  return encodeSdp({ ...header, destX: 0, destY: 0, srcX: 0, srcY: 0 }, new TextEncoder().encode(text))
}

/** Something received, and from where. */
export interface Received {
  readonly text: string
  readonly datagram: Uint8Array
  readonly from: string
}

/** A socket that receives, as a live spike receiver has; it can send too. */
export class Receiver implements Disposable {
  readonly all: Received[] = []
  #waiting: ((received: Received | undefined) => void)[] = []
  #taken = 0

  private constructor(private readonly socket: { current: Bun.udp.Socket<"uint8array"> }) {}

  static async open(port = 0, host = "127.0.0.1"): Promise<Receiver> {
    const socket = {} as { current: Bun.udp.Socket<"uint8array"> }
    const receiver = new Receiver(socket)
    socket.current = await Bun.udpSocket({
      hostname: host,
      port,
      binaryType: "uint8array",
      socket: {
        data: (_own, datagram, fromPort, fromHost) => {
          const text = new TextDecoder().decode(datagram)
          receiver.all.push({ text, datagram, from: `${fromHost}:${fromPort}` })
          receiver.#waiting.shift()?.(receiver.all[receiver.#taken++])
        },
        error() {},
      },
    })
    return receiver
  }

  get port(): number {
    return this.socket.current.port
  }

  send(datagram: Uint8Array, port: number, host = "127.0.0.1"): void {
    this.socket.current.send(datagram, port, host)
  }

  /** The next that comes, or undefined after `timeoutMs`. */
  next(timeoutMs = 1_000): Promise<Received | undefined> {
    if (this.#taken < this.all.length) return Promise.resolve(this.all[this.#taken++])
    return new Promise((resolve) => {
      const give = (received: Received | undefined): void => {
        clearTimeout(timer)
        resolve(received)
      }
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== give)
        resolve(undefined)
      }, timeoutMs)
      this.#waiting.push(give)
    })
  }

  [Symbol.dispose](): void {
    this.socket.current.close()
  }
}

/** A program: asks as SpiNNMan does, again after silence. */
export class TagProgram implements Disposable {
  #sequence = 0

  constructor(
    readonly scp: Application,
    readonly receiver: Receiver,
  ) {}

  static async open(scpPort: number, host = "127.0.0.1"): Promise<TagProgram> {
    return new TagProgram(await Application.open(scpPort, host), await Receiver.open())
  }

  /** The answer to an IPTAG request. */
  async ask(change: Partial<IptagRequest>, count?: number): Promise<ScpReply | undefined> {
    const request = iptagRequest(++this.#sequence, change, count)
    for (let tries = 0; tries < 4; tries++) {
      this.scp.send(request)
      const answer = await this.scp.next(1_000)
      if (answer) return decodeScpReply(answer)
    }
    return undefined
  }

  [Symbol.dispose](): void {
    this.scp[Symbol.dispose]()
    this.receiver[Symbol.dispose]()
  }
}
