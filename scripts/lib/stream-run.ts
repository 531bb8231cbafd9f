/**
 * A board that streams live output through the relay to a program: how much of it arrives. Board, server and client
 * are processes; the program is this one. The board numbers its messages, so every loss shows.
 */

import { silentObserver } from "../../src/observe/observer.ts"
import { encodeIptagRequest, IptagOp } from "../../src/protocol/iptag.ts"
import { Command, decodeScpReply, encodeScpRequest, Result } from "../../src/protocol/scp.ts"
import { monitorHeader } from "../../src/protocol/sdp.ts"
import { ReceiveTuning } from "../../src/transport/receive-tuning.ts"
import { openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"
import { type Child, startChild } from "./child.ts"
import { freePorts } from "./free-port.ts"
import { patient, relayCommand } from "./relay-command.ts"

/** What to stream, and through what. */
export interface StreamRun {
  /** Messages a second. */
  readonly rate: number
  /** 32-bit keys a message; 62 make 254 bytes. */
  readonly keys: number
  readonly seconds: number
  /** The client's -T. */
  readonly viaTcp: boolean
}

/** What became of it. */
export interface StreamResult {
  /** Messages that the board sent from the first to the last that arrived. */
  readonly offered: number
  readonly received: number
  readonly lost: number
  /** Messages that came after a later one. */
  readonly late: number
  /** Between the first and the last. */
  readonly seconds: number
  /** What board, server and client said last, for a person. */
  readonly said: readonly string[]
}

const LOOPBACK = "127.0.0.1"
const TAG = 1
/** The fake board's stream has no key prefix: its number, the payload base, follows the two header bytes. */
const NUMBER_AT = 2

/** Streams for `seconds` and counts. */
export async function streamThroughRelay(run: StreamRun): Promise<StreamResult> {
  const [scpTunnel, bootTunnel, scpPort, bootPort] = (await freePorts(4, LOOPBACK)) as [number, number, number, number]
  const start = (args: readonly string[]): Child => startChild([...relayCommand(), ...args])
  const program = `0,0,5=stream:tag=${TAG},rate=${run.rate},keys=${run.keys}`
  await using board = start(["board", "--booted", "--scp-port", "0", "--boot-port", "0", "--program", program])
  const [line] = await board.waitForLine(/^\{.*\}$/, undefined, "stdout")
  const at: { scp: string; boot: string } = JSON.parse(line)
  const portOf = (address: string): string => address.slice(address.lastIndexOf(":") + 1)
  const tunnels = ["--scp-tunnel-port", `${scpTunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
  const boardPorts = ["--scp-port", portOf(at.scp), "--boot-port", portOf(at.boot)]
  await using server = start(["-s", LOOPBACK, "--bind", LOOPBACK, ...boardPorts, ...tunnels])
  await server.waitForLine(/listening for boot/i)
  const localPorts = ["--scp-port", `${scpPort}`, "--boot-port", `${bootPort}`]
  await using client = start(["-c", LOOPBACK, ...(run.viaTcp ? ["-T"] : []), ...localPorts, ...tunnels])
  await client.waitForLine(/listening for boot/i)
  const receiver = await Receiver.open()
  try {
    await setTag(scpPort, receiver.port)
    await receiver.begun
    await Bun.sleep(run.seconds * 1_000)
    return { ...receiver.result(), said: [...board.stderr, ...server.stderr, ...client.stderr].slice(-20) }
  } finally {
    receiver.close()
  }
}

/** Counts numbered messages. */
class Receiver {
  readonly begun: Promise<void>
  #socket: RawSocket | undefined
  #first = -1
  #last = -1
  #received = 0
  #late = 0
  #firstAt = 0
  #lastAt = 0
  readonly #begin: () => void

  private constructor() {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.begun = promise
    this.#begin = resolve
  }

  static async open(): Promise<Receiver> {
    const receiver = new Receiver()
    const socket = await openSocket(
      { host: LOOPBACK, port: 0 },
      { onDatagram: (datagram) => receiver.#take(datagram), onError() {}, onDrain() {} },
    )
    new ReceiveTuning(silentObserver).tune(socket)
    receiver.#socket = socket
    return receiver
  }

  get port(): number {
    return this.#socket?.address.port ?? 0
  }

  result(): Omit<StreamResult, "said"> {
    const offered = this.#last - this.#first + 1
    const seconds = (this.#lastAt - this.#firstAt) / 1_000
    return { offered, received: this.#received, lost: offered - this.#received, late: this.#late, seconds }
  }

  close(): void {
    this.#socket?.close()
  }

  #take(datagram: Uint8Array): void {
    if (datagram.length < NUMBER_AT + 4) return
    const number = new DataView(datagram.buffer, datagram.byteOffset).getUint32(NUMBER_AT, true)
    const now = performance.now()
    if (this.#first < 0) {
      this.#first = number
      this.#firstAt = now
      this.#begin()
    }
    if (number < this.#last) this.#late++
    this.#last = Math.max(this.#last, number)
    this.#lastAt = now
    this.#received++
  }
}

/** Sets the tag, stripped, as a live spike receiver does. Throws Error if nobody answers. */
async function setTag(scpPort: number, port: number): Promise<void> {
  const answered = Promise.withResolvers<Uint8Array>()
  const socket = await openSocket(
    { host: LOOPBACK, port: 0, connect: { host: LOOPBACK, port: scpPort } },
    { onDatagram: answered.resolve, onError() {}, onDrain() {} },
  )
  const words = encodeIptagRequest({
    operation: IptagOp.set,
    tag: TAG,
    timeoutCode: 0,
    strip: true,
    reverse: false,
    useSender: false,
    port,
    address: 0,
    destAddress: 0,
    destPort: 0,
  })
  const sdp = monitorHeader(0, 0)
  socket.send(encodeScpRequest({ sdp, command: Command.IPTAG, sequence: 1, ...words, data: new Uint8Array(0) }))
  const tooLate = setTimeout(() => answered.reject(new Error("The relay did not answer IPTAG")), patient(5_000))
  const reply = decodeScpReply(await answered.promise)
  clearTimeout(tooLate)
  // The socket stays open until this process ends: a program that has gone has no tags.
  if (reply?.result !== Result.OK) throw new Error(`IPTAG was answered ${reply?.result}`)
}
