/** A client of a fake device over memory: it asks, and keeps what it is told. */
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeV1, type Peeked, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { encodeFrame, FrameDecoder } from "../../src/lucidac/frame.ts"
import { decodePayload, encodePayload } from "../../src/lucidac/payload.ts"
import {
  ErrorMessageSchema,
  RunState,
  RunStateChangeMessageSchema,
  type StartRunCommandSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { peekRunData } from "../../src/lucidac/run-header.ts"
import type { TcpOwner, TcpPort } from "../../src/transport/tcp-port.ts"

export class MemoryClient {
  readonly told: Peeked[] = []
  /** Bytes that the client takes before it stalls; `take()` lets more through. */
  room = Number.POSITIVE_INFINITY
  ended = false
  #owner: TcpOwner | undefined
  #nextId = 1
  readonly #decoder = new FrameDecoder()
  readonly port: TcpPort

  constructor(accept: (port: TcpPort) => TcpOwner | undefined) {
    this.port = {
      peer: { host: "192.0.2.1", port: 4000 },
      write: (bytes) => {
        const taken = Math.min(this.room, bytes.length)
        this.room -= taken
        this.#decoder.push(bytes.slice(0, taken), (body) => void this.told.push(peekEnvelope(body)!))
        return taken
      },
      end: () => this.#end(),
      endSending: () => this.#end(),
      abort: () => this.#end(),
    }
    this.#owner = accept(this.port)
  }

  #end(): void {
    this.ended = true
    this.#owner = undefined
  }

  /** Any bytes at all. */
  sendBytes(bytes: Uint8Array): void {
    this.#owner?.onData(bytes)
  }

  /** Goes away. */
  leave(): void {
    this.#owner?.onClose("closed by the other side")
    this.#end()
  }

  /** Takes so many more bytes. */
  take(bytes: number): void {
    this.room += bytes
    this.#owner?.onDrain()
  }

  /** Asks with an empty payload or one of `schema`; the answer, if there is one at once. */
  ask(arm: number, payload: Uint8Array = new Uint8Array(0)): V1Message | undefined {
    const id = `id${this.#nextId++}`
    this.sendBytes(encodeFrame(encodeV1(id, arm, payload)))
    return this.v1.find((message) => message.id === id)
  }

  request<Desc extends DescMessage>(arm: number, schema: Desc, init: MessageInitShape<Desc>): V1Message | undefined {
    return this.ask(arm, encodePayload(schema, init))
  }

  start(schema: typeof StartRunCommandSchema, init: MessageInitShape<typeof StartRunCommandSchema>) {
    return this.request(ARM.startRun, schema, init)
  }

  get v1(): V1Message[] {
    return this.told.filter((message): message is V1Message => message.kind === "v1")
  }

  /** Names of the run states told, in order. */
  get states(): string[] {
    return this.changes.map((change) => RunState[change.new]!)
  }

  get changes() {
    return this.all(ARM.runStateChange, RunStateChangeMessageSchema)
  }

  all<Desc extends DescMessage>(arm: number, schema: Desc): MessageShape<Desc>[] {
    return this.v1.filter((message) => message.arm === arm).map(({ payload }) => decodePayload(schema, payload)!)
  }

  /** Heads of the messages of samples. */
  get chunks() {
    return this.v1.filter(({ arm }) => arm === ARM.runData).map(({ payload }) => peekRunData(payload)!)
  }
}

/** The text of an error message. */
export function errorText(message: V1Message | undefined): string | undefined {
  if (message?.arm !== ARM.error) return undefined
  return decodePayload(ErrorMessageSchema, message.payload)?.description
}
