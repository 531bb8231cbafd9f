/** SCP as an application speaks it: one request at a time, repeated until it is answered. */
import { Command, decodeScpReply, encodeScpRequest, Result, resultName, type ScpReply } from "../../src/protocol/scp.ts"
import { monitorHeader } from "../../src/protocol/sdp.ts"
import { decodeVersion, type Version } from "../../src/protocol/version.ts"
import { patient } from "./relay-command.ts"

/** As rig and SpiNNMan have it: half a second an answer, five tries. */
const DEFAULTS = { timeoutMs: 500, tries: 5 } as const

/** Chip 0,0, core 0, from a host. */
const TO_BOARD = monitorHeader(0, 0)

/** A connection to SC&MP of one board. */
export class ScpClient implements Disposable {
  #sequence = 0
  #waiting: { sequence: number; resolve: (reply: ScpReply) => void } | undefined

  private constructor(private readonly socket: Bun.udp.ConnectedSocket<"buffer">) {}

  /** Connects to `host`:`port` over UDP. */
  static async connect(host: string, port: number): Promise<ScpClient> {
    let client: ScpClient | undefined
    const socket = await Bun.udpSocket({
      connect: { hostname: host, port },
      socket: {
        data: (_, datagram) => client?.receive(datagram),
        // "Port unreachable", while a relay starts: the same as no answer.
        error() {},
      },
    })
    client = new ScpClient(socket)
    return client
  }

  private receive(datagram: Uint8Array): void {
    const reply = decodeScpReply(datagram)
    if (reply && reply.sequence === this.#waiting?.sequence) this.#waiting.resolve(reply)
  }

  /** The reply to a request; undefined after `tries` without one. Throws Error for a result other than OK. */
  async request(
    request: { command: number; arg1?: number; arg2?: number; arg3?: number; data?: Uint8Array },
    limits: { timeoutMs: number; tries: number } = DEFAULTS,
  ): Promise<ScpReply | undefined> {
    this.#sequence = (this.#sequence + 1) & 0xffff
    const sequence = this.#sequence
    const datagram = encodeScpRequest({
      sdp: TO_BOARD,
      arg1: 0,
      arg2: 0,
      arg3: 0,
      data: new Uint8Array(0),
      ...request,
      sequence,
    })
    for (let tries = 0; tries < limits.tries; tries++) {
      const reply = await this.attempt(datagram, sequence, limits.timeoutMs)
      if (!reply) continue
      if (reply.result !== Result.OK) throw new Error(`The board answered ${resultName(reply.result)} to a request`)
      return reply
    }
    return undefined
  }

  private attempt(datagram: Uint8Array, sequence: number, timeoutMs: number): Promise<ScpReply | undefined> {
    const { promise, resolve } = Promise.withResolvers<ScpReply | undefined>()
    const timer = setTimeout(() => resolve(undefined), patient(timeoutMs))
    this.#waiting = { sequence, resolve }
    try {
      this.socket.send(datagram)
    } catch {
      // An ICMP error of the datagram before; this one counts as lost, as it would be on a wire.
    }
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting = undefined
    })
  }

  /** Who answers; undefined if nobody does. */
  async version(limits?: { timeoutMs: number; tries: number }): Promise<Version | undefined> {
    const reply = await this.request({ command: Command.VER }, limits)
    return reply && decodeVersion(reply)
  }

  /** Writes up to 256 bytes, a multiple of 4, at `address`. Throws Error without an answer. */
  async write(address: number, data: Uint8Array): Promise<void> {
    const reply = await this.request({ command: Command.WRITE, arg1: address, arg2: data.length, arg3: 2, data })
    if (!reply) throw new Error(`No answer to WRITE at 0x${address.toString(16)}`)
  }

  /** Reads up to 256 bytes, a multiple of 4, at `address`. Throws Error without an answer. */
  async read(address: number, length: number): Promise<Uint8Array> {
    const reply = await this.request({ command: Command.READ, arg1: address, arg2: length, arg3: 2 })
    if (!reply) throw new Error(`No answer to READ at 0x${address.toString(16)}`)
    return reply.body
  }

  [Symbol.dispose](): void {
    this.socket.close()
  }
}
