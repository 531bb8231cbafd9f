/** A board that executes every datagram, answers after a while and counts: who was executed how often, how many tags were lent. */
import { Command, decodeScpRequest, encodeScpReply, Result } from "../../src/protocol/scp.ts"
import { SDP_TAG_NONE, SdpFlag } from "../../src/protocol/sdp.ts"
import type { Clock } from "../../src/transport/clock.ts"
import type { Link } from "../../src/transport/link.ts"

/** Transient tags of a board, and how long one is lent without an answer. Source: wire facts §1.1. */
const TAGS = 8
const TAG_LIFE_MS = 2_560

/** How a counting board behaves. */
export interface CountingBoardOptions {
  clock: Clock
  /** Time until an answer; undefined = never. */
  answerMs?: (command: number, cpu: number) => number | undefined
}

/** Attach one far end of a line for each flow. */
export class CountingBoard {
  /** Executions by command and first two arguments. */
  readonly executions = new Map<string, number>()
  /** Datagrams that found no tag free. */
  untagged = 0
  /** Most tags lent at once. */
  mostLent = 0
  /** Requests as they came, sequence numbers included. */
  readonly arrived: { command: number; sequence: number; arg1: number; at: number }[] = []
  #lent = 0

  constructor(private readonly options: CountingBoardOptions) {}

  /** Executions of `command`, all arguments together. */
  count(command: number): number {
    let sum = 0
    for (const [key, count] of this.executions) if (key.startsWith(`${command}:`)) sum += count
    return sum
  }

  /** Requests of `command` (told apart by their arguments) that were executed more than once. */
  doubled(command: number): number {
    let sum = 0
    for (const [key, count] of this.executions) if (count > 1 && key.startsWith(`${command}:`)) sum++
    return sum
  }

  attach(link: Link): void {
    link.onDatagram = (datagram) => this.#receive(link, datagram)
    link.onClose = () => {}
  }

  #receive(link: Link, datagram: Uint8Array): void {
    const { clock, answerMs = () => 1 } = this.options
    const request = decodeScpRequest(datagram)
    if (!request) return
    const wantsReply = (request.sdp.flags & SdpFlag.replyExpected) !== 0
    const lends = wantsReply && request.sdp.tag === SDP_TAG_NONE
    if (lends) {
      if (this.#lent >= TAGS) {
        this.untagged++
        return
      }
      this.#lent++
      this.mostLent = Math.max(this.mostLent, this.#lent)
    }
    const { command, sequence, arg1, arg2 } = request
    this.arrived.push({ command, sequence, arg1, at: clock.now() })
    const key = `${command}:${arg1}:${arg2}`
    const executions = (this.executions.get(key) ?? 0) + 1
    this.executions.set(key, executions)
    const wait = answerMs(command, request.sdp.destCpu)
    if (lends) clock.after(Math.min(wait ?? TAG_LIFE_MS, TAG_LIFE_MS), () => this.#lent--)
    if (!wantsReply || wait === undefined) return
    // ALLOC and IPTAG NEW say something else each time; the rest only that it was done.
    const body = new Uint8Array(command === Command.ALLOC || command === Command.IPTAG ? 4 : 0)
    if (body.length > 0)
      new DataView(body.buffer).setUint32(0, 0x6000_0000 + this.executions.size * 64 + executions, true)
    const { destPort, destCpu, srcPort, srcCpu, destX, destY } = request.sdp
    const sdp = {
      flags: SdpFlag.noReply,
      tag: 8,
      destPort: srcPort,
      destCpu: srcCpu,
      srcPort: destPort,
      srcCpu: destCpu,
      destX: 0,
      destY: 0,
      srcX: destX,
      srcY: destY,
    }
    clock.after(wait, () => link.send(encodeScpReply({ sdp, result: Result.OK, sequence, body })))
  }
}
