/** An SCP connection without a socket, on a fake clock: tests see what is sent and say what comes back. */
import { ReceiveQueue } from "../../src/connections/receive-queue.ts"
import {
  type AbstractSCPConnection,
  encodeRequest,
  parseScpResponse,
  type SCPRequest,
} from "../../src/connections/scp-connection.ts"
import { silentObserver } from "../../src/observe/observer.ts"
import { decodeScpRequest, encodeScpReply, Result, type ScpRequest } from "../../src/protocol/scp.ts"
import { FakeClock } from "../support/fake-clock.ts"

export class ScriptedScp implements AbstractSCPConnection {
  readonly clock = new FakeClock()
  /** Requests in the order of their sending, repeats included. */
  readonly sent: ScpRequest[] = []
  readonly chipX = 255
  readonly chipY = 255
  /** Throws to make a send fail. */
  beforeSend: (request: ScpRequest) => void = () => {}
  /** Answers requests by itself; undefined is silence. */
  respond: (request: ScpRequest) => { result?: number; body?: Uint8Array } | undefined = () => undefined
  readonly #queue = new ReceiveQueue(this.clock, silentObserver)

  isReadyToReceive(timeoutMs = 0): Promise<boolean> {
    return this.#queue.ready(timeoutMs)
  }

  async receiveScpResponse(timeoutMs = 1000, signal?: AbortSignal) {
    return parseScpResponse((await this.#queue.take(timeoutMs, signal)).data)
  }

  getScpData(request: SCPRequest): Uint8Array {
    return encodeRequest(request, 255, 255)
  }

  async sendScpRequest(request: SCPRequest): Promise<void> {
    await this.send(this.getScpData(request))
  }

  async send(data: Uint8Array): Promise<void> {
    const request = decodeScpRequest(data)!
    this.beforeSend(request)
    this.sent.push(request)
    const response = this.respond(request)
    if (response) queueMicrotask(() => this.#push(request.sequence, response.result ?? Result.OK, response.body))
  }

  /** Sequences sent since the last call. */
  taken(): number[] {
    return this.sent.splice(0).map(({ sequence }) => sequence)
  }

  /** A reply arrives. */
  async reply(sequence: number, result: number = Result.OK, body: Uint8Array = new Uint8Array(0)): Promise<void> {
    this.#push(sequence, result, body)
    await this.settle()
  }

  #push(sequence: number, result: number, body: Uint8Array = new Uint8Array(0)): void {
    const sdp = {
      flags: 7,
      tag: 8,
      destPort: 7,
      destCpu: 31,
      srcPort: 0,
      srcCpu: 0,
      destX: 0,
      destY: 0,
      srcX: 0,
      srcY: 0,
    }
    this.deliver(encodeScpReply({ sdp, result, sequence, body }))
  }

  deliver(data: Uint8Array): void {
    this.#queue.push({ data, address: { host: "127.0.0.1", port: 17893 } })
  }

  /** Time passes. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  /** Lets everything that waits for a promise go on. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
  }

  close(): void {
    this.#queue.close()
  }
}
