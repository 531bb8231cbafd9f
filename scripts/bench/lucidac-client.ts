/** A client of LUCIDACs for measurements: frames in and out, answers by id, samples counted and not kept. */
import { ARM } from "../../src/lucidac/arm.ts"
import { encodeV1, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { encodeFrame, FrameDecoder } from "../../src/lucidac/frame.ts"
import { decodePayload, encodePayload } from "../../src/lucidac/payload.ts"
import {
  ErrorMessageSchema,
  RunState,
  RunStateChangeMessageSchema,
  StartRunCommandSchema,
  Time_Prefix,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { peekRunData } from "../../src/lucidac/run-header.ts"
import { type Address, formatAddress } from "../../src/transport/address.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { connectTcp, type PausablePort } from "../../src/transport/tcp-port.ts"

/** Messages of samples of one carrier. */
interface Received {
  messages: number
  /** Numbers that were passed over; one that comes late is taken off again. */
  missing: number
  next: number
}

/** A connection to a device or to a proxy before several. */
export class LucidacClient {
  /** Messages of samples, by carrier's path. */
  readonly received = new Map<string, Received>()
  /** What was told without being asked, and errors of runs. */
  readonly complaints: string[] = []
  #port: PausablePort | undefined
  #nextId = 1
  #waiting = new Map<string, (message: V1Message) => void>()
  #done = 0
  #wanted = 0
  #onDone: ((problem: string | undefined) => void) | undefined

  static async connect(address: Address): Promise<LucidacClient> {
    const client = new LucidacClient()
    const decoder = new FrameDecoder()
    const result = await connectTcp({
      address,
      timeoutMs: 5_000,
      clock: systemClock,
      ownerOf: (port) => {
        client.#port = port
        return {
          onData: (chunk) => void decoder.push(chunk, (body) => client.#onBody(body)),
          onDrain() {},
          onClose: (detail) => client.#onDone?.(`the connection ended: ${detail}`),
        }
      },
    })
    if (!result.ok) throw new Error(`Cannot connect to ${formatAddress(address)}: ${result.detail}`)
    return client
  }

  /** Sends a request; resolves with its answer. */
  ask(arm: number, payload: Uint8Array = new Uint8Array(0)): Promise<V1Message> {
    const id = String(this.#nextId++)
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      // Requests are far shorter than a socket's buffer.
      this.#port?.write(encodeFrame(encodeV1(id, arm, payload)))
    })
  }

  /** Runs for so long with 8 channels; resolves once `carriers` are DONE, rejects at an ERROR. */
  async run(options: { id: string; seconds: number; rate: number; carriers: number }): Promise<void> {
    this.received.clear()
    this.#done = 0
    this.#wanted = options.carriers
    const end = Promise.withResolvers<string | undefined>()
    this.#onDone = end.resolve
    const answer = await this.ask(
      ARM.startRun,
      encodePayload(StartRunCommandSchema, {
        run: { id: options.id },
        runConfig: { opTime: { value: BigInt(Math.round(options.seconds * 1000)), prefix: Time_Prefix.MILLI } },
        daqConfig: { numChannels: 8, sampleRate: options.rate, sampleOp: true },
      }),
    )
    if (answer.arm !== ARM.startRunResponse) throw new Error(`The run was refused: ${errorText(answer)}`)
    const problem = await end.promise
    this.#onDone = undefined
    if (problem !== undefined) throw new Error(problem)
  }

  /** Reads nothing for so long. */
  async stall(ms: number): Promise<void> {
    this.#port?.pause()
    await Bun.sleep(ms)
    this.#port?.resume()
  }

  end(): void {
    this.#onDone = undefined
    this.#port?.end()
  }

  #onBody(body: Uint8Array): void {
    const message = peekEnvelope(body)
    if (message?.kind !== "v1") return
    if (message.arm === ARM.runData) this.#onSamples(message)
    else if (message.arm === ARM.runStateChange) this.#onState(message)
    else if (message.id === undefined) this.complaints.push(errorText(message))
    else {
      const resolve = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      resolve?.(message)
    }
  }

  #onSamples({ payload }: V1Message): void {
    const head = peekRunData(payload)
    if (!head) return
    let own = this.received.get(head.path)
    if (!own) {
      own = { messages: 0, missing: 0, next: 0 }
      this.received.set(head.path, own)
    }
    own.messages++
    if (head.chunk >= own.next) {
      own.missing += head.chunk - own.next
      own.next = head.chunk + 1
    } else own.missing--
  }

  #onState({ payload }: V1Message): void {
    const change = decodePayload(RunStateChangeMessageSchema, payload)
    if (change?.new === RunState.ERROR) this.#onDone?.(`a run ended in ERROR: ${change.reason}`)
    if (change?.new === RunState.DONE && ++this.#done === this.#wanted) this.#onDone?.(undefined)
  }
}

function errorText({ arm, payload }: V1Message): string {
  return (arm === ARM.error && decodePayload(ErrorMessageSchema, payload)?.description) || `message ${arm}`
}
