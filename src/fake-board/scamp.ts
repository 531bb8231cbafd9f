/**
 * SC&MP on an Ethernet chip: what becomes of a datagram that arrives at the SDP port, and how replies leave.
 * Source: spinnaker_tools 4.0.0, udp_pkt, proc_route_msg, eth_send_msg.
 */
import { decodeScpRequest, encodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import {
  readSdpHeader,
  SDP_HOST_PORT_CPU,
  SDP_MAX_DATAGRAM,
  SDP_PAYLOAD_OFFSET,
  SDP_TAG_NONE,
  SdpFlag,
  type SdpHeader,
} from "../protocol/sdp.ts"
import type { Address } from "../transport/address.ts"
import type { Chip } from "./chip.ts"
import { type Answer, fail } from "./command-call.ts"
import type { BoardDropReason } from "./events.ts"
import { scampCommands, unknownCommand } from "./scamp-commands.ts"
import { TAG_COUNT, TagFlag, TagTable } from "./tag-table.ts"

/** What SC&MP needs from the board it runs on. */
export interface ScampHost {
  now(): number
  /** Sends from the board's own address and `fromPort` (its SDP port where absent). */
  send(to: Address, datagram: Uint8Array, fromPort?: number): void
  executed(chip: Chip, cpu: number, request: { command: number; sequence: number }, result: number, from: Address): void
  lost(reason: BoardDropReason): void
  networkUp(): boolean
}

/** Working cores of a chip, monitor included. */
const CORES = 18

/** SC&MP of one Ethernet chip, from its start until power-off. */
export class Scamp {
  readonly tags = new TagTable()

  constructor(
    private readonly chip: Chip,
    private readonly host: ScampHost,
  ) {}

  /** A datagram at the SDP port; whatever it holds, nothing is thrown. */
  receive(from: Address, datagram: Uint8Array): void {
    const { host } = this
    if (datagram.length < SDP_PAYLOAD_OFFSET || datagram.length > SDP_MAX_DATAGRAM) {
      host.lost("length")
      return
    }
    const header = readSdpHeader(datagram)
    // The source chip is overwritten with the Ethernet chip's own; port and core stay as sent.
    header.srcX = this.chip.x
    header.srcY = this.chip.y
    if (header.flags & SdpFlag.replyExpected) {
      if (header.tag === SDP_TAG_NONE) {
        const lent = this.tags.lend(from.host, from.port, host.now())
        if (lent === undefined) {
          host.lost("no-tag")
          return
        }
        header.tag = lent
      }
      if (header.tag >= TAG_COUNT || this.tags.at(header.tag, host.now()).flags === 0) {
        host.lost("bad-tag")
        return
      }
    }
    this.#route(header, datagram, from)
  }

  #route(header: SdpHeader, datagram: Uint8Array, from: Address): void {
    const root = header.destX === 255 && header.destY === 255
    if (root) {
      header.destX = this.chip.x
      header.destY = this.chip.y
    }
    if (header.destX !== this.chip.x || header.destY !== this.chip.y) {
      this.#answer(header, datagram, fail(Result.ROUTE))
    } else if (header.destCpu >= CORES) this.#answer(header, datagram, fail(Result.CPU))
    else if (header.destCpu !== 0) this.host.lost("no-listener")
    else if (header.destPort !== 0) this.#answer(header, datagram, fail(Result.PORT))
    else this.#answer(header, datagram, this.#execute(header, datagram, from))
  }

  #execute(header: SdpHeader, datagram: Uint8Array, from: Address): Answer {
    const request = decodeScpRequest(datagram)
    if (!request) return fail(Result.LEN)
    const handler = scampCommands.get(request.command) ?? unknownCommand
    const answer = handler({ chip: this.chip, request, networkUp: this.host.networkUp() })
    this.host.executed(this.chip, header.destCpu, request, answer.result, from)
    return answer
  }

  #answer(header: SdpHeader, datagram: Uint8Array, answer: Answer): void {
    if ((header.flags & SdpFlag.replyExpected) === 0) return
    const sequence = sequenceOf(datagram)
    const reply = encodeScpReply({
      sdp: {
        flags: header.flags & ~SdpFlag.replyExpected,
        tag: header.tag,
        destPort: header.srcPort,
        destCpu: header.srcCpu,
        srcPort: header.destPort,
        srcCpu: header.destCpu,
        destX: header.srcX,
        destY: header.srcY,
        srcX: header.destX,
        srcY: header.destY,
      },
      result: answer.result,
      sequence,
      body: answer.body,
    })
    // A reply leaves by Ethernet only if the request came from "port 7, CPU 31"; otherwise it goes to a core.
    if (reply[4] !== SDP_HOST_PORT_CPU) this.host.lost("no-listener")
    else this.#leave(header.tag, reply)
  }

  #leave(number: number, message: Uint8Array): void {
    const tag = this.tags.at(number, this.host.now())
    if ((tag.flags & TagFlag.valid) === 0) {
      this.host.lost("bad-tag")
      return
    }
    const strip = (tag.flags & TagFlag.strip) !== 0
    const datagram = strip ? message.subarray(SDP_PAYLOAD_OFFSET) : message
    const to = { host: tag.host, port: tag.txPort }
    const fromPort = tag.flags & TagFlag.reverse ? tag.rxPort : undefined
    this.tags.used(tag)
    this.host.send(to, datagram, fromPort)
  }
}

/** The sequence number to echo; a message too short to have one leaves what the buffer held: zero here. */
function sequenceOf(datagram: Uint8Array): number {
  return datagram.length >= SCP_REPLY_BODY_OFFSET ? datagram[12]! | (datagram[13]! << 8) : 0
}
