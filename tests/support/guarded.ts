/** One or more applications' flows through a stage to a hand-driven board, on a fake clock: what the stage tests use. */
import { encodeScpReply, Result } from "../../src/protocol/scp.ts"
import type { Stage } from "../../src/relay/flow.ts"
import { sequenceOf } from "../../src/relay/scp-classify.ts"
import type { Link } from "../../src/transport/link.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "./fake-clock.ts"
import { RecordingObserver } from "./recording-observer.ts"
import { type Asked, requestBytes } from "./scp-client.ts"

/** An application's end of a flow, and the board's. */
export interface Bench {
  /** Sends as the application. */
  ask(asked: Asked, sequence: number): void
  sendRaw(datagram: Uint8Array): void
  /** What the application got. */
  readonly got: Uint8Array[]
  /** What the board got. */
  readonly board: Uint8Array[]
  /** Sends as the board. */
  fromBoard(datagram: Uint8Array): void
  /** Answers what the board got as number `at`. */
  answer(at: number, options?: { result?: number; body?: Uint8Array }): void
  readonly link: Link
}

/** Flows through one stage, all to one board. */
export class StageBench {
  readonly clock = new FakeClock()
  readonly observer = new RecordingObserver()
  #flows = 0

  constructor(private readonly make: (bench: StageBench) => Stage) {}

  #stage: Stage | undefined

  flow(): Bench {
    this.#stage ??= this.make(this)
    const { clock, observer } = this
    const context = { clock, random: seededRandom(1), drops: observer }
    const id = ++this.#flows
    const [near, far] = memoryPair(context, { first: `app${id}`, second: "board" })
    const link = this.#stage(near, { id, owner: "test", application: `app${id}` })
    const got: Uint8Array[] = []
    const board: Uint8Array[] = []
    link.onDatagram = (datagram) => got.push(datagram)
    link.onClose = () => {}
    far.onDatagram = (datagram) => board.push(datagram)
    far.onClose = () => {}
    const turn = (): void => clock.advance(0)
    const sendRaw = (datagram: Uint8Array): void => {
      link.send(datagram)
      turn()
    }
    const fromBoard = (datagram: Uint8Array): void => {
      far.send(datagram)
      turn()
    }
    return {
      link,
      got,
      board,
      sendRaw,
      fromBoard,
      ask: (asked, sequence) => sendRaw(requestBytes(asked, sequence)),
      answer: (at, options = {}) => fromBoard(replyTo(board[at]!, options)),
    }
  }
}

/** SC&MP's reply to a request. */
export function replyTo(
  request: Uint8Array,
  { result = Result.OK, body = new Uint8Array(0), tag = 8 }: { result?: number; body?: Uint8Array; tag?: number } = {},
): Uint8Array {
  const chips = { destX: 0, destY: 0, srcX: 0, srcY: 0 }
  const sdp = { flags: 7, tag, destPort: 7, destCpu: 31, srcPort: request[4]! >> 5, srcCpu: request[4]! & 31, ...chips }
  return encodeScpReply({ sdp, result, sequence: sequenceOf(request), body })
}
